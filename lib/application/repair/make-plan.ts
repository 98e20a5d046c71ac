/** Which rows a plan is made of: what a cycle found, or every difference that is open. A plan that was shown is not made anew. */
import type { RepairDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { loadMigration } from '../migration.ts';
import { type Comparison, currentDirection, planComparison } from '../reconcile/comparison.ts';
import { readCycle, readSettling } from '../reconcile/cycle-store.ts';
import { copiedTenants, type DriftRow, narrowToCopied } from '../reconcile/settle-round.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { isApprovalWanted } from './decision.ts';
import { planRepair } from './plan-repair.ts';
import { cycleRepairId, repairIdOf } from './question.ts';
import { findRepair, readArtefact } from './repair-store.ts';

/**
 * The cycle's own plan, whichever execution of the cycle made it; or one that waits for a decision and has all of these rows: a
 * person who reads it is not given another one each hour.
 */
export async function planOfCycle(deps: Deps, run: Run, cycleId: string): Promise<RepairDocument | null> {
  const id = cycleRepairId(cycleId);
  const before = await findRepair(deps, id);
  // What the execution that died had not begun may have grown since.
  const isAnothers = before?.state === 'planned' && before.execution !== run.execution;
  if (before !== undefined && !isAnothers) return before;
  const drift = await driftOf(deps, cycleId);
  if (drift.length === 0) return null;
  const standing = before ?? (await waitingPlan(deps, drift));
  if (standing !== undefined && standing.id !== id) return standing;
  const migration = await loadMigration(deps);
  const cycle = await readCycle(deps.objects, cycleId);
  const comparison = await narrowToCopied(migration, cycle.comparison);
  const { requestedBy: madeBy, execution } = run;
  return planRepair(migration, { id, cycle: cycleId, comparison, rows: drift, madeBy, execution });
}

/** @returns why there can be no plan. */
export async function planOpenDrift(deps: Deps, run: Run): Promise<RepairDocument | string> {
  if (run.repairJob?.do !== 'plan') throw new RangeError('the run does not plan a repair');
  const id = repairIdOf(run);
  const before = await findRepair(deps, id);
  if (before !== undefined) return before;
  const { cycle, tenants } = run.repairJob;
  const rows = (await deps.documents.list('drift'))
    .map(({ value }) => value)
    .filter(({ repairedAt }) => repairedAt === undefined)
    .filter((row) => cycle === null || row.cycle === cycle || row.seen?.some((seen) => seen.cycle === cycle) === true)
    .filter(({ table }) => run.tables.length === 0 || run.tables.includes(table))
    .filter(({ tenant }) => tenants.length === 0 || tenants.includes(tenant ?? NO_TENANT));
  if (rows.length === 0)
    return `no difference is open${cycle === null ? '' : ` that cycle ${cycle} saw`}${run.tables.length + tenants.length === 0 ? '' : ' in that scope'}; run: npx crossfade drift show`;
  const migration = await loadMigration(deps);
  const { requestedBy: madeBy, execution } = run;
  const comparison = await comparisonOf(deps, run);
  return planRepair(migration, { id, cycle, comparison, rows, madeBy, execution });
}

export async function driftOf(deps: Deps, cycleId: string): Promise<readonly DriftRow[]> {
  const cycle = await readCycle(deps.objects, cycleId);
  return (await readSettling(deps.objects, cycle))?.drift ?? [];
}

/** The newest plan that a cycle made and nobody has decided. */
async function waitingPlan(deps: Deps, drift: readonly DriftRow[]): Promise<RepairDocument | undefined> {
  if (!isApprovalWanted(deps, { rows: drift.length })) return undefined;
  const now = deps.clock.now().toISOString();
  const [newest] = (await deps.documents.list('repair'))
    .map(({ value }) => value)
    .filter(({ cycle, state }) => cycle !== null && (state === 'planned' || state === 'awaiting-approval'))
    .filter(({ expiresAt, planHash }) => expiresAt > now && planHash === deps.planHash)
    .filter((document) => isApprovalWanted(deps, document))
    .toSorted((one, other) => other.madeAt.localeCompare(one.madeAt));
  if (newest === undefined || newest.rows < drift.length || newest.direction !== (await currentDirection(deps))) return;
  const nameOf = ({ table, rowKey }: Pick<DriftRow, 'table' | 'rowKey'>) => `${table} ${rowKey}`;
  try {
    const known = new Set((await readArtefact(deps.objects, newest)).planned.map(nameOf));
    return drift.every((row) => known.has(nameOf(row))) ? newest : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** By value, whatever form the cycles have: what is written is what was proved. */
async function comparisonOf(deps: Deps, run: Run): Promise<Comparison> {
  const migration = await loadMigration(deps);
  const direction = await currentDirection(deps);
  const tenants = copiedTenants(await tenantStates(deps, direction));
  return planComparison(migration, direction, { mode: 'checksum', form: 'exact', tenants, tables: run.tables });
}
