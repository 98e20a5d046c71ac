/** What the steps of decommission share: the name of the run in keys, and the point after which there is no way back. */
import type { Run } from '../../../contracts/machine-io.ts';
import type { IdleClock } from '../../../domain/idle-clock.ts';
import type { Deps } from '../../deps.ts';

/** Progress documents of phase 5. */
export const LEGACY_IDLE = 'decommission/legacy-idle';
export const REVERSE_IDLE = 'decommission/reverse-idle';
/** Written before the first capture trigger is removed: the point of no return. */
export const RETIRED = 'decommission/retired';

/** Milliseconds that one call works before it answers again. */
export const CALL_MS = 40_000;

export function executionName({ execution }: Run): string {
  return execution.split(':').at(-1) ?? execution;
}

export interface Retired {
  readonly at: string;
  readonly by: string;
  readonly execution: string;
}

export async function readRetired(deps: Deps): Promise<Retired | undefined> {
  // Written by markRetired only.
  return (await deps.documents.get('progress', RETIRED))?.value.state as Retired | undefined;
}

export async function markRetired(deps: Deps, run: Run): Promise<void> {
  const at = deps.clock.now().toISOString();
  if ((await readRetired(deps)) !== undefined) return;
  const state: Retired = { at, by: run.requestedBy, execution: run.execution };
  await deps.documents.put('progress', RETIRED, { work: RETIRED, state: { ...state }, at }, 'any');
}

export async function readClock(deps: Deps, id: string): Promise<IdleClock | null> {
  const { clock } = (await deps.documents.get('progress', id))?.value.state ?? {};
  // Written by saveClock only.
  return (clock as IdleClock | null | undefined) ?? null;
}

export async function saveClock(deps: Deps, id: string, clock: IdleClock | null): Promise<void> {
  const at = deps.clock.now().toISOString();
  await deps.documents.put('progress', id, { work: id, state: { clock }, at }, 'any');
}
