/** Step `record`: ends the cycle in the log, raises the alert, halts the migration where drift is past what the plan bears. */
import type { CycleDocument, DriftDocument } from '../../contracts/documents.ts';
import type { Outcome, Run, StepResult } from '../../contracts/machine-io.ts';
import { REPORT_KEY } from '../../contracts/object-prefixes.ts';
import { findDriftAlerts } from '../../domain/drift-alert.ts';
import { percentOf } from '../../domain/drift-bound.ts';
import { isMeasure } from '../../domain/drift-gate.ts';
import type { Deps } from '../deps.ts';
import { renderDriftReport } from '../drift-report/page.ts';
import { readCycleLog } from '../gates/drift-gate.ts';
import { clocksRule } from '../gates/judge-log.ts';
import { openIncidents } from '../incidents/incidents.ts';
import { proceed } from '../machines/step.ts';
import { type DriftClocksView, readDriftClocks } from '../operate/drift-clock.ts';
import { messageOf } from '../operate/operator.ts';
import type { RepairData } from '../repair/steps.ts';
import { keepMark } from './cycle-marks.ts';
import { recordCycleMetrics } from './cycle-metrics.ts';
import { isProved, readCycle, readSettling } from './cycle-store.ts';
import { closeCycle } from './open-cycle.ts';
import { recordCycle, tidyDrift } from './record-cycle.ts';
import { cycleData } from './settle.ts';

export async function record(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const { cycle: id, repaired = {} }: RepairData = cycleData(data);
  const cycle = await readCycle(deps.objects, id);
  const settling = await readSettling(deps.objects, cycle);
  if (settling === undefined) throw new RangeError(`cycle ${id} was not settled before it was recorded`);
  if (run.dryRun) {
    const rows = settling.tables.reduce((sum, table) => sum + table.rows, 0);
    const percent = Number(percentOf(settling.drift.length, rows).toPrecision(3));
    const found =
      rows === 0 && settling.drift.length === 0
        ? 'no row was compared, so nothing is proved (--scope full reads everything)'
        : `${settling.drift.length} of ${rows} rows drift (${percent} %)`;
    const outcome: Outcome = isProved(settling) ? 'passed' : 'differences';
    return proceed({ data: { outcome }, notes: [`dry run: ${found}; nothing was repaired or recorded`] });
  }
  const document = await recordCycle(deps, run, cycle, settling, repaired);
  await tidyDrift(deps, cycle, document, settling);
  if (document.complete) await keepMark(deps, cycle, settling.gone);
  const isHalted = await halt(deps, document);
  // Before the log is read: a cycle that is open is one that was left behind.
  await closeCycle(deps);
  const log = await readLog(deps);
  recordCycleMetrics(deps.metrics, document, log.view, Object.keys(deps.plan.tables));
  const notes = [describe(document), ...settling.errors.slice(0, 5), ...alert(deps, log.cycles)];
  if (isHalted) notes.push('the migration is halted; run: npx crossfade drift show');
  const report = await writeReport(deps, log);
  const outcome: Outcome = document.drift > 0 || !document.complete ? 'differences' : 'passed';
  return proceed({ data: { outcome, cycle: id, report }, notes });
}

interface CycleLog {
  /** Newest first. */
  readonly cycles: readonly CycleDocument[];
  readonly differences: readonly DriftDocument[];
  readonly view: DriftClocksView;
}

async function readLog(deps: Deps): Promise<CycleLog> {
  const now = deps.clock.now();
  const cycles = (await readCycleLog(deps, now)).toSorted((one, other) => (one.startedAt < other.startedAt ? 1 : -1));
  const [found, tenants] = await Promise.all([deps.documents.list('drift'), deps.documents.list('tenant')]);
  const scope = tenants.map(({ value }) => value).filter(({ on, copied }) => on && copied);
  const differences = found.map(({ value }) => value);
  const rules = { driftGate: clocksRule(deps.plan), driftAlert: deps.plan.reconcile.alert };
  const ids = scope.map(({ tenant }) => tenant);
  return { cycles, differences, view: readDriftClocks(cycles, differences, rules, ids, now) };
}

