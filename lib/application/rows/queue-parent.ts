/**
 * A row whose parent is not there yet: history that has not been copied, or an event still on its way. The parent is queued for
 * a fresh read by key, so that no child waits for the backfill to come by.
 */
import { type Direction, receiverOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import type { Purpose, SqlError } from '../../ports/sql.ts';
import { parentKey } from '../../sql/apply/parent-key.ts';
import { type ForeignKeyColumnRow, foreignKeyColumns } from '../../sql/catalogue/foreign-key-columns.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import type { Migration } from '../migration.ts';

export async function queueParent(
  migration: Migration,
  direction: Direction,
  purpose: Purpose,
  table: MigratedTable,
  row: string | null,
  miss: SqlError,
): Promise<void> {
  if (row === null || miss.constraint === undefined) return;
  const store = migration.deps.databases.open(receiverOf(direction), purpose);
  const pairs = await store.query<ForeignKeyColumnRow>(foreignKeyColumns(quoteRelation(table), miss.constraint));
  const parent = migration.tables.find(
    (known) => known.schema === pairs[0]?.parent_schema && known.relation === pairs[0]?.parent_relation,
  );
  const statement = parent === undefined ? null : parentKey(table, parent, pairs, row);
  if (parent === undefined || statement === null) return;
  const [found] = await store.query<{ row_key: string }>(statement);
  if (found !== undefined) await store.query(queueRepairs(parent.name, [found.row_key], `wanted by ${table.name}`));
}
