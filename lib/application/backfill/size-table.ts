/** How many rows of a table there are to copy: counted where that is quick, else what the catalogue says of the whole table. */

import type { MigratedTable } from '../../domain/table.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { type EstimateRow, estimateRows } from '../../sql/backfill/estimate-rows.ts';
import { countRows } from '../../sql/compare/count-rows.ts';
import type { Migration } from '../migration.ts';

export interface TableSize {
  /** Null: neither counted nor known to the catalogue. */
  readonly total: number | null;
  readonly estimated: boolean;
  /** Mean size of a row in bytes; 0 where it is not known. */
  readonly bytesEach: number;
}

/** More rows than this are not counted: it would read the table once more. */
const COUNTED_ROWS = 1_000_000;

export async function sizeTable(
  migration: Migration,
  table: MigratedTable,
  tenants: readonly string[],
): Promise<TableSize> {
  const session = migration.deps.databases.open('legacy', 'compare');
  const [estimate] = await session.query<EstimateRow>(estimateRows(table));
  const known = estimate === undefined || estimate.rows < 0 ? null : Math.round(estimate.rows);
  const bytesEach = known === null || known === 0 ? 0 : (estimate?.bytes ?? 0) / known;
  if (known !== null && known > COUNTED_ROWS) return { total: known, estimated: true, bytesEach };
  const scope = table.tenant.kind === 'none' ? (tenants.includes(NO_TENANT) ? null : []) : tenants;
  try {
    const [counted] = await session.query<{ rows: string }>(countRows(table, migration.byName, scope));
    return { total: Number(counted?.rows ?? 0), estimated: false, bytesEach };
  } catch (error) {
    // Never analyzed, and too large to be counted in the time of a statement.
    if (!(error instanceof SqlError) || error.kind !== 'transient') throw error;
    return { total: known, estimated: true, bytesEach };
  }
}
