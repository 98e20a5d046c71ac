/**
 * Where a walk over a table ends, fixed when it begins: rows that come behind it are events, which the relay delivers. A walk
 * without an end would follow a writer that inserts faster than it for ever (prior art (c) 17).
 */
import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { type LastKeyRow, lastKey } from '../../sql/source/last-key.ts';
import type { Migration } from '../migration.ts';
import { withRetries } from './with-retries.ts';

/**
 * To be called when the doors of the copied tenants are open: a row that this read does not see has an event that is admitted.
 * @returns the largest key of the store; null: the table is empty.
 */
export async function findEnd(migration: Migration, table: MigratedTable, store: StoreName): Promise<string | null> {
  const session = migration.deps.databases.open(store, 'compare');
  const [last] = await withRetries(migration.deps, `end of ${table.name}`, () =>
    session.query<LastKeyRow>(lastKey(table)),
  );
  return last?.row_key ?? null;
}
