/**
 * Makes a repair's plan: which rows, what is done to each, which columns change and who wins them, why. The rows are read again
 * for it; what became equal meanwhile, or has an event on its way, is left out (never repair what is in flight, prior art).
 */
import type { RepairDocument } from '../../contracts/documents.ts';
import type {
  ActionCounts,
  DecisionCount,
  PlannedColumn,
  PlannedRow,
  RepairAction,
  RepairArtefact,
  RepairSummary,
} from '../../contracts/repair.ts';
import { inPages } from '../../domain/chunk.ts';
import { decideColumn, type TimeOrder } from '../../domain/conflict.ts';
import { receiverOf, STORES, type StoreName, sourceOf } from '../../domain/direction.ts';
import { driftKindOf, type RowSight } from '../../domain/drift.ts';
import { type MigratedTable, NO_TENANT } from '../../domain/table.ts';
import { digestColumns, type KeyedRow } from '../../sql/compare/rows-by-key.ts';
import { type UpdatedAtRow, updatedAtOf } from '../../sql/repair/updated-at.ts';
import { type Migration, tableNamed } from '../migration.ts';
import type { ComparedTable, Comparison } from '../reconcile/comparison.ts';
import { sightRows } from '../reconcile/sight-rows.ts';
import { saveArtefact } from './repair-store.ts';

export interface RepairWish {
  readonly id: string;
  readonly cycle: string | null;
  readonly comparison: Comparison;
  readonly rows: readonly { readonly table: string; readonly rowKey: string }[];
  readonly madeBy: string;
  readonly execution: string;
  /** Differences that are known by their number only. */
  readonly beyond?: number | undefined;
}

/** Rows of one plan: what a person can review, and what a step can read in its time. Others come into the next one. */
const MAX_PLANNED = 20_000;
const ROWS_AT_ONCE = 200;
const MAX_TENANTS = 100;
const MAX_DECISIONS = 100;

const ACTION_OF = { missing: 'insert', different: 'update', extra: 'delete' } as const;

/** Writes the artefact and the document. */
export async function planRepair(migration: Migration, wish: RepairWish): Promise<RepairDocument> {
  const { deps } = migration;
  const { comparison, id, cycle, madeBy, execution } = wish;
  const planned: PlannedRow[] = [];
  const leftOut = { converged: 0, 'in-flight': 0, 'not-compared': 0, beyond: 0 };
  leftOut.beyond = (wish.beyond ?? 0) + Math.max(0, wish.rows.length - MAX_PLANNED);
  const byTable = Map.groupBy(wish.rows.slice(0, MAX_PLANNED), ({ table }) => table);
  for (const [name, rows] of byTable) {
    const compared = comparison.tables.find(({ table }) => table === name);
    if (compared === undefined) {
      leftOut['not-compared'] += rows.length;
      continue;
    }
    const keys = rows.map(({ rowKey }) => rowKey);
    for (const page of inPages(keys, ROWS_AT_ONCE)) {
      const sights = await sightRows(migration, comparison, compared, page);
      const differing = sights.filter((sight) => !sight.inFlight && sight.legacy !== sight.target);
      leftOut['in-flight'] += sights.filter(({ inFlight }) => inFlight).length;
      leftOut.converged += sights.filter((sight) => !sight.inFlight && sight.legacy === sight.target).length;
      planned.push(...(await planPage(migration, comparison, compared, differing)));
    }
  }
  const now = deps.clock.now();
  const summary: RepairSummary = {
    id,
    cycle,
    direction: comparison.direction,
    madeBy,
    madeAt: now.toISOString(),
    planHash: deps.planHash,
    rows: planned.length,
    cap: deps.plan.reconcile.repair.capRows,
    tables: countTables(planned),
    tenants: countTenants(planned),
    decisions: countDecisions(planned),
    leftOut,
  };
  const artefact: RepairArtefact = { ...summary, comparison, planned };
  const document: RepairDocument = {
    ...summary,
    state: planned.length === 0 ? 'done' : 'planned',
    hash: await saveArtefact(deps.objects, artefact),
    expiresAt: new Date(now.getTime() + deps.plan.approvals.expiry).toISOString(),
    execution,
  };
  await deps.documents.put('repair', id, document, 'any');
  return document;
}

