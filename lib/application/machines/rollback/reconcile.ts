/** The way back of phase 3 (guide): delivery pauses, what differs on the target is overwritten from legacy, the result is verified. */
import type { Mark, RepairDocument } from '../../../contracts/documents.ts';
import type { Run, StepResult } from '../../../contracts/machine-io.ts';
import { type RepairArtefact, repairBatch } from '../../../contracts/repair.ts';
import { counted } from '../../../domain/counted.ts';
import { fingerprint } from '../../../domain/fingerprint.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, type Migration, tableNamed } from '../../migration.ts';
import { comparePass, type PassResult } from '../../reconcile/compare-pass.ts';
import { type Comparison, planComparison } from '../../reconcile/comparison.ts';
import { describeHold } from '../../relay/delivery-hold.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { endRepair } from '../../repair/end-repair.ts';
import { inRepairOrder } from '../../repair/in-order.ts';
import { planRepair } from '../../repair/plan-repair.ts';
import { findRepair, readArtefact, updateRepair } from '../../repair/repair-store.ts';
import { REPAIR_START, type RepairProgress, runRepair } from '../../repair/run-repair.ts';
import { repairKeys } from '../../rows/apply-reads.ts';
import { directionInForce } from '../../switch/authority.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { again, judged, proceed, refuse, type Step } from '../step.ts';

const CALL_MS = 40_000;
const ROWS_AT_ONCE = 200;
/** Rows that are named one by one. */
const MAX_NOTES = 20;
/** How often a held delivery is looked at. */
const HOLD_SECONDS = 5;
/** Longer than any call and its waits: relays go on after it should the execution die. */
const MARK_MS = 600_000;

export const pauseRouting: Step = async (deps, run) => {
  if ((await directionInForce(deps)) === 'reverse')
    return refuse([
      `the target is authoritative and is not overwritten; run: npx crossfade rollback switchover --plan ${run.plan}`,
    ]);
  if (run.dryRun) return proceed({ notes: ['would hold delivery to the target'] });
  await markOverwriting(deps, run);
  return proceed({ notes: ['delivery to the target is held; events wait in the outbox'] });
};

/** Each round is a repair of its own, with a plan to read and images to undo it by; a pass lists so many rows and no more. */
export const overwriteTarget: Step = async (deps, run, data) => {
  if (!run.dryRun) {
    await markOverwriting(deps, run);
    const stop = await emergencyStop(deps);
    if (stop !== undefined) return again(HOLD_SECONDS, { data, notes: [describeHold(stop)] });
  }
  const before = progressOf(data);
  const migration = await loadMigration(deps);
  const comparison = await comparisonOf(migration, run);
  const planned = await findRepair(deps, overwriteId(run, before.round));
  if (planned !== undefined) return carryOut(migration, run, comparison, planned, before);

  const what = before.round === 1 ? 'overwrite' : `overwrite-${before.round}`;
  const result = await passOver(migration, run, comparison, what);
  if (result === undefined) return again(0, { data, notes: ['compares every row of the scope exactly'] });
  const notes = describeRows(result);
  const rows = counted(result.rows, 'row');
  if (run.dryRun) return proceed({ notes: [`would overwrite ${result.drift.length} of ${rows}`, ...notes] });
  if (result.drift.length === 0) return proceed({ notes: [`${rows} compared, ${before.written} overwritten`] });
  const { id } = await planRepair(migration, {
    id: overwriteId(run, before.round),
    cycle: null,
    comparison,
    // Children first: what does not fit into the plan must not hold up what does.
    rows: inRepairOrder(migration, result.drift, ROWS_AT_ONCE).flat(),
    madeBy: run.requestedBy,
    execution: run.execution,
    beyond: result.unsettled,
  });
  const read = `${rows} compared; read what is overwritten: npx crossfade repair show ${id} --plan ${run.plan}`;
  return again(0, { data: before, notes: [read, ...notes] });
};

/** Until the call's time is over, or a person stops it. */
async function carryOut(
  migration: Migration,
  run: Run,
  comparison: Comparison,
  planned: RepairDocument,
  before: Progress,
): Promise<StepResult> {
  const { deps } = migration;
  const { id, rows, state, ranBy, leftOut } = planned;
  const artefact = await readArtefact(deps.objects, planned);
  if (state !== 'done' && ranBy === undefined) await updateRepair(deps, id, { state: 'running', ranBy: run.execution });
  const { done, progress } = await runRepair(migration, artefact, comparison, before.repair, {
    until: new Date(deps.clock.now().getTime() + CALL_MS),
    dryRun: false,
    isStopped: async () => (await emergencyStop(deps)) !== undefined,
  });
  const { repaired, changed, failed } = progress.outcomes;
  const notes = [`repair ${id}: ${repaired} of ${counted(rows, 'row')} overwritten from legacy`, ...progress.reasons];
  if (!done) return again(0, { data: { ...before, repair: progress }, notes });
  if (state !== 'done') await endRepair(deps, run, planned, progress);
  const written = before.written + repaired;
  if (repaired === 0) {
    // What cannot be written even so is left to the proof.
    if (failed > 0) await forceRows(migration, artefact);
    return proceed({ notes });
  }
  // A row may have failed because of one that was written after it.
  if (leftOut.beyond + changed + failed === 0) return proceed({ notes });
  return again(0, { data: { ...ROUND_START, round: before.round + 1, written }, notes });
}

