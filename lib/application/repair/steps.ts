/**
 * Steps `needs-approval`, `repair` and the end of a repair in the reconcile machine: drift that is proved becomes a plan, a person
 * decides where the environment or the cap asks for it, and what was reviewed is carried out. In a cycle, or by itself
 * (`repair plan`, `repair run`).
 */
import type { ApprovalDocument, RepairDocument } from '../../contracts/documents.ts';
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import type { RepairState } from '../../contracts/repair.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { again, proceed, refuse, type Step } from '../machines/step.ts';
import { loadMigration } from '../migration.ts';
import { type Comparison, currentDirection, planComparison } from '../reconcile/comparison.ts';
import { readCycle, readSettling } from '../reconcile/cycle-store.ts';
import { type CycleData, cycleData } from '../reconcile/settle.ts';
import { copiedTenants, narrowToCopied } from '../reconcile/settle-round.ts';
import { describeHold, readHold } from '../relay/delivery-hold.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { planRepair } from './plan-repair.ts';
import { describeRepair, repairIdOf } from './question.ts';
import { findRepair, readArtefact, updateRepair } from './repair-store.ts';
import { REPAIR_START, type RepairProgress, runRepair } from './run-repair.ts';

export interface RepairData extends Partial<CycleData> {
  readonly progress?: RepairProgress;
  /** Rows repaired and seen to be equal, by table. */
  readonly repaired?: Readonly<Record<string, number>>;
}

/** A call ends after this long and is called again: well under a function's time. */
const CALL_MS = 40_000;
/** How often a held delivery is looked at. */
const HOLD_SECONDS = 5;
const RUNNABLE: readonly RepairState[] = ['planned', 'awaiting-approval', 'approved', 'running'];

/** Makes the plan where there is none yet. A person decides above the cap, and wherever the plan says so for this machine. */
export async function needsRepairApproval(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const job = run.repairJob ?? null;
  if (job?.do === 'run') return approvalOf(deps, run, await runnable(deps, job.repair));
  if (job?.do === 'plan') {
    const document = await planOpenDrift(deps, run);
    if (typeof document === 'string') return refuse([document]);
    return proceed({ data: { approvalRequired: false }, notes: describeRepair(document) });
  }
  const document = wantsRepair(deps, run) ? await planOfCycle(deps, run, cycleData(data).cycle) : null;
  if (document === null || document.rows === 0) return proceed({ data: { approvalRequired: false } });
  return approvalOf(deps, run, document);
}

export function wantsRepair(deps: Deps, run: Run): boolean {
  return !run.dryRun && (run.repair || deps.plan.reconcile.repair.automatic);
}

/** Carries out the plan of this run; `again` until all of its pages are done. */
export async function repair(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const handed = dataOf(data);
  const job = run.repairJob ?? null;
  if (job?.do === 'plan') return proceed({ data: handed });
  const document = await findRepair(deps, repairIdOf(run));
  if (document === undefined || document.rows === 0) {
    const left = handed.cycle === undefined ? 0 : await countDrift(deps, handed.cycle);
    const note = left === 0 ? 'nothing to repair' : `${left} rows are left as they are`;
    return proceed({ data: { ...handed, repaired: {} }, notes: [note] });
  }
  const granted = await approvalGranted(deps, run, document);
  if (granted === 'refused') return proceed({ data: handed, notes: [`repair ${document.id} was not approved`] });
  const hold = await readHold(deps);
  if (hold !== null && !run.dryRun) return again(HOLD_SECONDS, { data, notes: [describeHold(hold)] });
  const artefact = await readArtefact(deps.objects, document);
  if (!run.dryRun && (document.state !== 'running' || document.ranBy !== run.execution)) {
    const approval = granted === 'not-asked' ? {} : { approval: granted };
    await updateRepair(deps, document.id, { ...approval, state: 'running', ranBy: run.execution });
  }
  const migration = await loadMigration(deps);
  if ((await currentDirection(deps)) !== document.direction)
    return refuse([`authority has moved since repair ${document.id} was planned; run: npx crossfade repair plan`]);
  const until = new Date(deps.clock.now().getTime() + CALL_MS);
  const before = handed.progress ?? REPAIR_START;
  const { done, progress } = await runRepair(migration, artefact, before, { until, dryRun: run.dryRun });
  const answer: RepairData = { ...handed, progress, repaired: run.dryRun ? {} : progress.repaired };
  const word = run.dryRun ? 'would repair' : 'repaired';
  const notes = [`${word} ${progress.outcomes.repaired} of ${document.rows} rows`, ...progress.reasons];
  if (!done) return again(0, { data: answer, notes });
  if (!run.dryRun) await endRepair(deps, run, document, progress);
  return proceed({ data: answer, notes });
}

