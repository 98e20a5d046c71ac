/**
 * Rows whose parents are not there yet: history that has not been copied, or events still on their way. The parents are queued
 * for a fresh read by key, so that no child waits for the backfill to come by; found once a batch, not once a row.
 */
import { type Direction, receiverOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { type Purpose, SqlError } from '../../ports/sql.ts';
import { type MissingParentRow, missingParents } from '../../sql/apply/missing-parents.ts';
import { type ForeignKeyColumnRow, foreignKeyColumns } from '../../sql/catalogue/foreign-key-columns.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import type { Migration } from '../migration.ts';

/** Where rows are written. */
export interface Destination {
  readonly migration: Migration;
  readonly direction: Direction;
  readonly purpose: Purpose;
  readonly table: MigratedTable;
}

/** A foreign-key miss is nobody's fault: rows that miss a parent are set aside, with the parent queued, and the rest is written. */
export async function writeWithoutOrphans<Row extends { readonly row: string | null }, Result>(
  destination: Destination,
  rows: readonly Row[],
  write: (rows: readonly Row[]) => Promise<readonly Result[]>,
  setAside: (orphans: readonly Row[], miss: SqlError) => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  const aside: Result[] = [];
  let rest = rows;
  while (rest.length > 0) {
    try {
      return [...aside, ...(await write(rest))];
    } catch (error) {
      if (!(error instanceof SqlError) || error.kind !== 'foreign-key') throw error;
      const texts = rest.map(({ row }) => row);
      const orphans = await queueParents(destination, texts, error);
      if (orphans.size === 0) throw error;
      const missing = rest.filter((_, place) => orphans.has(place));
      aside.push(...(await setAside(missing, error)));
      rest = rest.filter((_, place) => !orphans.has(place));
    }
  }
  return aside;
}

/**
 * @param rows JSON texts of receiver columns; null for a row that is to be removed.
 * @returns places in `rows`, from 0, that miss their parent by the foreign key of `miss`. Empty when it is not their parents
 * that are missing: a row that is to be removed still has children, or the parents came meanwhile.
 */
async function queueParents(
  { migration, direction, purpose, table }: Destination,
  rows: readonly (string | null)[],
  miss: SqlError,
): Promise<ReadonlySet<number>> {
  if (miss.constraint === undefined) return new Set();
  const store = migration.deps.databases.open(receiverOf(direction), purpose);
  const pairs = await store.query<ForeignKeyColumnRow>(foreignKeyColumns(quoteRelation(table), miss.constraint));
  const parent = migration.tables.find(
    (known) => known.schema === pairs[0]?.parent_schema && known.relation === pairs[0]?.parent_relation,
  );
  if (parent === undefined) return new Set();
  const missing = await store.query<MissingParentRow>(missingParents(table, direction, parent, pairs, rows));
  const keys = [...new Set(missing.flatMap(({ row_key }) => row_key ?? []))];
  if (keys.length > 0) await store.query(queueRepairs(parent.name, keys, `wanted by ${table.name}`));
  return new Set(missing.map(({ place }) => place - 1));
}