/**
 * Rows that hold each other up, in a circle of foreign keys or by unique values: written with whatever stands in their way, which
 * no plan names and no image keeps (ADR 035).
 */
async function forceRows(migration: Migration, { id, planned }: RepairArtefact): Promise<void> {
  for (const page of inRepairOrder(migration, planned, ROWS_AT_ONCE)) {
    if ((await emergencyStop(migration.deps)) !== undefined) return;
    const table = tableNamed(migration, page[0]?.table ?? '');
    const keys = page.map(({ rowKey }) => rowKey);
    await repairKeys(migration, table, 'forward', keys, repairBatch(id));
  }
}

/** A person's: nothing is to be written then, not even this. */
async function emergencyStop({ documents }: Deps): Promise<Mark | undefined> {
  return (await documents.get('control', 'control'))?.value.deliveryHeld;
}

/** Only one rollback runs at a time: the mark of another one is of one that died. */
async function markOverwriting(deps: Deps, run: Run): Promise<void> {
  const control = await deps.documents.get('control', 'control');
  const now = deps.clock.now();
  const overwriting = {
    by: run.requestedBy,
    at: now.toISOString(),
    why: 'the target is being overwritten from legacy',
    execution: run.execution,
    until: new Date(now.getTime() + MARK_MS).toISOString(),
  };
  await deps.documents.put('control', 'control', { ...control?.value, overwriting }, control?.version ?? 'absent');
}

async function endOverwriting(deps: Deps, run: Run): Promise<void> {
  const control = await deps.documents.get('control', 'control');
  if (control?.value.overwriting?.execution !== run.execution) return;
  const { overwriting: _, ...kept } = control.value;
  await deps.documents.put('control', 'control', kept, control.version);
  await ensureRelay(deps, 'forward');
}

function overwriteId(run: Run, round: number): string {
  return fingerprint(['overwrite', run.execution, String(round)]).slice(0, 8);
}

interface Progress {
  readonly round: number;
  /** Rows of the rounds before. */
  readonly written: number;
  readonly repair: RepairProgress;
}

const ROUND_START: Progress = { round: 1, written: 0, repair: REPAIR_START };

function progressOf(data: unknown): Progress {
  // Written above by the same code.
  return { ...ROUND_START, ...(data as Partial<Progress> | null) };
}

/** One line a table, and the first rows by their keys. */
function describeRows({ drift }: PassResult): readonly string[] {
  const lines = [...Map.groupBy(drift, ({ table }) => table)].map(([table, rows]) => {
    const count = (wanted: string) => rows.filter(({ kind }) => kind === wanted).length;
    return `${table}: ${count('missing')} to insert, ${count('different')} to update, ${count('extra')} to delete`;
  });
  const rows = drift.slice(0, MAX_NOTES).map(({ table, rowKey, kind }) => `${table} ${rowKey} is ${kind}`);
  return [...lines, ...rows];
}

export const verifyOverwritten: Step = async (deps, run) => {
  if (run.dryRun) return proceed();
  await endOverwriting(deps, run);
  const migration = await loadMigration(deps);
  const result = await passOver(migration, run, await comparisonOf(migration, run), 'verify');
  if (result === undefined) return again(0, { notes: ['verifies by a second exact pass'] });
  const gate = judgeGate(
    {
      gate: 'overwritten-equal',
      value: result.drift.length + result.unsettled,
      threshold: 0,
      comparison: 'equals',
      unit: 'rows',
      source: `exact digests of ${counted(result.rows, 'row')} of both stores`,
      measuredAt: deps.clock.now(),
      details: result.drift.slice(0, 20).map(({ table, rowKey, kind }) => `${table} ${rowKey} is ${kind}`),
    },
    deps.clock.now(),
  );
  return judged([gate], { notes: ['delivery goes on; legacy is authoritative'] });
};

async function comparisonOf(migration: Migration, run: Run): Promise<Comparison> {
  const on = (await tenantStates(migration.deps, 'forward'))
    .filter((state) => state.is_on)
    .map((state) => state.tenant);
  // Shared rows are everybody's: they go along when everybody does.
  const isAll = on.every((tenant) => tenant === NO_TENANT || run.scope.includes(tenant));
  const tenants = on.filter((tenant) => (tenant === NO_TENANT && isAll) || run.scope.includes(tenant));
  return planComparison(migration, 'forward', { mode: 'checksum', form: 'exact', tenants, tables: run.tables });
}

async function passOver(
  migration: Migration,
  run: Run,
  comparison: Comparison,
  what: string,
): Promise<PassResult | undefined> {
  const id = `${what}-${run.execution.split(':').at(-1)}`;
  return comparePass(migration, comparison, { id, until: new Date(migration.deps.clock.now().getTime() + CALL_MS) });
}