/** In place of a cycle's record, for a run that only plans or runs a repair. */
export async function recordRepair(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
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

/** A cycle whose repair nobody approved is recorded like any other; its plan is over. */
export function closingRepair(record: Step): Step {
  return async (deps, run, data) => {
    if (run.repairJob != null) return recordRepair(deps, run, data);
    const document = run.dryRun ? undefined : await findRepair(deps, repairIdOf(run));
    if (document?.state === 'awaiting-approval') await closeUnapproved(deps, run, document);
    return record(deps, run, data);
  };
}

async function runnable(deps: Deps, id: string): Promise<RepairDocument | string> {
  const document = await findRepair(deps, id);
  if (document === undefined) return `there is no repair ${id}; run: npx crossfade repair list`;
  if (!RUNNABLE.includes(document.state)) return `repair ${id} is ${document.state}; run: npx crossfade repair plan`;
  if (document.planHash !== deps.planHash)
    return `the migration's plan has changed since repair ${id} was made; run: npx crossfade repair plan`;
  if (document.state !== 'running' && document.expiresAt <= deps.clock.now().toISOString())
    return `repair ${id} expired at ${document.expiresAt}: rows have moved on; run: npx crossfade repair plan`;
  // Compares the hash: a plan that was changed is refused before anybody is asked.
  return readArtefact(deps.objects, document).then(
    () => document,
    (error: unknown) => {
      if (error instanceof RangeError) return error.message;
      throw error;
    },
  );
}

async function approvalOf(deps: Deps, run: Run, document: RepairDocument | string): Promise<StepResult> {
  if (typeof document === 'string') return refuse([document]);
  const required = !run.dryRun && isApprovalWanted(deps, document) && document.approval === undefined;
  if (required && document.state === 'planned') await updateRepair(deps, document.id, { state: 'awaiting-approval' });
  const { rows, cap, id } = document;
  const waits = `repair ${id} of ${rows} rows (the cap is ${cap}) waits for an approval`;
  return proceed({
    data: { approvalRequired: required },
    notes: [...describeRepair(document), ...(required ? [waits] : [])],
  });
}

function isApprovalWanted(deps: Deps, { rows }: RepairDocument): boolean {
  const isAsked = deps.plan.approvals.machines.some((machine) => machine === 'reconcile');
  return isAsked || rows > deps.plan.reconcile.repair.capRows;
}

/** The decision is bound to the plan that was shown: another hash is another plan. */
async function approvalGranted(
  deps: Deps,
  run: Run,
  document: RepairDocument,
): Promise<NonNullable<RepairDocument['approval']> | 'not-asked' | 'refused'> {
  if (run.dryRun || !isApprovalWanted(deps, document)) return 'not-asked';
  if (document.approval !== undefined) return document.approval;
  const found = await approvalsOf(deps, run);
  const given = found.find(
    ({ decision, evidenceHash }) => decision?.approved === true && evidenceHash === document.hash,
  );
  if (given?.decision === undefined) return 'refused';
  return { id: given.id, by: given.decision.by, at: given.decision.at };
}

async function approvalsOf(deps: Deps, run: Run): Promise<readonly ApprovalDocument[]> {
  return (await deps.documents.list('approval'))
    .map(({ value }) => value)
    .filter((one) => one.execution === run.execution);
}

async function closeUnapproved(deps: Deps, run: Run, document: RepairDocument): Promise<RepairState> {
  if (document.state !== 'awaiting-approval') return document.state;
  const isRejected = (await approvalsOf(deps, run)).some(({ decision }) => decision?.approved === false);
  const state = isRejected ? 'refused' : 'expired';
  await updateRepair(deps, document.id, { state, endedAt: deps.clock.now().toISOString() });
  return state;
}

async function planOfCycle(deps: Deps, run: Run, cycleId: string): Promise<RepairDocument | null> {
  const id = repairIdOf(run);
  // The step may be called again: a plan that was shown is not made anew.
  const before = await findRepair(deps, id);
  if (before !== undefined) return before;
  const cycle = await readCycle(deps.objects, cycleId);
  const drift = (await readSettling(deps.objects, cycle))?.drift ?? [];
  if (drift.length === 0) return null;
  const migration = await loadMigration(deps);
  const comparison = await narrowToCopied(migration, cycle.comparison);
  const { requestedBy: madeBy, execution } = run;
  return planRepair(migration, { id, cycle: cycleId, comparison, rows: drift, madeBy, execution });
}

/** @returns why there can be no plan. */
async function planOpenDrift(deps: Deps, run: Run): Promise<RepairDocument | string> {
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

/** By value, whatever form the cycles have: what is written is what was proved. */
async function comparisonOf(deps: Deps, run: Run): Promise<Comparison> {
  const migration = await loadMigration(deps);
  const direction = await currentDirection(deps);
  const tenants = copiedTenants(await tenantStates(deps, direction));
  return planComparison(migration, direction, { mode: 'checksum', form: 'exact', tenants, tables: run.tables });
}

async function endRepair(deps: Deps, run: Run, document: RepairDocument, progress: RepairProgress): Promise<void> {
  const { outcomes, reasons } = progress;
  const at = deps.clock.now().toISOString();
  await updateRepair(deps, document.id, { state: 'done', outcomes, reasons, endedAt: at });
  const { id, rows, hash } = document;
  const left = rows - outcomes.repaired - outcomes.converged;
  const note = `repair ${id}: ${outcomes.repaired} of ${rows} rows repaired, ${outcomes.converged} were equal by then, ${left} left; plan ${hash.slice(0, 12)}`;
  await deps.documents.put(
    'evidence',
    `${at}#repair#${fingerprint([run.execution, id]).slice(0, 8)}`,
    {
      kind: 'decision',
      at,
      machine: run.machine,
      execution: run.execution,
      dryRun: false,
      planHash: deps.planHash,
      note,
      by: run.requestedBy,
    },
    'any',
  );
}

async function countDrift(deps: Deps, cycleId: string): Promise<number> {
  const cycle = await readCycle(deps.objects, cycleId);
  return (await readSettling(deps.objects, cycle))?.drift.length ?? 0;
}

function dataOf(data: unknown): RepairData {
  // Written by the steps of this machine; null in front of a run without a cycle.
  return typeof data === 'object' && data !== null ? (data as RepairData) : {};
}
