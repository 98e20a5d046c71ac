/** The cycle log and the open differences: what the drift clock, `drift show` and the gate are read from. */
import { createHash } from 'node:crypto';
import type { CycleDocument, DriftDocument, TableCycle, TenantCycle, WorstChunk } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import { REPORT_KEY } from '../../contracts/object-prefixes.ts';
import { inPages } from '../../domain/chunk.ts';
import { percentOf, upperBoundPercent } from '../../domain/drift-bound.ts';
import { isMeasure } from '../../domain/drift-gate.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { type Cycle, type Settling, saveTenants, unprovedRows } from './cycle-store.ts';
import type { DriftRow, PendingRow } from './settle-round.ts';
import { keepTenants } from './tenant-list.ts';

/** Differences that get a document of their own in one cycle; all of them are counted, and listed in the bucket. */
export const MAX_DRIFT_DOCUMENTS = 5_000;
/** Chunks that a table's record names. */
export const MAX_WORST = 5;
/** Tenants that a cycle's record names, drifted and large ones first: 50 bytes each, of hundreds of cycles that are read at once. */
export const MAX_TENANTS = 500;
/** Cycles that a difference remembers. */
const MAX_SEEN = 20;
/** Documents that are written at the same time: one by one, 5000 of them took a minute. */
const DOCUMENTS_AT_ONCE = 25;
/** Cycles among which the newest full pass is looked for. */
const LOOK_BACK = 200;

/** Written when the differences are settled and again after repair, so that a refused approval leaves the cycle on record. */
export async function recordCycle(
  deps: Deps,
  run: Run,
  cycle: Cycle,
  settling: Settling,
  repaired: Readonly<Record<string, number>>,
): Promise<CycleDocument> {
  const tables = tallyTables(cycle, settling, repaired);
  const dropped = Object.values(settling.dropped).reduce((total, count) => total + count, 0);
  const endedAt = deps.clock.now();
  const tenants = tallyTenants(settling);
  if (tenants.length > MAX_TENANTS) await saveTenants(deps.objects, cycle.id, Object.fromEntries(tenants));
  const counts = countRows(tables, settling);
  const document: CycleDocument = {
    execution: run.execution,
    startedAt: cycle.startedAt,
    endedAt: endedAt.toISOString(),
    durationMs: Math.max(0, endedAt.getTime() - Date.parse(cycle.startedAt)),
    mode: cycle.comparison.mode,
    scopeKind: cycle.scopeKind,
    ...(await keepTenants(deps.objects, provedTenants(cycle, settling), cycle.comparison.generations)),
    tables,
    ...boundTenants(tenants),
    ...counts,
    coveragePercent: await coverageOf(deps, cycle, settling, counts.rows),
    ...(cycle.beyondLimit === undefined ? {} : { beyondLimit: cycle.beyondLimit }),
    // Differences that nobody looked at may be drift: such a cycle has not read everything.
    complete: settling.missing === 0 && dropped === 0 && (settling.changed ?? []).length === 0,
    failed: false,
    report: REPORT_KEY,
  };
  await deps.documents.put('cycle', cycle.id, document, 'any');
  return document;
}

export type FoundRows = Pick<
  CycleDocument,
  'tables' | 'rows' | 'drift' | 'driftPercent' | 'upperBoundPercent' | 'byTenant' | 'tenantsUnlisted'
>;

/** Of a cycle that did not come to its record. */
export function foundSoFar(cycle: Cycle, settling: Settling): FoundRows {
  const tables = tallyTables(cycle, settling, {});
  return { tables, ...boundTenants(tallyTenants(settling)), ...countRows(tables, settling) };
}

function countRows(tables: readonly TableCycle[], settling: Settling) {
  const sum = (of: (table: TableCycle) => number) => tables.reduce((total, table) => total + of(table), 0);
  const rows = sum((table) => table.rows);
  const drift = settling.drift.length;
  return {
    rows,
    drift,
    driftPercent: percentOf(drift, rows),
    // Rows in flight and rows that would not stand still are neither clean nor drift: they prove nothing.
    upperBoundPercent: upperBoundPercent(drift, rows - sum((table) => table.inFlight + table.unsettled)),
  };
}

