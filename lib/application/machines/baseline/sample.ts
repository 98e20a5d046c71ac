/** Real legacy rows as the target would hold them, with every row that they point to: what payload checks and probe writes send. */
import type { StoreTable } from '../../../domain/store-table.ts';
import type { MigratedTable } from '../../../domain/table.ts';
import type { SqlSession } from '../../../ports/sql.ts';
import { parentRows } from '../../../sql/baseline/parent-rows.ts';
import { pinSession } from '../../../sql/baseline/pin-session.ts';
import { type SampledRow, sampleRows } from '../../../sql/baseline/sample-rows.ts';
import type { Migration } from '../../migration.ts';

export interface Sample {
  /** Rows by table name; a row without contents was too large. */
  readonly rows: ReadonlyMap<string, ReadonlyMap<string, SampledRow>>;
}

/** The Data API ends a call at 64 KB a row; what is around the row's own text needs some of it. */
export const DATA_API_ROW_BYTES = 60_000;
/** Without that limit, a sampled row is still kept out of a function's memory beyond this. */
const ROW_BYTES = 4_000_000;
const TABLE_BYTES = 600_000;
/** A chain of rows of one table (an employee's manager's manager) is followed this far. */
const CHAIN = 200;

export interface StoreTables {
  readonly legacy: ReadonlyMap<string, StoreTable>;
  readonly target: ReadonlyMap<string, StoreTable>;
}

export async function takeSample(migration: Migration, stores: StoreTables, each: number): Promise<Sample> {
  const { deps, tables } = migration;
  const rowBytes =
    deps.plan.legacy.driver === 'rds-data' || deps.plan.target.driver === 'rds-data' ? DATA_API_ROW_BYTES : ROW_BYTES;
  const legacy = deps.databases.open('legacy', 'compare');
  const rows = await legacy.transaction(
    async (session) => {
      await session.query(pinSession);
      const taken = new Map<string, Map<string, SampledRow>>();
      for (const table of tables) {
        const percent = percentOf(stores.legacy.get(table.name));
        const size = { each, percent, rowBytes, bytes: Math.max(TABLE_BYTES, rowBytes) };
        const sampled = await session.query<SampledRow>(sampleRows(table, migration.byName, size));
        taken.set(table.name, new Map(sampled.map((row) => [row.row_key, row])));
      }
      await addParents(migration, stores.target, session, taken);
      return taken;
    },
    { readOnly: true },
  );
  return { rows };
}

export function sentRows(sample: Sample, table: MigratedTable): readonly SampledRow[] {
  return [...(sample.rows.get(table.name)?.values() ?? [])].filter(({ row }) => row !== null);
}

/** About 2000 rows' worth of pages; a table that was never analyzed is read from its first page on, and LIMIT ends it. */
function percentOf(table: StoreTable | undefined): number {
  const rows = table?.estimatedRows ?? -1;
  return rows > 0 ? Math.min(100, 200_000 / rows) : 100;
}

async function addParents(
  { tables, byName }: Migration,
  target: ReadonlyMap<string, StoreTable>,
  session: SqlSession,
  taken: ReadonlyMap<string, Map<string, SampledRow>>,
): Promise<void> {
  const followed = new Set<string>();
  for (let round = 0, added = true; added && round < CHAIN; round++) {
    added = false;
    for (const child of tables.toReversed()) {
      for (const link of target.get(child.name)?.links ?? []) {
        const parent = tables.find(({ schema, relation }) => `${schema}.${relation}` === link.parent);
        const fresh = [...(taken.get(child.name)?.values() ?? [])].filter(
          ({ row_key, row }) => row !== null && !followed.has(`${child.name} ${link.name} ${row_key}`),
        );
        const statement =
          parent === undefined || fresh.length === 0
            ? undefined
            : parentRows(
                parent,
                byName,
                link,
                fresh.flatMap(({ row }) => row ?? []),
              );
        if (parent === undefined || statement === undefined) continue;
        for (const { row_key } of fresh) followed.add(`${child.name} ${link.name} ${row_key}`);
        const known = taken.get(parent.name);
        for (const row of await session.query<SampledRow>(statement)) {
          if (known?.has(row.row_key) === false) {
            known.set(row.row_key, row);
            added = true;
          }
        }
      }
    }
  }
}
