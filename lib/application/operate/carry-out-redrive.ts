/** The relay's side of `crossfade redrive`: events first, then their claim checks, so that a crash between loses nothing. */
import { type Direction, sourceOf } from '../../domain/direction.ts';
import { redriveEvents } from '../../sql/relay/redrive-events.ts';
import type { Deps } from '../deps.ts';
import { redriveId, SET_ASIDE_STATES } from './redrive.ts';

/** Claim checks that are dropped at once; what is left is dropped by the next redrive, and a claim check without its event does nothing. */
const MOST_MESSAGES = 1_000;

export type RedriveDeps = Pick<Deps, 'documents' | 'databases' | 'queues' | 'clock' | 'log'>;

/** Cheap when nothing was asked for: one read of the control table. Called by the relay of `direction` every few seconds. */
export async function carryOutRedrive(deps: RedriveDeps, direction: Direction): Promise<void> {
  const stored = await deps.documents.get('progress', redriveId(direction));
  if (stored === undefined || stored.value.state.carriedOutAt !== null) return;
  const asked = stored.value.state.states;
  const states = SET_ASIDE_STATES.filter((state) => Array.isArray(asked) && asked.includes(state));
  const rows =
    states.length === 0 ? [] : await deps.databases.open(sourceOf(direction), 'relay').query(redriveEvents(states));
  const at = deps.clock.now().toISOString();
  await deps.documents.put(
    'progress',
    redriveId(direction),
    { ...stored.value, state: { ...stored.value.state, carriedOutAt: at, events: rows.length }, at },
    'any',
  );
  deps.log.info('set-aside events are brought back', { direction, states, events: rows.length });
  if (states.includes('dead')) await deps.queues.drainDead(direction, MOST_MESSAGES, async () => undefined);
}
