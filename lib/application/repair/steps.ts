/**
 * Steps `needs-approval`, `repair` and the end of a repair in the reconcile machine: drift that is proved becomes a plan, a person
 * decides where the environment or the cap asks for it, and what was reviewed is carried out. A cycle asks nobody: it leaves such a
 * plan behind for `repair run` (ADR 032).
 */
import type { RepairDocument } from '../../contracts/documents.ts';
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { counted } from '../../domain/counted.ts';
import type { Deps } from '../deps.ts';
import { takeMachine } from '../machines/hold.ts';
import { again, proceed, refuse, type Step } from '../machines/step.ts';
import { loadMigration } from '../migration.ts';
import { type Comparison, currentDirection } from '../reconcile/comparison.ts';
import { type CycleData, cycleData } from '../reconcile/settle.ts';
import { narrowToCopied } from '../reconcile/settle-round.ts';
import { describeHold, isDeliveryHeld, readHold } from '../relay/delivery-hold.ts';
import { approvalGranted, closeUnapproved, findRunnable, isApprovalWanted, RUNNABLE } from './decision.ts';
import { endRepair } from './end-repair.ts';
import { driftOf, planOfCycle, planOpenDrift } from './make-plan.ts';
import { cycleRepairId, describeRepair, repairIdOf } from './question.ts';
import { findRepair, readArtefact, updateRepair } from './repair-store.ts';
import { REPAIR_START, type RepairProgress, runRepair } from './run-repair.ts';

export interface RepairData extends Partial<CycleData> {
  readonly progress?: RepairProgress;
  /** Rows repaired and seen to be equal, by table. */
  readonly repaired?: Readonly<Record<string, number>>;
}

/** A call ends after this long and is called again: well under a function's time. */
const CALL_MS = 40_000;
/** How often a held delivery, or a machine that another execution has, is looked at. */
const HOLD_SECONDS = 5;

/** Makes the plan where there is none yet. A person decides above the cap, and wherever the plan says so for this machine. */
export async function needsRepairApproval(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const job = run.repairJob ?? null;
  if (job?.do === 'run') return askFor(deps, run, await findRunnable(deps, job.repair));
  if (job?.do === 'plan') {
    const document = await planOpenDrift(deps, run);
    if (typeof document === 'string') return refuse([document]);
    return proceed({ data: { approvalRequired: false }, notes: describeRepair(document) });
  }
  const document = wantsRepair(deps, run) ? await planOfCycle(deps, run, cycleData(data).cycle) : null;
  if (document === null || document.rows === 0) return proceed({ data: { approvalRequired: false } });
  const isWaiting = isApprovalWanted(deps, document) && document.approval === undefined;
  const notes = [...describeRepair(document), ...(isWaiting ? [describeWait(document)] : [])];
  return proceed({ data: { approvalRequired: false }, notes });
}

export function wantsRepair(deps: Deps, run: Run): boolean {
  return !run.dryRun && (run.repair || deps.plan.reconcile.repair.automatic);
}

