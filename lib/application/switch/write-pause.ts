/** How long applications could write nowhere: from the first fence of a switch until the other store is unfenced. */
import type { Deps } from '../deps.ts';

function pauseId(of: 'switchover' | 'rollback'): string {
  return `write-pause/${of}`;
}

/** The first call of a switch counts: a step that is repeated keeps its beginning. */
export async function startWritePause(deps: Deps, of: 'switchover' | 'rollback'): Promise<void> {
  const stored = await deps.documents.get('progress', pauseId(of));
  if (stored !== undefined && stored.value.state.endedAt === undefined) return;
  const at = deps.clock.now().toISOString();
  await deps.documents.put('progress', pauseId(of), { work: pauseId(of), state: { startedAt: at }, at }, 'any');
}

/** @returns milliseconds. */
export async function endWritePause(deps: Deps, of: 'switchover' | 'rollback'): Promise<number> {
  const now = deps.clock.now();
  const stored = await deps.documents.get('progress', pauseId(of));
  const startedAt = new Date(String(stored?.value.state.startedAt ?? now.toISOString()));
  const ms = now.getTime() - startedAt.getTime();
  const state = { startedAt: startedAt.toISOString(), endedAt: now.toISOString(), ms };
  await deps.documents.put('progress', pauseId(of), { work: pauseId(of), state, at: now.toISOString() }, 'any');
  return ms;
}
