/** Which rows of a table a comparison is about: those of tenants that are on and copied. The others are left out, and counted (design §4). */
import type { MigratedTable } from '../../domain/table.ts';
import { type TablesByName, tenantOf } from '../row.ts';
import type { SqlValue } from '../statement.ts';

/** Tenants compared; null: every row of the table. */
export type ComparedTenants = readonly string[] | null;

/** A condition over `row`, and the value of its parameter. */
export function insideScope(
  table: MigratedTable,
  tables: TablesByName,
  row: string,
  parameter: string,
  tenants: ComparedTenants,
): string {
  // Mentioned all the same: PostgreSQL wants to know the type of every parameter.
  if (tenants === null) return `${parameter}::json IS NULL`;
  return `${tenantOf(table, tables, row)} IN (SELECT json_array_elements_text(${parameter}::json))`;
}

export function scopeValue(tenants: ComparedTenants): SqlValue {
  return tenants === null ? null : JSON.stringify(tenants);
}
