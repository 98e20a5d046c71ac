/** The share of reads that the target answers: published as the wish, put into effect, and verified where readers look. */
import type { TenantDocument } from '../../../contracts/documents.ts';
import type { Run } from '../../../contracts/machine-io.ts';
import { CLOSED_BREAKER } from '../../../domain/breaker.ts';
import type { Flag } from '../../../domain/flags.ts';
import type { WatchStart } from '../../../domain/read-watch.ts';
import { STAGES } from '../../../domain/stage.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import { FlagsConflict } from '../../../ports/flags.ts';
import type { Deps } from '../../deps.ts';
import { BREAKER_ID } from '../../reads/read-breaker.ts';
import { minuteOf } from '../../reads/read-counters.ts';
import { directionInForce } from '../../switch/authority.ts';
import { setStage, tenantStates } from '../../tenants/exposure.ts';

/** The scope, and the shared rows, which follow the most advanced tenant (design §2). */
export function readersOf(deps: Deps, run: Run): readonly string[] {
  return deps.plan.tenants.kind === 'none' ? run.scope : [...new Set([...run.scope, NO_TENANT])];
}

/** Tenants whose reads cannot move now, with the reason. */
export async function findObstacles(deps: Deps, run: Run): Promise<readonly string[]> {
  if ((await directionInForce(deps)) === 'reverse')
    return ['write authority is with the target; its reads are no longer a canary'];
  const states = new Map((await tenantStates(deps, 'forward')).map((state) => [state.tenant, state]));
  return run.scope.flatMap((tenant) => {
    const state = states.get(tenant);
    if (state?.is_on !== true) return [`tenant ${tenant} is not exposed; run: npx crossfade start dual-write`];
    if (!state.copied) return [`tenant ${tenant} is not copied yet; run: npx crossfade start backfill`];
    return STAGES.indexOf(state.stage) > STAGES.indexOf('live') ? [`tenant ${tenant} is in stage ${state.stage}`] : [];
  });
}

export type Published = 'published' | 'unchanged' | 'unreadable' | 'conflict';

/** Publishes a change of the wish `target_reads`, derived from the version that is deployed. */
export async function publishWish(deps: Deps, change: (flag: Flag) => Flag, why: string): Promise<Published> {
  const wish = await deps.flags.read();
  if (wish === undefined) return 'unreadable';
  const before = wish.flags.target_reads;
  const after = change(before);
  if (JSON.stringify(before) === JSON.stringify(after)) return 'unchanged';
  try {
    await deps.flags.publish({ ...wish.flags, target_reads: after }, wish.version, why);
    return 'published';
  } catch (error) {
    // Somebody else changed the flags, or a ramp is in flight: the next look sees what came of it.
    if (error instanceof FlagsConflict) return 'conflict';
    throw error;
  }
}

/** A tenant that is at a higher weight already keeps it: nobody who reads the target is sent back by another's canary. */
export async function applyWeight(deps: Deps, run: Run, percent: number): Promise<void> {
  const known = await tenantDocuments(deps);
  const lower = readersOf(deps, run).filter((tenant) => !isAtLeast(known.get(tenant), percent));
  if (lower.length > 0) {
    await setStage(deps, 'forward', lower, 'live', percent, `cutover, ${percent} % of reads (${run.requestedBy})`);
  }
  await deps.documents.put('breaker', BREAKER_ID, CLOSED_BREAKER, 'any');
}

/** Tenants of the scope that readers do not see at the weight yet. */
export async function notInEffect(deps: Deps, run: Run, percent: number): Promise<readonly string[]> {
  const known = await tenantDocuments(deps);
  return run.scope.filter((tenant) => !isAtLeast(known.get(tenant), percent));
}

export async function startWatch(deps: Deps): Promise<WatchStart> {
  const now = deps.clock.now();
  const bucket = await deps.documents.get('reads', minuteOf(now));
  return { at: now.toISOString(), before: bucket?.value ?? {} };
}

export async function tenantDocuments(deps: Deps): Promise<ReadonlyMap<string, TenantDocument>> {
  return new Map((await deps.documents.list('tenant')).map(({ id, value }) => [id, value]));
}

function isAtLeast(document: TenantDocument | undefined, percent: number): boolean {
  return document?.stage === 'live' && document.readPercent >= percent;
}
