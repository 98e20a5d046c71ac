import { type MigratedTable, NO_TENANT } from '../../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

/** One row, one column: JSON of a list with one plan each. */
export type PlanRow = Readonly<Record<'QUERY PLAN', string>>;

/**
 * How many rows of a table with a tenant column PostgreSQL's statistics give to these tenants: planned, never run. The tenants
 * are literals, because EXPLAIN of a subquery's list knows nothing of what is in it.
 */
export function estimateTenantRows(table: MigratedTable, column: string, tenants: readonly string[]): Statement {
  const value = quoteIdentifier(column);
  const named = tenants.filter((tenant) => tenant !== NO_TENANT).map(quoteLiteral);
  const conditions = [
    ...(named.length === 0 ? [] : [`${value} IN (${named.join(', ')})`]),
    ...(tenants.includes(NO_TENANT) ? [`${value} IS NULL`] : []),
  ];
  const where = conditions.length === 0 ? 'false' : conditions.join(' OR ');
  return { text: `EXPLAIN (FORMAT JSON) SELECT FROM ${quoteRelation(table)} WHERE ${where}`, values: [] };
}
