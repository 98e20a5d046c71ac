/**
 * One page of legacy in key order. A page that the driver cannot carry, or that holds a row which cannot be mapped, is halved until
 * that row stands alone: it is reported and passed by, and holds up no other.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { keyPage } from '../../sql/compare/key-page.ts';
import { type KeyRange, readPage, type SourceRow } from '../../sql/source/read-rows.ts';
import type { Migration } from '../migration.ts';
import { type SnapshotRead, TOO_LARGE, toSnapshotRead } from '../rows/apply-reads.ts';
import type { TableProgress } from './progress.ts';
import { withRetries } from './with-retries.ts';

export interface Page {
  readonly read: SnapshotRead;
  /** Last key of the page, which the next one goes on after. */
  readonly last: string | null;
  readonly more: boolean;
  /** The one row that could not be read. */
  readonly failed: TableProgress['failed'];
  /** Milliseconds of the clock at which it was read. */
  readonly readAt: number;
}

export async function readCopyPage(
  migration: Migration,
  table: MigratedTable,
  tenants: readonly string[],
  { after, through }: KeyRange,
  limit: number,
): Promise<Page> {
  const { databases, clock } = migration.deps;
  const source = databases.open('legacy', 'compare');
  try {
    const readAt = clock.now().getTime();
    const rows = await withRetries(migration.deps, `copy of ${table.name}`, () =>
      source.query<SourceRow>(
        readPage(table, migration.byName, 'forward', {
          after,
          through,
          limit,
          bytes: databases.pageBytes,
          tenants,
        }),
      ),
    );
    const read = toSnapshotRead(rows);
    const last = read.rows.at(-1)?.rowKey ?? after;
    return { read, last, more: rows.some((row) => row.more), failed: [], readAt };
  } catch (error) {
    if (!(error instanceof SqlError) || (error.kind !== 'limit' && error.kind !== 'permanent')) throw error;
    if (limit > 1)
      return { ...(await readCopyPage(migration, table, tenants, { after, through }, limit >> 1)), more: true };
    const [row] = await source.query<{ row_key: string }>(
      keyPage(table, migration.byName, { after, through, limit: 1, tenants }),
    );
    if (row === undefined) throw error;
    const reason = error.kind === 'limit' ? TOO_LARGE : `it cannot be read: ${error.message}`;
    const nothing: SnapshotRead = { snapshot: '', epoch: 0, authority: '', rows: [] };
    return {
      read: nothing,
      last: row.row_key,
      more: true,
      failed: [{ rowKey: row.row_key, reason }],
      readAt: clock.now().getTime(),
    };
  }
}
