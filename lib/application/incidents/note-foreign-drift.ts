/** Whoever disables every trigger leaves no name, but traces: rows that differ and were not written by an apply (called by each cycle). */
import { inPages } from '../../domain/chunk.ts';
import { type Direction, receiverOf } from '../../domain/direction.ts';
import { type ForeignRow, findForeignRows, noteForeignRows } from '../../sql/foreign/find-foreign-rows.ts';
import { type Migration, tableNamed } from '../migration.ts';

const ROWS_AT_ONCE = 500;

/** @param drift rows that are proved to differ. @returns how many of them somebody else wrote. */
export async function noteForeignDrift(
  migration: Migration,
  direction: Direction,
  drift: readonly { readonly table: string; readonly rowKey: string }[],
): Promise<number> {
  const { databases } = migration.deps;
  const store = receiverOf(direction);
  let noted = 0;
  for (const [name, rows] of Map.groupBy(drift, ({ table }) => table)) {
    const table = tableNamed(migration, name);
    for (const page of inPages(rows, ROWS_AT_ONCE)) {
      const keys = page.map(({ rowKey }) => rowKey);
      const found = await databases.open(store, 'compare').query<ForeignRow>(findForeignRows(table, keys));
      if (found.length > 0) await databases.open(store, 'apply').query(noteForeignRows(name, found));
      noted += found.length;
    }
  }
  return noted;
}
