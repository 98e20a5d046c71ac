/** The cycle log and the open differences: what the drift clock, `drift show` and the gate are read from. */
import { createHash } from 'node:crypto';
import type { CycleDocument, DriftDocument, TableCycle } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import { percentOf, upperBoundPercent } from '../../domain/drift-bound.ts';
import type { Deps } from '../deps.ts';
import type { Cycle, Settling } from './cycle-store.ts';
import type { DriftRow } from './settle-round.ts';

/** Differences that get a document of their own in one cycle; all of them are counted, and listed in the bucket. */
export const MAX_DRIFT_DOCUMENTS = 5_000;

/** Written when the differences are settled and again after repair, so that a refused approval leaves the cycle on record. */
export async function recordCycle(
  deps: Deps,
  run: Run,
  cycle: Cycle,
  settling: Settling,
  repaired: Readonly<Record<string, number>>,
): Promise<CycleDocument> {
  const tables = settling.tables.map((tally): TableCycle => {
    const rows = settling.drift.filter((row) => row.table === tally.table);
    const count = (kind: DriftRow['kind']) => rows.filter((row) => row.kind === kind).length;
    const waiting = settling.pending.filter((row) => row.table === tally.table);
    const moving = waiting.filter((row) => row.before?.inFlight !== true).length;
    return {
      ...tally,
      drift: { missing: count('missing'), extra: count('extra'), different: count('different') },
      inFlight: (settling.inFlight[tally.table] ?? 0) + (waiting.length - moving),
      unsettled: moving + (settling.dropped[tally.table] ?? 0),
      repaired: repaired[tally.table] ?? 0,
    };
  });
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const drift = settling.drift.length;
  const dropped = Object.values(settling.dropped).reduce((sum, count) => sum + count, 0);
  const document: CycleDocument = {
    execution: run.execution,
    startedAt: cycle.startedAt,
    endedAt: deps.clock.now().toISOString(),
    mode: cycle.comparison.mode,
    scopeKind: cycle.scopeKind,
    tenants: cycle.comparison.tenants,
    tables,
    rows,
    drift,
    driftPercent: percentOf(drift, rows),
    upperBoundPercent: upperBoundPercent(drift, rows),
    // Differences that nobody looked at may be drift: such a cycle has not read everything.
    complete: settling.missing === 0 && dropped === 0,
    failed: false,
  };
  await deps.documents.put('cycle', cycle.id, document, 'any');
  return document;
}

export async function recordDrift(deps: Deps, cycle: Cycle, rows: readonly DriftRow[]): Promise<void> {
  const now = deps.clock.now().toISOString();
  for (const row of rows.slice(0, MAX_DRIFT_DOCUMENTS)) {
    const id = driftId(row);
    const known = (await deps.documents.get('drift', id))?.value;
    const isOpen = known !== undefined && known.repairedAt === undefined;
    const { table, rowKey, tenant, kind, columns } = row;
    const document: DriftDocument = {
      table,
      rowKey,
      tenant,
      kind,
      columns,
      foundAt: isOpen ? known.foundAt : now,
      cycle: cycle.id,
    };
    await deps.documents.put('drift', id, document, 'any');
  }
}

/**
 * A difference that is gone stays on record until the gate's window has passed, because the gate counts each key once; then
 * it is removed. A full pass that did not find an open one has seen it converge.
 */
export async function endDrift(deps: Deps, rows: readonly Pick<DriftRow, 'table' | 'rowKey'>[]): Promise<void> {
  const repairedAt = deps.clock.now().toISOString();
  for (const row of rows) {
    const stored = await deps.documents.get('drift', driftId(row));
    if (stored !== undefined && stored.value.repairedAt === undefined)
      await deps.documents.put('drift', stored.id, { ...stored.value, repairedAt }, 'any');
  }
}

/** After a complete full pass: differences of its tenants that it did not find are over; those past the window are removed. */
export async function tidyDrift(deps: Deps, cycle: Cycle, document: CycleDocument): Promise<void> {
  const now = deps.clock.now();
  const isFull = document.complete && document.scopeKind === 'full';
  for (const { id, value } of await deps.documents.list('drift')) {
    const endedAt = value.repairedAt;
    if (endedAt !== undefined) {
      const isPast = now.getTime() - Date.parse(endedAt) > 2 * deps.plan.reconcile.gate.for;
      if (isPast) await deps.documents.remove('drift', id);
    } else if (isFull && value.cycle !== cycle.id && document.tenants.includes(value.tenant ?? '*')) {
      await deps.documents.put('drift', id, { ...value, repairedAt: now.toISOString() }, 'any');
    }
  }
}

/** Sort keys of DynamoDB end at 1024 bytes. */
const LONGEST_ID = 1_000;

export function driftId({ table, rowKey }: Pick<DriftRow, 'table' | 'rowKey'>): string {
  const id = `${table}#${rowKey}`;
  return Buffer.byteLength(id) <= LONGEST_ID
    ? id
    : `${table}#sha256:${createHash('sha256').update(rowKey).digest('hex')}`;
}
