/** The server's own account of what capture took, for transactions that are rolled back. */
import type { MigratedTable } from '../../domain/table.ts';
import { rewriteRow } from '../baseline/rewrite-row.ts';
import { quoteIdentifier, quoteLiteral } from '../identifier.ts';
import { clientName } from '../install/capture-functions.ts';
import { keyValues } from '../row.ts';
import type { Statement } from '../statement.ts';

/** One column, named by PostgreSQL: the plan as JSON, with the time of every trigger. */
export interface ExplainRow {
  readonly 'QUERY PLAN': string;
}

/** A write that changes nothing, captured by the trigger or by the library's function; a row that an application holds is left alone. */
export function explainCapture(table: MigratedTable, rowKey: string): Statement {
  const { text, values } = table.capture === 'client' ? callFunction(table, rowKey) : rewriteRow(table, rowKey);
  return { text: `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values };
}

/** Triggers of the application may name its objects without a schema. */
export function searchSchemas(schemas: readonly string[]): Statement {
  return {
    text: `SELECT set_config('search_path', $1::text, true) AS search_path`,
    values: [['pg_catalog', ...schemas].map(quoteIdentifier).join(', ')],
  };
}

function callFunction(table: MigratedTable, rowKey: string): Statement {
  const values = keyValues(table, '$1::text');
  const fields = table.key.map(({ name }, index) => `${values[index]} AS ${quoteIdentifier(name)}`);
  return {
    text: `SELECT ${clientName(table)}((SELECT json_agg(k) FROM (SELECT ${fields.join(', ')}) AS k), ${quoteLiteral('*')})`,
    values: [rowKey],
  };
}