async function planPage(
  migration: Migration,
  { direction }: Comparison,
  { table: name }: ComparedTable,
  sights: readonly RowSight[],
): Promise<readonly PlannedRow[]> {
  const table = tableNamed(migration, name);
  const [source, receiver] = [sourceOf(direction), receiverOf(direction)];
  const both = sights.filter(({ legacy, target }) => legacy !== null && target !== null).map(({ rowKey }) => rowKey);
  const digests = await digestsOf(migration, table, both);
  const times = await timesOf(migration, table, both);
  return sights.map((sight): PlannedRow => {
    const kind = driftKindOf(sight, source);
    const columns = table.forward.flatMap(({ column }, index): readonly PlannedColumn[] => {
      const before = digests[receiver].get(sight.rowKey)?.[index] ?? null;
      const after = digests[source].get(sight.rowKey)?.[index] ?? null;
      if (kind !== 'different' || before === after) return [];
      const conflict = { authoritative: source, targetOwns: targetKeeps(table, column) } as const;
      return [{ column, before, after, ...decideColumn({ ...conflict, targetTime: times(sight.rowKey) }) }];
    });
    const kept = (kind === 'different' && direction === 'forward' ? table.targetOwned : []).map(
      (column): PlannedColumn => ({
        column,
        before: null,
        after: null,
        ...decideColumn({ authoritative: source, targetOwns: true, targetTime: 'unknown' }),
      }),
    );
    return {
      table: name,
      rowKey: sight.rowKey,
      tenant: sight.tenant,
      kind,
      action: ACTION_OF[kind],
      before: sight[receiver],
      after: sight[source],
      columns: [...columns, ...kept],
    };
  });
}

/** `insertOnly` columns (GENERATED ALWAYS AS IDENTITY outside the key) are never updated, whatever legacy says. */
function targetKeeps(table: MigratedTable, column: string): boolean {
  return (
    table.targetOwned.includes(column) ||
    table.forward.some((mapped) => mapped.column === column && mapped.insertOnly) ||
    table.targetColumns.some(({ name, generated }) => name === column && generated)
  );
}

async function digestsOf(
  migration: Migration,
  table: MigratedTable,
  rowKeys: readonly string[],
): Promise<Readonly<Record<StoreName, ReadonlyMap<string, readonly (string | null)[]>>>> {
  const [legacy, target] = await Promise.all(
    STORES.map(async (store) => {
      if (rowKeys.length === 0) return new Map<string, readonly (string | null)[]>();
      const statement = digestColumns(table, migration.byName, store, rowKeys);
      const rows = await migration.deps.databases.open(store, 'compare').query<KeyedRow>(statement);
      return new Map(rows.map(({ row_key, digest }) => [row_key, parseDigests(digest)]));
    }),
  );
  return { legacy: legacy ?? new Map(), target: target ?? new Map() };
}

function parseDigests(digest: string | null): readonly (string | null)[] {
  // The statement builds the list itself, nested where it is long; a row that is absent has none.
  return digest === null ? [] : (JSON.parse(digest) as unknown[]).flat(Number.POSITIVE_INFINITY).map(String);
}

async function timesOf(
  migration: Migration,
  table: MigratedTable,
  rowKeys: readonly string[],
): Promise<(rowKey: string) => TimeOrder> {
  const [legacy, target] = await Promise.all(
    STORES.map(async (store) => {
      const statement = rowKeys.length === 0 ? null : updatedAtOf(table, store, rowKeys);
      if (statement === null) return new Map<string, string | null>();
      const rows = await migration.deps.databases.open(store, 'compare').query<UpdatedAtRow>(statement);
      return new Map(rows.map(({ row_key, at }) => [row_key, at]));
    }),
  );
  return (rowKey) => {
    const [one, other] = [legacy?.get(rowKey) ?? null, target?.get(rowKey) ?? null];
    if (one === null || other === null) return 'unknown';
    // Microseconds of this century are exact in a double.
    const [legacyAt, targetAt] = [Number(one), Number(other)];
    if (legacyAt === targetAt) return 'equal';
    return targetAt > legacyAt ? 'newer' : 'older';
  };
}

function countTables(planned: readonly PlannedRow[]): Readonly<Record<string, ActionCounts>> {
  const count = (rows: readonly PlannedRow[], action: RepairAction) =>
    rows.filter((row) => row.action === action).length;
  return Object.fromEntries(
    [...Map.groupBy(planned, ({ table }) => table)].map(([table, rows]) => [
      table,
      { insert: count(rows, 'insert'), update: count(rows, 'update'), delete: count(rows, 'delete') },
    ]),
  );
}

function countTenants(planned: readonly PlannedRow[]): Readonly<Record<string, number>> {
  const counts = [...Map.groupBy(planned, ({ tenant }) => tenant ?? NO_TENANT)].map(
    ([tenant, rows]) => [tenant, rows.length] as const,
  );
  return Object.fromEntries(counts.toSorted(([, one], [, other]) => other - one).slice(0, MAX_TENANTS));
}

function countDecisions(planned: readonly PlannedRow[]): readonly DecisionCount[] {
  const decisions = planned.flatMap(({ table, columns }) => columns.map((column) => ({ table, ...column })));
  const groups = Map.groupBy(decisions, ({ table, column, winner, reason }) =>
    [table, column, winner, reason].join('\u0000'),
  );
  return [...groups.values()]
    .flatMap((group): readonly DecisionCount[] => {
      const [first] = group;
      if (first === undefined) return [];
      const { table, column, winner, reason } = first;
      return [{ table, column, winner, reason, rows: group.length }];
    })
    .toSorted((one, other) => other.rows - one.rows)
    .slice(0, MAX_DECISIONS);
}