function provedTenants({ comparison }: Cycle, { gone = [] }: Settling): readonly string[] {
  const without = new Set(gone);
  return comparison.tenants.filter((tenant) => !without.has(tenant));
}

function tallyTables(
  cycle: Cycle,
  settling: Settling,
  repaired: Readonly<Record<string, number>>,
): readonly TableCycle[] {
  const { changed = [] } = settling;
  return settling.tables.map((tally): TableCycle => {
    const rows = settling.drift.filter((row) => row.table === tally.table);
    const count = (kind: DriftRow['kind']) => rows.filter((row) => row.kind === kind).length;
    const waiting = settling.pending.filter((row) => row.table === tally.table);
    const moving = waiting.filter(isMoving).length;
    const late = (settling.waiting ?? []).filter((row) => row.table === tally.table && row.late).length;
    const shape = changed.includes(tally.table) ? undefined : cycle.shapes?.[tally.table];
    return {
      ...tally,
      ...(shape === undefined ? {} : { shape }),
      drift: { missing: count('missing'), extra: count('extra'), different: count('different') },
      converged: settling.converged?.[tally.table] ?? 0,
      inFlight: (settling.inFlight[tally.table] ?? 0) + (waiting.length - moving),
      setAside: settling.setAside.filter((row) => row.table === tally.table).length,
      ...(late === 0 ? {} : { late }),
      unsettled: moving + (settling.dropped[tally.table] ?? 0),
      repaired: repaired[tally.table] ?? 0,
    };
  });
}

/** It would not stand still; another one had an event on its way at its last read. */
function isMoving({ before }: PendingRow): boolean {
  return before?.inFlight !== true;
}

/** Of all tenants, drifted ones and then those with unproven rows first, so that what a record leaves out is clean (ADR 027). */
function tallyTenants({
  drift,
  setAside,
  pending,
  waiting = [],
  tenants = {},
}: Settling): readonly (readonly [string, TenantCycle])[] {
  const tally = new Map<string, TenantCycle>(
    Object.entries(tenants).map(([tenant, rows]) => [tenant, { rows, drift: 0 }]),
  );
  const count = (tenant: string | null, add: (known: TenantCycle) => TenantCycle) =>
    tally.set(tenant ?? NO_TENANT, add(tally.get(tenant ?? NO_TENANT) ?? { rows: 0, drift: 0 }));
  for (const { tenant } of drift) count(tenant, (known) => ({ ...known, drift: known.drift + 1 }));
  // As their table counts them. Rows that nobody looked at have no tenant: for them the cycle is incomplete, for everybody.
  for (const { tenant } of [...setAside, ...pending.filter(isMoving), ...waiting.filter(({ late }) => late)])
    count(tenant ?? null, (known) => ({ ...known, unproven: (known.unproven ?? 0) + 1 }));
  return [...tally].toSorted(
    ([, one], [, other]) =>
      other.drift - one.drift || (other.unproven ?? 0) - (one.unproven ?? 0) || other.rows - one.rows,
  );
}

function boundTenants(
  worstFirst: readonly (readonly [string, TenantCycle])[],
): Pick<CycleDocument, 'byTenant' | 'tenantsUnlisted'> {
  const unlisted = worstFirst.slice(MAX_TENANTS).filter(([, { drift, unproven = 0 }]) => drift + unproven > 0).length;
  return {
    byTenant: Object.fromEntries(worstFirst.slice(0, MAX_TENANTS)),
    ...(unlisted === 0 ? {} : { tenantsUnlisted: unlisted }),
  };
}

/** A full pass covers what it planned; anything else is measured against the rows that the newest full pass counted. */
async function coverageOf(deps: Deps, cycle: Cycle, settling: Settling, rows: number): Promise<number | null> {
  if (cycle.scopeKind === 'full') {
    const read = settling.tables.reduce((sum, { chunks }) => sum + chunks, 0);
    return read + settling.missing === 0 ? 100 : percentOf(read, read + settling.missing);
  }
  const before = await deps.documents.list('cycle', { to: cycle.id, descending: true, limit: LOOK_BACK });
  const known = settling.tables.map(({ table }) => {
    const full = before.find(
      ({ value }) => value.scopeKind === 'full' && value.complete && value.tables.some((each) => each.table === table),
    );
    return full?.value.tables.find((each) => each.table === table)?.rows;
  });
  if (known.some((count) => count === undefined)) return null;
  const all = known.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  return Math.min(100, all === 0 ? 100 : percentOf(rows, all));
}

