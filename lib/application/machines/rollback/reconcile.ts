/** The way back of phase 3 (guide): delivery pauses, what differs on the target is overwritten from legacy, the result is verified. */

import type { Mark } from '../../../contracts/documents.ts';
import type { Run } from '../../../contracts/machine-io.ts';
import { counted } from '../../../domain/counted.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, type Migration, tableNamed } from '../../migration.ts';
import { comparePass, type PassResult } from '../../reconcile/compare-pass.ts';
import { planComparison } from '../../reconcile/comparison.ts';
import { describeHold } from '../../relay/delivery-hold.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { inRepairOrder } from '../../repair/in-order.ts';
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

export const overwriteTarget: Step = async (deps, run, data) => {
  if (!run.dryRun) {
    await markOverwriting(deps, run);
    const stop = await emergencyStop(deps);
    if (stop !== undefined) return again(HOLD_SECONDS, { data, notes: [describeHold(stop)] });
  }
  const before = progressOf(data);
  const migration = await loadMigration(deps);
  const result = await passOver(deps, run, before.round === 1 ? 'overwrite' : `overwrite-${before.round}`);
  if (result === undefined) return again(0, { data, notes: ['compares every row of the scope exactly'] });
  if (run.dryRun)
    return proceed({
      notes: [`would overwrite ${result.drift.length} of ${counted(result.rows, 'row')}`, ...describeRows(result)],
    });
  const { written, failed, isCutShort } = await overwriteRows(migration, run, result);
  const total = before.written + written;
  const notes = [
    `${counted(result.rows, 'row')} compared, ${total} overwritten from legacy`,
    ...describeRows(result),
    ...failed.slice(0, MAX_NOTES),
  ];
  // What is equal by now differs no more when the pass is looked at again; what cannot be written is left to the proof.
  if (isCutShort) return again(0, { data: { ...before, written: total }, notes });
  // A pass lists so many rows and no more: the next one finds the others.
  if (result.unsettled > 0 && written > 0)
    return again(0, { data: { round: before.round + 1, written: total }, notes });
  return proceed({ notes });
};

/** Until the call's time is over, or a person stops it. */
async function overwriteRows(migration: Migration, run: Run, { drift }: PassResult) {
  const { deps } = migration;
  const until = deps.clock.now().getTime() + CALL_MS;
  const failed: string[] = [];
  let written = 0;
  for (const page of inRepairOrder(migration, drift, ROWS_AT_ONCE)) {
    if (deps.clock.now().getTime() >= until || (await emergencyStop(deps)) !== undefined)
      return { written, failed, isCutShort: true };
    const table = tableNamed(migration, page[0]?.table ?? '');
    const keys = page.map(({ rowKey }) => rowKey);
    const applied = await repairKeys(migration, table, 'forward', keys, overwriteBatch(run));
    written += applied.applied.length;
    failed.push(
      ...applied.failed.map(({ rowKey, reason }) => `${table.name} ${rowKey} cannot be overwritten: ${reason}`),
    );
  }
  return { written, failed, isCutShort: false };
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

/** Correlation id of its writes. */
function overwriteBatch(run: Run): string {
  return `overwrite-${run.execution.split(':').at(-1)}`;
}

interface Progress {
  readonly round: number;
  readonly written: number;
}

function progressOf(data: unknown): Progress {
  // Written above by the same code.
  return { round: 1, written: 0, ...(data as Partial<Progress> | null) };
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
  const result = await passOver(deps, run, 'verify');
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

async function passOver(deps: Deps, run: Run, what: string): Promise<PassResult | undefined> {
  const migration = await loadMigration(deps);
  const on = (await tenantStates(deps, 'forward')).filter((state) => state.is_on).map((state) => state.tenant);
  // Shared rows are everybody's: they go along when everybody does.
  const isAll = on.every((tenant) => tenant === NO_TENANT || run.scope.includes(tenant));
  const tenants = on.filter((tenant) => (tenant === NO_TENANT && isAll) || run.scope.includes(tenant));
  const comparison = await planComparison(migration, 'forward', {
    mode: 'checksum',
    form: 'exact',
    tenants,
    tables: run.tables,
  });
  const id = `${what}-${run.execution.split(':').at(-1)}`;
  return comparePass(migration, comparison, { id, until: new Date(deps.clock.now().getTime() + CALL_MS) });
}