/** @returns its key; null: it could not be written, which must not fail a cycle. */
async function writeReport(deps: Deps, { cycles, differences, view }: CycleLog): Promise<string | null> {
  const { name, environment, reconcile } = deps.plan;
  const incidents = (await openIncidents(deps)).map(({ id, says, firstAt }) => ({ id, says, firstAt }));
  const page = renderDriftReport({
    plan: name,
    environment,
    at: deps.clock.now().toISOString(),
    rule: clocksRule(deps.plan),
    alert: reconcile.alert,
    view,
    cycles,
    open: differences.filter(({ repairedAt }) => repairedAt === undefined),
    incidents,
  });
  try {
    await deps.objects.put(REPORT_KEY, page, 'text/html; charset=utf-8');
    return REPORT_KEY;
  } catch (error) {
    deps.log.warn('the drift report could not be written', { key: REPORT_KEY, reason: messageOf(error) });
    return null;
  }
}

function describe({ rows, drift, driftPercent, upperBoundPercent, tables, complete }: CycleDocument): string {
  const sum = (of: (table: (typeof tables)[number]) => number) => tables.reduce((total, table) => total + of(table), 0);
  const kinds = `${sum((table) => table.drift.missing)} missing, ${sum((table) => table.drift.extra)} extra, ${sum((table) => table.drift.different)} different`;
  const late = sum((table) => table.late ?? 0);
  const others = `${sum((table) => table.converged ?? 0)} converged, ${sum((table) => table.inFlight)} in flight${late === 0 ? '' : ` (${late} for longer than dualWrite.lagLimit)`}, ${sum((table) => table.unsettled)} unsettled, ${sum((table) => table.leftOut)} left out`;
  const rate = `${drift} of ${rows} rows drift (${kinds}), ${Number(driftPercent.toPrecision(3))} %, at most ${upperBoundPercent.toPrecision(3)} % at 95 %`;
  return `${rate}; ${others}; ${sum((table) => table.repaired)} repaired${complete ? '' : '; not every chunk was read'}`;
}

/** Told once an episode, by the cycle that brings it above the limit; the metric says it for as long as it lasts. */
function alert(deps: Deps, newestFirst: readonly CycleDocument[]): readonly string[] {
  const { driftPercent, cycles } = deps.plan.reconcile.alert;
  const { firing, began } = findDriftAlerts(newestFirst, { driftPercent, cycles });
  deps.metrics.record('driftAlerts', firing.length);
  if (began.length === 0) return [];
  const of = began.map((table) => table ?? 'all tables together');
  const message = `drift has been above ${driftPercent} % for ${cycles} cycles: ${of.join(', ')}`;
  deps.log.error(message, { cycles, tables: of });
  return [message];
}

/** "If drift exceeds acceptable thresholds, halt migration" (guide phase 3): machines end at their next step; delivery goes on. */
async function halt(deps: Deps, cycle: CycleDocument): Promise<boolean> {
  const limit = deps.plan.reconcile.haltDriftPercent;
  const { drift, rows, coveragePercent } = cycle;
  // One drifted row of the three that changed lately is no reason to halt: what counts are the rows that there are.
  const known = isMeasure(cycle) && coveragePercent == null ? 100 : (coveragePercent ?? 0);
  const driftPercent = percentOf(drift, known === 0 ? Number.POSITIVE_INFINITY : (100 * rows) / known);
  if (driftPercent <= limit) return false;
  const stored = await deps.documents.get('control', 'control');
  if (stored?.value.halted !== undefined) return true;
  const why = `${drift} of ${rows} rows drift: ${driftPercent.toPrecision(3)} % is above reconcile.haltDriftPercent ${limit} %`;
  const halted = { by: 'reconcile', at: deps.clock.now().toISOString(), why };
  await deps.documents.put('control', 'control', { ...stored?.value, halted }, stored?.version ?? 'absent');
  deps.log.error('the migration is halted', { why });
  return true;
}
