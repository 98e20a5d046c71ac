/** The relay's side of `crossfade redrive`: events first, then their claim checks, so that a crash between loses nothing. */
import { type Direction, sourceOf } from '../../domain/direction.ts';
import { VersionConflict } from '../../ports/documents.ts';
import { type RedrivenRow, redriveEvents } from '../../sql/relay/redrive-events.ts';
import type { Deps } from '../deps.ts';
import { dropClaimChecks } from '../relay/drop-claim-checks.ts';
import { redriveId, SET_ASIDE_STATES } from './redrive.ts';

export type RedriveDeps = Pick<Deps, 'documents' | 'databases' | 'queues' | 'clock' | 'log'>;

/** Cheap when nothing was asked for: one read of the control table. Called by the relay of `direction` every few seconds. */
export async function carryOutRedrive(deps: RedriveDeps, direction: Direction): Promise<void> {
  const stored = await deps.documents.get('progress', redriveId(direction));
  if (stored === undefined || stored.value.state.carriedOutAt !== null) return;
  const { states: asked, tenants: given, requestedBy } = stored.value.state;
  const states = SET_ASIDE_STATES.filter((state) => Array.isArray(asked) && asked.includes(state));
  // No tenants, or a request of an older version: everybody's.
  const tenants = Array.isArray(given) && given.length > 0 ? given.map(String) : undefined;
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const why = `brought back by ${String(requestedBy)}`;
  const [back] = states.length === 0 ? [] : await source.query<RedrivenRow>(redriveEvents(states, { tenants, why }));
  const events = Number(back?.events ?? 0);
  const at = deps.clock.now().toISOString();
  const done = { ...stored.value, state: { ...stored.value.state, carriedOutAt: at, events }, at };
  await deps.documents.put('progress', redriveId(direction), done, stored.version).catch((error: unknown) => {
    if (!(error instanceof VersionConflict)) throw error;
    // More was asked for meanwhile: the next look carries that out.
  });
  deps.log.info('set-aside events are brought back', { direction, states, tenants, events });
  if (states.includes('dead')) await dropClaimChecks(deps, direction);
}
