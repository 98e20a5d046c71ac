/** Steps `needs-approval` and `repair`: confirmed drift is read afresh by key and written through the same guarded apply as everything else. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { inPages } from '../../domain/chunk.ts';
import type { Deps } from '../deps.ts';
import { again, proceed } from '../machines/step.ts';
import { loadMigration, type Migration, tableNamed } from '../migration.ts';
import { describeHold, readHold } from '../relay/delivery-hold.ts';
import { repairKeys } from '../rows/apply-reads.ts';
import type { Comparison } from './comparison.ts';
import { readCycle, readSettling } from './cycle-store.ts';
import { endDrift } from './record-cycle.ts';
import { addCounts, type CycleData, cycleData } from './settle.ts';
import { type DriftRow, narrowToCopied } from './settle-round.ts';
import { sightRows } from './sight-rows.ts';

export interface RepairData extends CycleData {
  /** Pages of drift rows that are done. */
  readonly pages?: number;
  /** Rows repaired and seen to be equal, by table. */
  readonly repaired?: Readonly<Record<string, number>>;
  readonly reasons?: readonly string[];
}

const ROWS_AT_ONCE = 200;
/** A call ends after this long and is called again: well under a function's time. */
const CALL_MS = 40_000;
const MAX_REASONS = 20;
/** How often a held delivery is looked at. */
const HOLD_SECONDS = 5;

/** A person decides above the cap, and wherever the plan says so for this machine. */
export async function needsRepairApproval(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const found = await driftOf(deps, cycleData(data).cycle);
  const { capRows } = deps.plan.reconcile.repair;
  const isAsked = deps.plan.approvals.machines.some((machine) => machine === 'reconcile');
  const approvalRequired = wantsRepair(deps, run) && found.length > 0 && (isAsked || found.length > capRows);
  return proceed({
    data: { approvalRequired },
    notes: approvalRequired ? [`repair of ${found.length} rows (the cap is ${capRows}) waits for an approval`] : [],
  });
}

export async function repair(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const { cycle: id, pages: done = 0, repaired = {}, reasons = [] }: RepairData = cycleData(data);
  const cycle = await readCycle(deps.objects, id);
  const found = await driftOf(deps, id);
  if (!wantsRepair(deps, run) || found.length === 0) {
    const note = found.length === 0 ? 'nothing to repair' : `${found.length} rows are left as they are`;
    return proceed({ data: { cycle: id, repaired } satisfies RepairData, notes: [note] });
  }
  const hold = await readHold(deps);
  if (hold !== null) return again(HOLD_SECONDS, { data, notes: [describeHold(hold)] });
  const migration = await loadMigration(deps);
  const comparison = await narrowToCopied(migration, cycle.comparison);
  const pages = pagesOf(migration, found);
  const until = deps.clock.now().getTime() + CALL_MS;
  let next = done;
  let total = repaired;
  const said = [...reasons];
  while (next < pages.length && deps.clock.now().getTime() < until) {
    const page = pages[next] ?? [];
    const outcome = await repairPage(migration, comparison, page, `repair-${id}`);
    total = addCounts(total, outcome.repaired);
    said.push(...outcome.reasons);
    next += 1;
  }
  const answer: RepairData = { cycle: id, pages: next, repaired: total, reasons: said.slice(0, MAX_REASONS) };
  const count = Object.values(total).reduce((sum, rows) => sum + rows, 0);
  const notes = [`repaired ${count} of ${found.length} rows`, ...said.slice(0, MAX_REASONS)];
  return next < pages.length ? again(0, { data: answer, notes }) : proceed({ data: answer, notes });
}

export function wantsRepair(deps: Deps, run: Run): boolean {
  return !run.dryRun && (run.repair || deps.plan.reconcile.repair.automatic);
}

async function driftOf(deps: Deps, id: string): Promise<readonly DriftRow[]> {
  const cycle = await readCycle(deps.objects, id);
  return (await readSettling(deps.objects, cycle))?.drift ?? [];
}

/** Rows to write come parents first, rows to remove children first: so neither misses a foreign key. One table a page. */
function pagesOf(migration: Migration, drift: readonly DriftRow[]): readonly (readonly DriftRow[])[] {
  const order = migration.tables.map((table) => table.name);
  const pick = (tables: readonly string[], isWanted: (row: DriftRow) => boolean) =>
    tables.flatMap((table) =>
      inPages(
        drift.filter((row) => row.table === table && isWanted(row)),
        ROWS_AT_ONCE,
      ),
    );
  return [...pick(order, (row) => row.kind !== 'extra'), ...pick(order.toReversed(), (row) => row.kind === 'extra')];
}

async function repairPage(migration: Migration, comparison: Comparison, page: readonly DriftRow[], batchId: string) {
  const name = page[0]?.table ?? '';
  const compared = comparison.tables.find((candidate) => candidate.table === name);
  if (compared === undefined) return { repaired: {}, reasons: [] };
  const keys = page.map((row) => row.rowKey);
  // A row with an undelivered event is the relay's business: repairing it would only race (design §3, prior art (c) 11).
  const before = await sightRows(migration, comparison, compared, keys);
  const still = before.filter((sight) => !sight.inFlight && sight.legacy !== sight.target).map((sight) => sight.rowKey);
  const result = await repairKeys(migration, tableNamed(migration, name), comparison.direction, still, batchId);
  const after = await sightRows(migration, comparison, compared, keys);
  const equal = after.filter((sight) => sight.legacy === sight.target).map((sight) => sight.rowKey);
  await endDrift(
    migration.deps,
    equal.map((rowKey) => ({ table: name, rowKey })),
  );
  return {
    repaired: { [name]: equal.length },
    reasons: result.failed.map(({ rowKey, reason }) => `${name} ${rowKey} cannot be repaired: ${reason}`),
  };
}
