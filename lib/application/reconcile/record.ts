/** Step `record`: ends the cycle in the log, raises the alert, halts the migration where drift is past what the plan bears. */
import type { CycleDocument } from '../../contracts/documents.ts';
import type { Outcome, Run, StepResult } from '../../contracts/machine-io.ts';
import { firesDriftAlert } from '../../domain/drift-alert.ts';
import { percentOf } from '../../domain/drift-bound.ts';
import type { Deps } from '../deps.ts';
import { proceed } from '../machines/step.ts';
import { readCycle, readSettling } from './cycle-store.ts';
import { closeCycle } from './open-cycle.ts';
import { recordCycle, tidyDrift } from './record-cycle.ts';
import type { RepairData } from './repair.ts';
import { cycleData } from './settle.ts';

export async function record(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const { cycle: id, repaired = {} }: RepairData = cycleData(data);
  const cycle = await readCycle(deps.objects, id);
  const settling = await readSettling(deps.objects, cycle);
  if (settling === undefined) throw new RangeError(`cycle ${id} was not settled before it was recorded`);
  if (run.dryRun) {
    const rows = settling.tables.reduce((sum, table) => sum + table.rows, 0);
    const found = `${settling.drift.length} of ${rows} rows drift (${percentOf(settling.drift.length, rows)} %)`;
    const outcome: Outcome = settling.drift.length > 0 ? 'differences' : 'passed';
    return proceed({ data: { outcome }, notes: [`dry run: ${found}; nothing was repaired or recorded`] });
  }
  const document = await recordCycle(deps, run, cycle, settling, repaired);
  await tidyDrift(deps, cycle, document);
  deps.metrics.record('driftPercent', document.driftPercent);
  deps.metrics.record('rowsCompared', document.rows);
  deps.metrics.record('rowsDrifted', document.drift);
  deps.metrics.record('cycleCompleted', document.complete ? 1 : 0);
  const notes = [describe(document), ...settling.errors.slice(0, 5), ...(await alert(deps))];
  if (await halt(deps, document)) notes.push('the migration is halted; run: npx crossfade drift show');
  await closeCycle(deps);
  const outcome: Outcome = document.drift > 0 || !document.complete ? 'differences' : 'passed';
  return proceed({ data: { outcome, cycle: id }, notes });
}

function describe({ rows, drift, driftPercent, upperBoundPercent, tables, complete }: CycleDocument): string {
  const sum = (of: (table: (typeof tables)[number]) => number) => tables.reduce((total, table) => total + of(table), 0);
  const kinds = `${sum((table) => table.drift.missing)} missing, ${sum((table) => table.drift.extra)} extra, ${sum((table) => table.drift.different)} different`;
  const others = `${sum((table) => table.inFlight)} in flight, ${sum((table) => table.unsettled)} unsettled, ${sum((table) => table.leftOut)} left out`;
  const rate = `${drift} of ${rows} rows drift (${kinds}), ${Number(driftPercent.toPrecision(3))} %, at most ${upperBoundPercent.toPrecision(3)} % at 95 %`;
  return `${rate}; ${others}; ${sum((table) => table.repaired)} repaired${complete ? '' : '; not every chunk was read'}`;
}

async function alert(deps: Deps): Promise<readonly string[]> {
  const { driftPercent, cycles } = deps.plan.reconcile.alert;
  // Failed cycles among them are passed over.
  const latest = await deps.documents.list('cycle', { descending: true, limit: cycles * 4 });
  if (
    !firesDriftAlert(
      latest.map(({ value }) => value),
      { driftPercent, cycles },
    )
  )
    return [];
  const message = `drift has been above ${driftPercent} % for ${cycles} cycles`;
  deps.log.error(message, { cycles });
  return [message];
}

/** "If drift exceeds acceptable thresholds, halt migration" (guide phase 3): machines end at their next step; delivery goes on. */
async function halt(deps: Deps, { drift, rows, driftPercent }: CycleDocument): Promise<boolean> {
  const limit = deps.plan.reconcile.haltDriftPercent;
  if (driftPercent <= limit) return false;
  const stored = await deps.documents.get('control', 'control');
  if (stored?.value.halted !== undefined) return true;
  const why = `${drift} of ${rows} rows drift: ${driftPercent.toPrecision(3)} % is above reconcile.haltDriftPercent ${limit} %`;
  const halted = { by: 'reconcile', at: deps.clock.now().toISOString(), why };
  await deps.documents.put('control', 'control', { ...stored?.value, halted }, stored?.version ?? 'absent');
  deps.log.error('the migration is halted', { why });
  return true;
}
