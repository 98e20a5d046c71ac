/** What CloudWatch is told of a cycle, for the dashboard and its alarms. */
import type { CycleDocument } from '../../contracts/documents.ts';
import { MAX_TABLE_METRICS } from '../../contracts/metrics.ts';
import { percentOf, upperBoundPercent } from '../../domain/drift-bound.ts';
import { isMeasure } from '../../domain/drift-gate.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { DriftClocksView } from '../operate/drift-clock.ts';

const HOUR = 3_600_000;

/** @param tables of the plan, in its order. */
export function recordCycleMetrics(
  metrics: Metrics,
  cycle: CycleDocument,
  { clock, tables: clocks }: DriftClocksView,
  tables: readonly string[],
): void {
  // Rates of rows that somebody chose would raise the alarm, or calm it, for nothing.
  if (isMeasure(cycle)) {
    metrics.record('driftPercent', cycle.driftPercent);
    metrics.record('driftUpperBound', cycle.upperBoundPercent);
  }
  metrics.record('rowsCompared', cycle.rows);
  metrics.record('rowsDrifted', cycle.drift);
  metrics.record('cycleCompleted', cycle.complete ? 1 : 0);
  metrics.record('cycleDuration', cycle.durationMs ?? 0);
  metrics.record('driftClockHours', clock.cleanMs / HOUR);
  if (cycle.coveragePercent != null) metrics.record('cycleCoverage', cycle.coveragePercent);
  const measured = new Set(tables.slice(0, MAX_TABLE_METRICS));
  for (const { table, rows, drift, inFlight, unsettled } of cycle.tables) {
    if (!measured.has(table) || !isMeasure(cycle)) continue;
    const drifted = drift.missing + drift.extra + drift.different;
    metrics.record('tableDriftPercent', percentOf(drifted, rows), { table });
    metrics.record('tableUpperBound', upperBoundPercent(drifted, rows - inFlight - unsettled), { table });
    metrics.record('tableRowsCompared', rows, { table });
    const ran = clocks.find(({ subject }) => subject === table)?.cleanMs;
    if (ran !== undefined) metrics.record('tableClockHours', ran / HOUR, { table });
  }
}
