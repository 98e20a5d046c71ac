/** How many rows of a table there are to copy: counted where that is quick, else what the catalogue says of the whole table. */

import type { MigratedTable } from '../../domain/table.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { type EstimateRow, estimateRows } from '../../sql/backfill/estimate-rows.ts';
import { estimateTenantRows, type PlanRow } from '../../sql/backfill/estimate-tenant-rows.ts';
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
  if (known !== null && known > COUNTED_ROWS)
    return { total: Math.round(known * (await shareOf(migration, table, tenants))), estimated: true, bytesEach };
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

/**
 * What part of a table too large to count belongs to these tenants, 0 to 1, by the statistics of the column that names them: its
 * own, or that of the table that its parents end in. 1 where the statistics say nothing.
 */
async function shareOf(migration: Migration, table: MigratedTable, tenants: readonly string[]): Promise<number> {
  if (table.tenant.kind === 'none') return tenants.includes(NO_TENANT) ? 1 : 0;
  if (table.tenant.kind === 'parent') {
    const parent = migration.byName.get(table.tenant.parent);
    return parent === undefined ? 1 : shareOf(migration, parent, tenants);
  }
  const session = migration.deps.databases.open('legacy', 'compare');
  const { column } = table.tenant;
  try {
    const [estimate] = await session.query<EstimateRow>(estimateRows(table));
    if (estimate === undefined || estimate.rows <= 0) return 1;
    const [planned] = await session.query<PlanRow>(estimateTenantRows(table, column, tenants));
    // The form of EXPLAIN (FORMAT JSON) is PostgreSQL's.
    const [plan] = JSON.parse(planned?.['QUERY PLAN'] ?? '[]') as readonly { Plan: { 'Plan Rows': number } }[];
    return plan === undefined ? 1 : Math.min(1, plan.Plan['Plan Rows'] / estimate.rows);
  } catch (error) {
    // A tenant that the column's type does not take has no rows in it, and makes no statement about the others.
    if (error instanceof SqlError && error.kind === 'permanent') return 1;
    throw error;
  }
}
