/** The way back of phase 3 (guide): delivery pauses, what differs on the target is overwritten from legacy, the result is verified. */

import type { Run } from '../../../contracts/machine-io.ts';
import { judgeGate } from '../../../domain/gate.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, tableNamed } from '../../migration.ts';
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
/** Names the hold as ours: one that a person put on is not taken off. */
const holderOf = (run: Run) => `rollback ${run.execution}`;

export const pauseRouting: Step = async (deps, run) => {
  if ((await directionInForce(deps)) === 'reverse')
    return refuse([
      `the target is authoritative and is not overwritten; run: npx crossfade rollback switchover --plan ${run.plan}`,
    ]);
  if (run.dryRun) return proceed({ notes: ['would hold delivery to the target'] });
  const control = await deps.documents.get('control', 'control');
  if (control?.value.deliveryHeld === undefined) {
    const deliveryHeld = {
      by: holderOf(run),
      at: deps.clock.now().toISOString(),
      why: 'the target is being overwritten from legacy',
    };
    await deps.documents.put('control', 'control', { ...control?.value, deliveryHeld }, control?.version ?? 'absent');
  }
  return proceed({ notes: ['delivery to the target is held; events wait in the outbox'] });
};

export const overwriteTarget: Step = async (deps, run, data) => {
  const until = deps.clock.now().getTime() + CALL_MS;
  const control = await deps.documents.get('control', 'control');
  const held = control?.value.deliveryHeld;
  // Its own hold is there so that nothing else writes meanwhile; a person's says that nothing is to be written.
  if (!run.dryRun && held !== undefined && held.by !== holderOf(run))
    return again(HOLD_SECONDS, { notes: [describeHold(held)] });
  const migration = await loadMigration(deps);
  const result = await passOver(deps, run, 'overwrite');
  if (result === undefined) return again(0, { notes: ['compares every row of the scope exactly'] });
  if (run.dryRun)
    return proceed({
      notes: [`would overwrite ${result.drift.length} of ${result.rows} rows`, ...describeRows(result)],
    });
  const before = writtenBefore(data);
  const failed: string[] = [];
  let written = 0;
  for (const page of inRepairOrder(migration, result.drift, ROWS_AT_ONCE)) {
    if (deps.clock.now().getTime() >= until) break;
    const table = tableNamed(migration, page[0]?.table ?? '');
    const keys = page.map(({ rowKey }) => rowKey);
    const applied = await repairKeys(migration, table, 'forward', keys, overwriteBatch(run));
    written += applied.applied.length;
    failed.push(
      ...applied.failed.map(({ rowKey, reason }) => `${table.name} ${rowKey} cannot be overwritten: ${reason}`),
    );
  }
  const total = before + written;
  const notes = [
    `${result.rows} rows compared, ${total} overwritten from legacy`,
    ...describeRows(result),
    ...failed.slice(0, MAX_NOTES),
  ];
  // What is equal by now differs no more when the pass is looked at again; what cannot be written is left to the proof.
  if (written > 0 && written < result.drift.length) return again(0, { data: { written: total }, notes });
  return proceed({ notes: [...notes, `to take it back: npx crossfade undo ${overwriteBatch(run)} --dry-run`] });
};

/** Correlation id of its writes. */
function overwriteBatch(run: Run): string {
  return `overwrite-${run.execution.split(':').at(-1)}`;
}

function writtenBefore(data: unknown): number {
  return typeof data === 'object' && data !== null && 'written' in data && typeof data.written === 'number'
    ? data.written
    : 0;
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
  const control = await deps.documents.get('control', 'control');
  if (control?.value.deliveryHeld?.by === holderOf(run)) {
    const { deliveryHeld: _, ...kept } = control.value;
    await deps.documents.put('control', 'control', kept, control.version);
    await ensureRelay(deps, 'forward');
  }
  const result = await passOver(deps, run, 'verify');
  if (result === undefined) return again(0, { notes: ['verifies by a second exact pass'] });
  const gate = judgeGate(
    {
      gate: 'overwritten-equal',
      value: result.drift.length + result.unsettled,
      threshold: 0,
      comparison: 'equals',
      unit: 'rows',
      source: `exact digests of ${result.rows} rows of both stores`,
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
  const tenants = on.filter((tenant) => run.scope.includes(tenant));
  const comparison = await planComparison(migration, 'forward', {
    mode: 'checksum',
    form: 'exact',
    tenants,
    tables: run.tables,
  });
  const id = `${what}-${run.execution.split(':').at(-1)}`;
  return comparePass(migration, comparison, { id, until: new Date(deps.clock.now().getTime() + CALL_MS) });
}
