/**
 * Which rows of a table a comparison is about: those of tenants that are on and copied. The others are left out, and counted (design §4).
 *
 * The question is asked of every row that is hashed. Against a list that is a constant to the planner PostgreSQL builds a hash table
 * of it once; against a subquery of the same list it costs a quarter of the whole fast digest (benchmark). A parameter is such a
 * constant only through immutable functions, which `::text[]` and `::json` are not.
 */
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
  if (tenants === null) return `${parameter}::text IS NULL`;
  return amongTenants(tenantOf(table, tables, row), parameter);
}

/** @param tenant SQL of a text. @param parameter with the value of {@link scopeValue}, not null. */
export function amongTenants(tenant: string, parameter: string): string {
  return `${tenant} = ANY (string_to_array(substr(${parameter}::text, 2), left(${parameter}::text, 1)))`;
}

/** A character that no tenant has, then the tenants with it between them. */
export function scopeValue(tenants: ComparedTenants): SqlValue {
  if (tenants === null) return null;
  const [only] = tenants;
  // An empty text is a list of nothing: one empty name has to stand there twice.
  const names = tenants.length === 1 && only === '' ? ['', ''] : tenants;
  let code = FIRST_SEPARATOR;
  while (tenants.some((name) => name.includes(String.fromCharCode(code)))) code += 1;
  return `${String.fromCharCode(code)}${names.join(String.fromCharCode(code))}`;
}

/** ASCII's own unit separator. */
const FIRST_SEPARATOR = 0x1f;
