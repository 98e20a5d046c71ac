/**
 * Empties a dead-letter queue whose claim checks stand for nothing: their events were delivered, brought back, or ended otherwise.
 * A queue cannot be searched: while one event is dead, all stay, and the alarm with them. An event that is still being tried had a
 * message that died unseen (its function crashed each time): it is pending again.
 */
import { type Direction, sourceOf } from '../../domain/direction.ts';
import { anyDead } from '../../sql/relay/any-dead.ts';
import { redriveEvents } from '../../sql/relay/redrive-events.ts';
import type { Deps } from '../deps.ts';

/** What is left is dropped the next time. */
const MOST_MESSAGES = 1_000;

export type DropDeps = Pick<Deps, 'databases' | 'queues'>;

/** @returns how many claim checks were dropped. */
export async function dropClaimChecks({ databases, queues }: DropDeps, direction: Direction): Promise<number> {
  const source = databases.open(sourceOf(direction), 'relay');
  const [answer] = await source.query<{ any_dead: boolean }>(anyDead);
  if (answer?.any_dead !== false) return 0;
  const seqs: string[] = [];
  const dropped = await queues.drainDead(direction, MOST_MESSAGES, async ({ seq }) => {
    if (/^\d{1,19}$/.test(seq)) seqs.push(seq);
  });
  if (seqs.length > 0) await source.query(redriveEvents(['retry'], { seqs, why: 'its retry message died unseen' }));
  return dropped;
}