/** Carries out the plan of this run; `again` until all of its pages are done. */
export async function repair(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const handed = dataOf(data);
  const job = run.repairJob ?? null;
  if (job?.do === 'plan') return proceed({ data: handed });
  const id = handed.cycle === undefined ? repairIdOf(run) : cycleRepairId(handed.cycle);
  const document = await findRepair(deps, id);
  if (document === undefined || document.rows === 0) {
    const left = handed.cycle === undefined ? 0 : (await driftOf(deps, handed.cycle)).length;
    const note = left === 0 ? 'nothing to repair' : `${left} rows are left as they are`;
    return proceed({ data: { ...handed, repaired: {} }, notes: [note] });
  }
  if (!mayGoOn(document, run)) {
    const over = `repair ${id} is ${document.state}`;
    return job === null
      ? proceed({ data: handed, notes: [over] })
      : refuse([`${over}; run: npx crossfade repair plan`]);
  }
  const granted = await approvalGranted(deps, run, document);
  if (granted === 'refused') {
    const note = job === null ? describeWait(document) : `repair ${id} was not approved`;
    return proceed({ data: handed, notes: [note] });
  }
  // It was given back while somebody decided, and a cycle may have it.
  const holder = granted === 'not-asked' ? null : await takeMachine(deps, run);
  if (holder !== null) return again(HOLD_SECONDS, { data, notes: [`waits for ${holder} to end`] });
  const hold = await readHold(deps);
  if (hold !== null && !run.dryRun) return again(HOLD_SECONDS, { data, notes: [describeHold(hold)] });
  const artefact = await readArtefact(deps.objects, document);
  if ((await currentDirection(deps)) !== document.direction)
    return refuse([`authority has moved since repair ${id} was planned; run: npx crossfade repair plan`]);
  // Looked at when it was asked for, and again when the answer has come.
  const runnable = document.state === 'done' ? document : await findRunnable(deps, id);
  if (typeof runnable === 'string')
    return job === null ? proceed({ data: handed, notes: [runnable] }) : refuse([runnable]);
  if (!run.dryRun && (document.state !== 'running' || document.ranBy !== run.execution)) {
    const approval = granted === 'not-asked' ? {} : { approval: granted };
    await updateRepair(deps, id, { ...approval, state: 'running', ranBy: run.execution });
  }
  const migration = await loadMigration(deps);
  const until = new Date(deps.clock.now().getTime() + CALL_MS);
  const before = handed.progress ?? REPAIR_START;
  // What planRepair wrote; the artefact's hash was compared.
  const comparison = await narrowToCopied(migration, artefact.comparison as Comparison);
  const limits = { until, dryRun: run.dryRun, isStopped: () => isDeliveryHeld(deps) };
  const { done, progress } = await runRepair(migration, artefact, comparison, before, limits);
  const answer: RepairData = { ...handed, progress, repaired: run.dryRun ? {} : progress.repaired };
  const word = run.dryRun ? 'would repair' : 'repaired';
  const notes = [`${word} ${progress.outcomes.repaired} of ${counted(document.rows, 'row')}`, ...progress.reasons];
  if (!done) return again(0, { data: answer, notes });
  if (!run.dryRun) await endRepair(deps, run, document, progress);
  return proceed({ data: answer, notes });
}

/** In place of a cycle's record, for a run that only plans or runs a repair. */
export function recordOr(record: Step): Step {
  return (deps, run, data) => (run.repairJob == null ? record(deps, run, data) : recordRepair(deps, run, data));
}

async function recordRepair(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const document = await findRepair(deps, repairIdOf(run));
  if (document === undefined) return refuse(['the run has made no plan']);
  if (run.repairJob?.do === 'plan') {
    const outcome = document.rows > 0 ? 'differences' : 'passed';
    return proceed({ data: { outcome, repair: document.id } });
  }
  const { progress } = dataOf(data);
  if (progress === undefined) {
    const state = await closeUnapproved(deps, run, document);
    return refuse([`repair ${document.id} was not approved: it is ${state}`]);
  }
  const { repaired, converged } = progress.outcomes;
  const outcome = repaired + converged === document.rows ? 'passed' : 'differences';
  return proceed({ data: { outcome, repair: document.id } });
}

async function askFor(deps: Deps, run: Run, document: RepairDocument | string): Promise<StepResult> {
  if (typeof document === 'string') return refuse([document]);
  const required = !run.dryRun && isApprovalWanted(deps, document) && document.approval === undefined;
  if (required && document.state === 'planned') await updateRepair(deps, document.id, { state: 'awaiting-approval' });
  const { rows, cap, id } = document;
  const waits = `repair ${id} of ${counted(rows, 'row')} (the cap is ${cap}) waits for an approval`;
  return proceed({
    data: { approvalRequired: required },
    notes: [...describeRepair(document), ...(required ? [waits] : [])],
  });
}

/**
 * What is over is not done again, with two exceptions that write nothing twice: a step that is called once more, and a cycle whose
 * execution died behind its repair, which has to say how much it repaired.
 */
function mayGoOn({ state, ranBy }: RepairDocument, run: Run): boolean {
  return RUNNABLE.includes(state) || (state === 'done' && (run.repairJob == null || ranBy === run.execution));
}

function describeWait({ id, rows, cap, state }: RepairDocument): string {
  const next = state === 'awaiting-approval' ? 'approvals' : `repair run ${id}`;
  return `repair ${id} of ${counted(rows, 'row')} (the cap is ${cap}) needs an approval, and the cycle waits for none; run: npx crossfade ${next}`;
}

function dataOf(data: unknown): RepairData {
  // Written by the steps of this machine; null in front of a run without a cycle.
  return typeof data === 'object' && data !== null ? (data as RepairData) : {};
}
