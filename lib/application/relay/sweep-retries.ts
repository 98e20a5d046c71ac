/** Finds what the retry queue lost. The outbox is the truth, so a message that is gone, or that died unseen, costs time and nothing else (design §3.4). */
import { type Direction, sourceOf } from '../../domain/direction.ts';
import { pruneEventLog } from '../../sql/relay/note-events.ts';
import { type RedrivenRow, redriveEvents } from '../../sql/relay/redrive-events.ts';
import type { Deps } from '../deps.ts';
import { dropClaimChecks } from './drop-claim-checks.ts';

/** An event that has been on the retry queue for this long was lost there: each try touches it, and the longest backoff is minutes. */
const SWEEP_AFTER_MS = 20 * 60_000;

export async function sweepRetries(deps: Deps, direction: Direction): Promise<void> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const [found] = await source.query<RedrivenRow>(
    redriveEvents(['retry'], { untouchedForMs: SWEEP_AFTER_MS, why: 'its retry message was lost' }),
  );
  const events = Number(found?.events ?? 0);
  if (events > 0) deps.log.warn('events were lost by the retry queue and are pending again', { direction, events });
  await source.query(pruneEventLog);
  if ((await deps.queues.depth(direction)).dead > 0) await dropClaimChecks(deps, direction);
}
