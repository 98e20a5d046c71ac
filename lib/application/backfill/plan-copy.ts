/** Step `plan-copy`: which tenants are copied, and what it will take. Progress of an earlier run is kept while these are the same. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { counted } from '../../domain/counted.ts';
import { forecastSeconds } from '../../domain/pacing.ts';
import { someTenants } from '../../domain/some-tenants.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { TenantStateRow } from '../../sql/tenants/tenant-state.ts';
import type { Deps } from '../deps.ts';
import { missingKeyIndexes } from '../install/look-at-key-indexes.ts';
import { proceed, refuse } from '../machines/step.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { formatSpan } from '../operate/format-span.ts';
import { currentDirection } from '../reconcile/comparison.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { describeRate, rateOf, readControl } from './control.ts';
import { type CopiedTenant, readGroup, readProgress, saveGroup, saveProgress } from './progress.ts';
import { sizeTable } from './size-table.ts';
import { describeWindow } from './window.ts';

/** What the throttle leaves of the rate before it pauses. */
const SLOWEST = 8;
/** A row's version and its entry of the applied log, as lib/domain/growth.ts has them. */
const OWN_BYTES_A_ROW = 392;

/** Handed from step to step. */
export interface CopyData {
  readonly tenants: readonly CopiedTenant[];
  /** Those of the scope that wait for another run, because this one finishes what an earlier one began. */
  readonly later?: readonly string[] | undefined;
}

export async function planCopy(deps: Deps, run: Run): Promise<StepResult> {
  if (run.dryRun) return forecast(await loadMigration(deps), run);
  const direction = await currentDirection(deps);
  if (direction !== 'forward') return refuse(['the target is authoritative already: there is no history left to copy']);
  const states = await tenantStates(deps, 'forward');
  const off = run.scope.filter((tenant) => !states.some((state) => state.tenant === tenant && state.is_on));
  if (off.length > 0) return refuse([`not exposed: ${off.join(', ')}; run: npx crossfade start dual-write`]);
  const migration = await loadMigration(deps);
  const all = waiting(states, run);
  const tenants = (await begunGroup(migration, all)) ?? all;
  if (tenants.length > 0) await saveGroup(deps, tenants);
  const chosen = new Set(tenants.map(({ tenant }) => tenant));
  const later = all.flatMap(({ tenant }) => (chosen.has(tenant) ? [] : [tenant]));
  const notes = [
    tenants.length === 0
      ? 'every tenant of the scope is copied already'
      : `copies ${counted(migration.tables.length, 'table')} of ${someTenants(tenants.map(({ tenant }) => tenant))}`,
    ...(later.length === 0 ? [] : [`finishes what an earlier run began; ${later.join(', ')} wait for the next run`]),
  ];
  for (const table of migration.tables) {
    const progress = await readProgress(deps, table.name, tenants);
    if (progress.after !== null && !progress.done)
      notes.push(`${table.name}: goes on after ${counted(progress.rows, 'row')} of an earlier run`);
    if (progress.total !== undefined) continue;
    const names = tenants.map(({ tenant }) => tenant);
    const { total, estimated } = await sizeTable(migration, table, names);
    await saveProgress(deps, { ...progress, total, estimated });
  }
  const unindexed = tenants.length === 0 ? [] : await missingKeyIndexes(migration);
  if (unindexed.length > 0)
    notes.push(
      `no index of the key on ${unindexed.join(', ')}: each page sorts the whole table; run: npx crossfade start dual-write`,
    );
  if (tenants.length > 0) notes.push(describeRate(rateOf(deps.plan, await readControl(deps.documents))));
  return proceed({ data: { tenants, later } satisfies CopyData, notes });
}

/** @throws {RangeError} for data that no step of this machine handed on. */
export function copyData(data: unknown): CopyData {
  if (typeof data !== 'object' || data === null || !('tenants' in data) || !Array.isArray(data.tenants))
    throw new RangeError('the step came without its tenants; plan-copy hands them on');
  // Written by plan-copy.
  return data as CopyData;
}

/** On and not copied; the shared tenant with them. */
function waiting(states: readonly TenantStateRow[], run: Run): readonly CopiedTenant[] {
  return states
    .filter((state) => state.is_on && !state.copied && (run.scope.includes(state.tenant) || state.tenant === NO_TENANT))
    .map(({ tenant, generation }) => ({ tenant, generation }));
}

/**
 * Tenants whose copy an earlier run began and did not finish: they are finished alone, because together with others every table
 * would begin anew. Undefined: there are none, or they are not to be copied as they were.
 */
async function begunGroup(
  { deps, tables }: Migration,
  all: readonly CopiedTenant[],
): Promise<readonly CopiedTenant[] | undefined> {
  const group = await readGroup(deps);
  const isWaiting = (begun: CopiedTenant) =>
    all.some(({ tenant, generation }) => tenant === begun.tenant && generation === begun.generation);
  if (group.length === 0 || group.length >= all.length || !group.every(isWaiting)) return undefined;
  const progress = await Promise.all(tables.map((table) => readProgress(deps, table.name, group)));
  const isBegun = progress.some(({ after, done }) => after !== null || done);
  return isBegun && progress.some(({ swept }) => !swept) ? group : undefined;
}

/** Reads and counts, whatever is exposed already; nothing is written. */
async function forecast(migration: Migration, run: Run): Promise<StepResult> {
  const { plan, documents } = migration.deps;
  const rate = rateOf(plan, await readControl(documents));
  const scope = [...new Set([...run.scope, NO_TENANT])];
  const notes: string[] = [];
  let rows = 0;
  let batches = 0;
  let bytes = 0;
  for (const table of migration.tables) {
    const { total, estimated, bytesEach } = await sizeTable(migration, table, scope);
    const found = total ?? 0;
    notes.push(
      `${table.name}: ${total === null ? 'a number of rows that is not known' : `${estimated ? 'about ' : ''}${counted(found, 'row')}`}`,
    );
    rows += found;
    batches += Math.ceil(found / rate.batchRows);
    bytes += found * (bytesEach + OWN_BYTES_A_ROW);
  }
  const seconds = Math.ceil(forecastSeconds(batches, rate.batchesPerSecond));
  const { offPeak } = plan.backfill;
  const open = offPeak === undefined ? '' : `, only in the off-peak window (${describeWindow(migration.deps)})`;
  const slowest = formatSpan(seconds * 1000 * SLOWEST);
  notes.push(
    `dry run: ${counted(rows, 'row')} in ${batches} batches of ${rate.batchRows}, at least ${seconds} s at ${rate.batchesPerSecond} batches a second (${rate.batchRows * rate.batchesPerSecond} rows a second), ${slowest} where the target holds it to an eighth${open}; about ${Math.ceil(bytes / 1_048_576)} MiB of WAL; nothing was written`,
  );
  return proceed({ data: { tenants: [] } satisfies CopyData, notes });
}
