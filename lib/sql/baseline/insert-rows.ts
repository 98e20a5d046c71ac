/** Rows written as the apply writes them, without its guard: for transactions that are rolled back. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { mappingOf } from '../row.ts';
import type { Statement } from '../statement.ts';

/** @param rows JSON texts in the target's shape, each key once. */
export function insertRows(table: MigratedTable, rows: readonly string[]): Statement {
  const relation = quoteRelation(table);
  const columns = mappingOf(table, 'forward');
  const names = columns.map(({ column }) => quoteIdentifier(column));
  const key = table.key.map(({ name }) => quoteIdentifier(name));
  const assigned = columns.filter(
    ({ column, insertOnly }) => !insertOnly && !table.key.some(({ name }) => name === column),
  );
  const otherwise =
    assigned.length === 0
      ? 'NOTHING'
      : `UPDATE SET ${assigned.map(({ column }) => `${quoteIdentifier(column)} = excluded.${quoteIdentifier(column)}`).join(', ')}`;
  return {
    text: `
INSERT INTO ${relation} AS t (${names.join(', ')}) OVERRIDING SYSTEM VALUE
SELECT ${names.map((name) => `m.${name}`).join(', ')}
FROM json_array_elements($1::json) AS sent(r) CROSS JOIN LATERAL json_populate_record(NULL::${relation}, sent.r) AS m
ON CONFLICT (${key.join(', ')}) DO ${otherwise}`,
    values: [`[${rows.join(',')}]`],
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
