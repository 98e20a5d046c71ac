/** The cycle log and the differences on record, as the drift clocks read them: gate, `drift status` and report judge alike. Pure. */
import type { CycleDocument, DriftDocument } from '../../contracts/documents.ts';
import { type ClocksRule, type CountDistinct, type DriftClocks, judgeClocks } from '../../domain/drift-clocks.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Plan } from '../../plan/plan.ts';
import { MAX_DRIFT_DOCUMENTS } from '../reconcile/record-cycle.ts';

export interface DriftLog {
  /** In any order. */
  readonly cycles: readonly CycleDocument[];
  readonly differences: readonly DriftDocument[];
}

export function judgeLog(
  { cycles, differences }: DriftLog,
  rule: ClocksRule,
  scope: readonly string[],
  now: Date,
): DriftClocks {
  // Then not every key has a document; rows of the cycles are added up instead.
  const isListed = cycles.every((cycle) => cycle.drift <= MAX_DRIFT_DOCUMENTS);
  const count: CountDistinct = (subject, since) =>
    isListed ? differences.filter((row) => row.cycle >= since && isOf(row, subject)).length : undefined;
  return judgeClocks(cycles, rule, scope, now, count);
}

export function clocksRule({ reconcile, tables }: Pick<Plan, 'reconcile' | 'tables'>): ClocksRule {
  const { gate, cycle: cycleMs, missedCycle } = reconcile;
  return {
    forMs: gate.for,
    driftPercent: gate.driftPercent,
    minimumRows: gate.minimumRows,
    cycleMs,
    missedCycle,
    // A schedule that fires every cycle looks after a table of a shorter interval too.
    tables: Object.fromEntries(Object.entries(tables).map(([table, { every }]) => [table, every ?? cycleMs])),
  };
}

function isOf({ table, tenant }: DriftDocument, subject: Parameters<CountDistinct>[0]): boolean {
  if (subject === null) return true;
  return 'table' in subject ? table === subject.table : (tenant ?? NO_TENANT) === subject.tenant;
}
