/**
 * Step `plan-chunks`: decides what the cycle compares and lists it in the bucket for the Distributed Map. A list of any length: the
 * step stops in time, answers `again`, and goes on where it stood, in the next execution too.
 */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { counted } from '../../domain/counted.ts';
import { callsAtOnce, chooseScope, itemsPerCall } from '../../domain/cycle-scope.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { again, proceed, refuse } from '../machines/step.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { describeBeyond } from './beyond-limit.ts';
import { type Comparison, chooseMode, currentDirection, planComparison, tablesSeenLess } from './comparison.ts';
import { saveMark, takeMark } from './cycle-marks.ts';
import { type Cycle, chunksKey, describeCycle, readCycle } from './cycle-store.ts';
import { beginList, beyondLimit, continueList, describeList, isListed, readList } from './list-items.ts';
import { adoptCycle, openCycle } from './open-cycle.ts';
import { type ScopeDecision, scopeOf } from './scope-of.ts';
import { copiedTenants } from './settle-round.ts';
import { generationsOf, readShapes } from './subject.ts';

/** Time of one call: well within the function's own. */
const LIST_MS = 120_000;

export async function planChunks(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const migration = await loadMigration(deps);
  const id = listedCycle(data);
  if (id !== undefined) return list(migration, await readCycle(deps.objects, id), []);

  const direction = await currentDirection(deps);
  let chosen: ReturnType<typeof chooseMode>;
  try {
    chosen = chooseMode(deps, run.mode);
  } catch (error) {
    if (error instanceof RangeError) return refuse([error.message]);
    throw error;
  }
  const states = await tenantStates(deps, direction);
  const wanted = new Set([...run.scope, NO_TENANT]);
  const allCopied = copiedTenants(states);
  const copied = allCopied.filter((tenant) => wanted.has(tenant));
  if (copied.length === 0) return refuse(['no tenant of the scope is copied yet; run: npx crossfade start backfill']);

  const wish = chooseScope(run, deps.plan.reconcile);
  const isCompared = new Set(copied);
  const generations = generationsOf(states.filter(({ tenant }) => isCompared.has(tenant)));
  const shapes = await readShapes(migration);
  const scope = await scopeOf(deps, run, wish, direction, { shapes, generations });
  if (scope.kind === 'nothing') return refuse([scope.why]);
  const isWindow = scope.kind === 'window';
  const compared = await planComparison(migration, direction, {
    ...chosen,
    tenants: copied,
    tables: scope.tables,
    isWindow,
  });
  const seenLess = tablesSeenLess(migration, compared, isWindow);
  const comparison: Comparison = { ...compared, generations };
  const asked = { kind: scope.kind, windowMs: wish.windowMs, limit: wish.limit, keys: run.keys ?? [], wish: wish.kind };
  const subject = fingerprint({ comparison, shapes, plan: deps.planHash, asked });
  const left = run.dryRun ? undefined : await adoptCycle(deps, run, subject);
  const isProof = seenLess.length === 0;
  const moves = copied.length === allCopied.length && chosen.mode !== 'count';
  const cycle = left ?? (await startCycle(migration, run, { comparison, shapes, subject, scope, isProof, moves }));
  if (!run.dryRun) await openCycle(deps, run, cycle);
  const uncopied = states.filter((state) => state.is_on && !state.copied).map((state) => state.tenant);
  return list(migration, cycle, [
    ...(scope.why === null ? [] : [scope.why]),
    ...(chosen.mode === 'count' ? ['mode count proves no row: it runs no drift clock and moves no window'] : []),
    ...(isProof ? [] : [`counts as a sample: the plan asks for more than the form fast of ${seenLess.join(', ')}`]),
    ...comparison.tables.map(
      ({ table, fingerprint: { form, columns } }) => `${table}: ${form} over ${columns} columns`,
    ),
    ...(uncopied.length === 0 ? [] : [`left out, not copied yet: ${uncopied.join(', ')}`]),
    ...(left === undefined ? [] : [`goes on with the cycle of ${left.startedAt}`]),
  ]);
}

interface NewCycle {
  readonly comparison: Comparison;
  readonly shapes: Readonly<Record<string, string>>;
  readonly subject: string;
  readonly scope: Exclude<ScopeDecision, { readonly kind: 'nothing' }>;
  /** In forms that show all that the plan asks for. */
  readonly isProof: boolean;
  readonly moves: boolean;
}

async function startCycle(
  migration: Migration,
  run: Run,
  { comparison, shapes, subject, scope, isProof, moves }: NewCycle,
) {
  const { deps } = migration;
  const id = run.dryRun ? `dry-${run.startedAt}` : run.startedAt;
  const isWhole = isProof && scope.limit === null && (scope.kind === 'full' || scope.goesOn);
  const cycle: Cycle = {
    id,
    startedAt: run.startedAt,
    dryRun: run.dryRun,
    // Rows that a limit leaves out, a window that begins behind the cycle before it, or a weaker form prove nothing of the rest.
    scopeKind: isWhole || scope.kind === 'keys' ? scope.kind : 'sample',
    comparison,
    shapes,
    chunks: 0,
    subject,
    moves: isWhole && moves,
  };
  const { direction, generations = {} } = comparison;
  await saveMark(deps, id, { ...(await takeMark(deps, direction)), subject: { shapes, generations } });
  await beginList(deps.objects, id, scope);
  await describeCycle(deps.objects, cycle);
  return cycle;
}

async function list(migration: Migration, cycle: Cycle, notes: readonly string[]): Promise<StepResult> {
  const { deps } = migration;
  const before = await readList(deps.objects, cycle.id);
  const until = new Date(deps.clock.now().getTime() + LIST_MS);
  const state = isListed(before) ? before : await continueList(migration, cycle, before, until);
  if (!isListed(state))
    return again(0, { data: { cycle: cycle.id, listing: true }, notes: [...notes, `${describeList(state)} so far`] });
  const beyond = await beyondLimit(migration, cycle, state);
  const listed: Cycle = { ...cycle, chunks: state.items, ...(beyond === undefined ? {} : { beyondLimit: beyond }) };
  await describeCycle(deps.objects, listed);
  const { tables, tenants, mode } = cycle.comparison;
  const what = `${describeList(state)} of ${counted(tables.length, 'table')}, ${counted(tenants.length, 'tenant')}, mode ${mode}, scope ${cycle.scopeKind}`;
  const { reconcile, pools } = deps.plan;
  return proceed({
    data: {
      cycle: cycle.id,
      chunks: { Bucket: deps.objects.bucket, Key: chunksKey(cycle.id) },
      itemsPerCall: itemsPerCall(reconcile, state.items, callsAtOnce(reconcile.concurrency, pools)),
    },
    notes: [what, ...(beyond === undefined ? [] : [describeBeyond(beyond)]), ...notes],
  });
}

/** Handed back by `again`. */
function listedCycle(data: unknown): string | undefined {
  const isOurs = typeof data === 'object' && data !== null && 'listing' in data && 'cycle' in data;
  return isOurs && typeof data.cycle === 'string' ? data.cycle : undefined;
}
