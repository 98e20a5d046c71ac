/** The row that a read answers with: the target's columns as JSON, the same text from either store (design §6). */
import type { StoreName } from '../../domain/direction.ts';
import type { MappedColumn, MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteLiteral } from '../identifier.ts';
import { type TablesByName, tenantOf } from '../row.ts';

/**
 * A scalar subquery. Legacy evaluates the mapping and casts to the target's declared type, so that numeric(12,2) prints 3.10 in
 * both. Columns that the target fills by itself are not in it: legacy could not answer with them.
 */
export function answerJson(table: MigratedTable, store: StoreName, row: string): string {
  const fields = table.forward.map((column) => {
    const value = store === 'target' ? quoteIdentifier(column.column) : castToTarget(column);
    return `${value} AS ${quoteIdentifier(column.column)}`;
  });
  return `(SELECT row_to_json(answer) FROM (SELECT ${fields.join(', ')} FROM (SELECT ${row}.*) AS source_row) AS answer)::text`;
}

/** `true` for tables whose rows are everybody's; else the row's tenant must be the asked one (a parameter). */
export function isOfTenant(table: MigratedTable, tables: TablesByName, row: string, parameter: string): string {
  const tenant = tenantOf(table, tables, row);
  // The parameter is mentioned all the same: PostgreSQL wants to know the type of every parameter.
  return isShared(table, tables) ? `${parameter} IS NOT NULL` : `${tenant} = ${parameter}`;
}

/** Whether the plan finds no tenant for the table, neither in a column nor through parents. */
export function isShared(table: MigratedTable, tables: TablesByName): boolean {
  return tenantOf(table, tables, 'r') === quoteLiteral('*');
}

/** Types of the stores' own (enums, domains) may be missing in legacy; they print alike without a cast. */
function castToTarget({ expression, type }: MappedColumn): string {
  return BUILT_IN.test(type) ? `CAST((${expression}) AS ${type})` : `(${expression})`;
}

const BUILT_IN =
  /^(smallint|integer|bigint|numeric|real|double precision|money|text|character varying|character|boolean|date|time|timestamp|interval|bytea|uuid|json|jsonb|inet|cidr|bit|bit varying)\b/;
