/** Rows written as the apply writes them, without its guard: for transactions that are rolled back. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { mappingOf } from '../row.ts';
import type { Statement } from '../statement.ts';

/** @param rows JSON texts in the target's shape, each key once. */
export function insertRows(table: MigratedTable, rows: readonly string[]): Statement {
  const { head, tail } = insertInto(table);
  const names = mappingOf(table, 'forward').map(({ column }) => `m.${quoteIdentifier(column)}`);
  return {
    text: `
${head}
SELECT ${names.join(', ')}
FROM json_array_elements($1::json) AS sent(r) CROSS JOIN LATERAL json_populate_record(NULL::${quoteRelation(table)}, sent.r) AS m
${tail}`,
    values: [`[${rows.join(',')}]`],
  };
}

/** What stands before and behind the SELECT of an upsert. */
export function insertInto(table: MigratedTable): { readonly head: string; readonly tail: string } {
  const columns = mappingOf(table, 'forward');
  const names = columns.map(({ column }) => quoteIdentifier(column));
  const key = table.key.map(({ name }) => quoteIdentifier(name));
  const assigned = columns.filter(
    ({ column, insertOnly }) => !insertOnly && !table.key.some(({ name }) => name === column),
  );
  const sets = assigned.map(({ column }) => `${quoteIdentifier(column)} = excluded.${quoteIdentifier(column)}`);
  return {
    head: `INSERT INTO ${quoteRelation(table)} AS t (${names.join(', ')}) OVERRIDING SYSTEM VALUE`,
    tail: `ON CONFLICT (${key.join(', ')}) DO ${sets.length === 0 ? 'NOTHING' : `UPDATE SET ${sets.join(', ')}`}`,
  };
}

export interface ChangedColumnRow {
  readonly column: string;
  readonly rows: string;
}

/** Columns that do not hold what was sent: rounded, padded, or changed by a trigger. Equal numbers of another scale are equal. */
export function changedColumns(table: MigratedTable, rows: readonly string[]): Statement {
  const relation = quoteRelation(table);
  const key = table.key.map(({ name }) => `t.${quoteIdentifier(name)} = m.${quoteIdentifier(name)}`);
  return {
    text: `
SELECT field.key AS column, count(*)::text AS rows
FROM json_array_elements($1::json) AS sent(r)
CROSS JOIN LATERAL json_populate_record(NULL::${relation}, sent.r) AS m
JOIN ${relation} AS t ON ${key.join(' AND ')}
CROSS JOIN LATERAL jsonb_each(sent.r::jsonb) AS field
WHERE field.value IS DISTINCT FROM to_jsonb(t) -> field.key
GROUP BY field.key ORDER BY field.key`,
    values: [`[${rows.join(',')}]`],
  };
}

/** Constraints that may wait, wait until every row of the transaction is in. */
export const DEFER_CONSTRAINTS: Statement = { text: 'SET CONSTRAINTS ALL DEFERRED', values: [] };
export const CHECK_CONSTRAINTS: Statement = { text: 'SET CONSTRAINTS ALL IMMEDIATE', values: [] };
