/**
 * Rows whose parents are not there yet: history that has not been copied, or events still on their way. The parents are queued
 * for a fresh read by key, so that no child waits for the backfill to come by; found once a batch, not once a row.
 */
import { type Direction, receiverOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import type { Purpose, SqlError } from '../../ports/sql.ts';
import { type MissingParentRow, missingParents } from '../../sql/apply/missing-parents.ts';
import { type ForeignKeyColumnRow, foreignKeyColumns } from '../../sql/catalogue/foreign-key-columns.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import type { Migration } from '../migration.ts';

/**
 * @param rows JSON texts of receiver columns; null for a row that is to be removed.
 * @returns places in `rows`, from 0, that miss their parent by the foreign key of `miss`. Empty when it is not their parents
 * that are missing: a row that is to be removed still has children, or the parents came meanwhile.
 */
export async function queueParents(
  migration: Migration,
  direction: Direction,
  purpose: Purpose,
  table: MigratedTable,
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
