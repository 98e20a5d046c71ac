/** Which columns of drifting rows differ: names only, never what they hold (invariant 9). */
import { inPages } from '../../domain/chunk.ts';
import { STORES } from '../../domain/direction.ts';
import { digestColumns, type KeyedRow } from '../../sql/compare/rows-by-key.ts';
import { type Migration, tableNamed } from '../migration.ts';

const ROWS_AT_ONCE = 200;
/** A digest of 16 digits in quotes, a comma and a blank. */
const BYTES_PER_COLUMN = 20;

/** @returns by row key, the names of target columns that differ; nothing for a row that one store lacks or holds twice. */
export async function nameColumns(
  migration: Migration,
  tableName: string,
  rowKeys: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const table = tableNamed(migration, tableName);
  const named = new Map<string, readonly string[]>();
  const rowsOfPage = Math.floor(migration.deps.databases.pageBytes / (BYTES_PER_COLUMN * table.forward.length + 100));
  for (const page of inPages(rowKeys, Math.max(1, Math.min(ROWS_AT_ONCE, rowsOfPage)))) {
    const [legacy, target] = await Promise.all(
      STORES.map(async (store) => {
        const session = migration.deps.databases.open(store, 'compare');
        const rows = await session.query<KeyedRow>(digestColumns(table, migration.byName, store, page));
        return new Map(rows.map((row) => [row.row_key, parseDigests(row.digest)]));
      }),
    );
    for (const rowKey of page) {
      const one = legacy?.get(rowKey);
      const other = target?.get(rowKey);
      if (one == null || other == null) continue;
      named.set(
        rowKey,
        table.forward.map(({ column }) => column).filter((_, index) => one[index] !== other[index]),
      );
    }
  }
  return named;
}

/** The statement builds the list itself; a row that is absent has none, and one that stands twice a word about that. */
function parseDigests(digest: string | null): readonly unknown[] | null {
  if (digest === null || !digest.startsWith('[')) return null;
  return (JSON.parse(digest) as unknown[]).flat(Number.POSITIVE_INFINITY) as unknown[];
}