/** The chunks of a table that its record names, from those known and those of one more result. */
export function keepWorst(known: readonly WorstChunk[], more: readonly WorstChunk[]): readonly WorstChunk[] {
  return [...known, ...more]
    .filter(({ keys }) => keys > 0)
    .toSorted((one, other) => other.keys - one.keys)
    .slice(0, MAX_WORST);
}

export async function recordDrift(deps: Deps, cycle: Cycle, rows: readonly DriftRow[]): Promise<void> {
  const now = deps.clock.now().toISOString();
  await eachDocument(rows.slice(0, MAX_DRIFT_DOCUMENTS), async (row) => {
    const id = driftId(row);
    const known = (await deps.documents.get('drift', id))?.value;
    const isOpen = known !== undefined && known.repairedAt === undefined;
    const { table, rowKey, tenant, kind, columns } = row;
    // A step that is run again has seen it once.
    const earlier = (known?.seen ?? []).filter((sighting) => sighting.cycle !== cycle.id);
    const document: DriftDocument = {
      table,
      rowKey,
      tenant,
      kind,
      columns,
      foundAt: isOpen ? known.foundAt : now,
      cycle: cycle.id,
      seen: [...earlier, { cycle: cycle.id, kind, columns }].slice(-MAX_SEEN),
    };
    await deps.documents.put('drift', id, document, 'any');
  });
}

/**
 * A difference that is gone stays on record until the gate's window has passed, because the gate counts each key once; then
 * it is removed. Called by a repair that has read the rows again and found them equal.
 */
export async function endDrift(
  deps: Deps,
  rows: readonly Pick<DriftRow, 'table' | 'rowKey'>[],
  endedBy: NonNullable<DriftDocument['endedBy']> = 'repair',
): Promise<void> {
  const repairedAt = deps.clock.now().toISOString();
  await eachDocument(rows, async (row) => {
    const stored = await deps.documents.get('drift', driftId(row));
    if (stored !== undefined && stored.value.repairedAt === undefined)
      await deps.documents.put('drift', stored.id, { ...stored.value, repairedAt, endedBy }, 'any');
  });
}

/**
 * After a complete full pass: differences of its tables and tenants that it did not find, and that do not wait for delivery either, are over;
 * those past the window are removed.
 */
export async function tidyDrift(deps: Deps, cycle: Cycle, document: CycleDocument, settling: Settling): Promise<void> {
  const now = deps.clock.now();
  const isFull = document.complete && document.scopeKind === 'full' && isMeasure(document);
  const tables = new Set(document.tables.map(({ table }) => table));
  const compared = new Set(provedTenants(cycle, settling));
  const unproved = new Set(unprovedRows(settling).map(driftId));
  await eachDocument(await deps.documents.list('drift'), async ({ id, value }) => {
    const endedAt = value.repairedAt;
    if (endedAt !== undefined) {
      const isPast = now.getTime() - Date.parse(endedAt) > 2 * deps.plan.reconcile.gate.for;
      if (isPast) await deps.documents.remove('drift', id);
    } else if (
      isFull &&
      value.cycle !== cycle.id &&
      !unproved.has(id) &&
      tables.has(value.table) &&
      compared.has(value.tenant ?? NO_TENANT)
    ) {
      await deps.documents.put('drift', id, { ...value, repairedAt: now.toISOString(), endedBy: 'converged' }, 'any');
    }
  });
}

/** @throws what the first one threw, when all that were begun with it have ended: a late write would undo one of whoever goes on. */
async function eachDocument<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (const page of inPages(items, DOCUMENTS_AT_ONCE)) {
    const failed = (await Promise.allSettled(page.map(work))).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
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
