/** Step `plan-copy`: which tenants are copied, and what it will take. Progress of an earlier run is kept while these are the same. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { forecastSeconds } from '../../domain/pacing.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { countRows } from '../../sql/compare/count-rows.ts';
import type { TenantStateRow } from '../../sql/tenants/tenant-state.ts';
import type { Deps } from '../deps.ts';
import { proceed, refuse } from '../machines/step.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { currentDirection } from '../reconcile/comparison.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { type CopiedTenant, readProgress } from './progress.ts';

/** Handed from step to step. */
export interface CopyData {
  readonly tenants: readonly CopiedTenant[];
}

export async function planCopy(deps: Deps, run: Run): Promise<StepResult> {
  if (run.dryRun) return forecast(await loadMigration(deps), run);
  const direction = await currentDirection(deps);
  if (direction !== 'forward') return refuse(['the target is authoritative already: there is no history left to copy']);
  const states = await tenantStates(deps, 'forward');
  const off = run.scope.filter((tenant) => !states.some((state) => state.tenant === tenant && state.is_on));
  if (off.length > 0) return refuse([`not exposed: ${off.join(', ')}; run: npx crossfade start dual-write`]);
  const tenants = waiting(states, run);
  const migration = await loadMigration(deps);
  const notes = [
    tenants.length === 0
      ? 'every tenant of the scope is copied already'
      : `copies ${migration.tables.length} tables of ${tenants.map(({ tenant }) => tenant).join(', ')}`,
  ];
  for (const table of migration.tables) {
    const progress = await readProgress(deps, table.name, tenants);
    if (progress.after !== null && !progress.done)
      notes.push(`${table.name}: goes on after ${progress.rows} rows of an earlier run`);
  }
  return proceed({ data: { tenants } satisfies CopyData, notes });
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

/** Reads and counts, whatever is exposed already; nothing is written. */
async function forecast(migration: Migration, run: Run): Promise<StepResult> {
  const { databases, plan } = migration.deps;
  const { batchRows, batchesPerSecond, offPeak } = plan.backfill;
  const scope = [...new Set([...run.scope, NO_TENANT])];
  const session = databases.open('legacy', 'compare');
  const notes: string[] = [];
  let rows = 0;
  let batches = 0;
  for (const table of migration.tables) {
    const tenants = table.tenant.kind === 'none' ? null : scope;
    const [counted] = await session.query<{ rows: string }>(countRows(table, migration.byName, tenants));
    const found = Number(counted?.rows ?? 0);
    notes.push(`${table.name}: ${found} rows`);
    rows += found;
    batches += Math.ceil(found / batchRows);
  }
  const seconds = Math.ceil(forecastSeconds(batches, batchesPerSecond));
  notes.push(
    `dry run: ${rows} rows in ${batches} batches of ${batchRows}, at least ${seconds} s at ${batchesPerSecond} batches a second (${batchRows * batchesPerSecond} rows a second)${offPeak === undefined ? '' : ', only in the off-peak window'}; nothing was written`,
  );
  return proceed({ data: { tenants: [] } satisfies CopyData, notes });
}
