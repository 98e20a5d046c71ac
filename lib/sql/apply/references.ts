/** Rows that hold each other up by foreign keys: who still refers to a row that is to go, and a circle that has to be opened. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { matchesRowKey, rowKeyOf } from '../row.ts';
import type { Statement } from '../statement.ts';

interface ColumnPair {
  readonly column: string;
  readonly parent_column: string;
}

/** Keys of the receiver's rows of `child` that refer to one of these rows of `parent`. */
export function referringKeys(
  child: MigratedTable,
  parent: MigratedTable,
  pairs: readonly ColumnPair[],
  rowKeys: readonly string[],
  limit: number,
): Statement {
  const match = pairs
    .map((pair) => `c.${quoteIdentifier(pair.column)} = p.${quoteIdentifier(pair.parent_column)}`)
    .join(' AND ');
  return {
    text: `
SELECT ${rowKeyOf(child, 'c')} AS row_key
FROM json_array_elements_text($1::json) AS wanted(row_key)
JOIN ${quoteRelation(parent)} AS p ON ${matchesRowKey(parent, 'p', 'wanted.row_key')}
JOIN ${quoteRelation(child)} AS c ON ${match}
LIMIT $2::integer`,
    values: [JSON.stringify(rowKeys), limit],
  };
}

/** Takes a nullable reference from these rows of the receiver; they are read afresh afterwards. */
export function dropReferences(
  table: MigratedTable,
  columns: readonly string[],
  rowKeys: readonly string[],
): Statement {
  return {
    text: `
UPDATE ${quoteRelation(table)} AS t SET ${columns.map((column) => `${quoteIdentifier(column)} = NULL`).join(', ')}
FROM json_array_elements_text($1::json) AS wanted(row_key) WHERE ${matchesRowKey(table, 't', 'wanted.row_key')}`,
    values: [JSON.stringify(rowKeys)],
  };
}

/** One of both, for the transaction: foreign keys that are DEFERRABLE are looked at when it says so. */
export const DEFER_CONSTRAINTS: Statement = { text: 'SET CONSTRAINTS ALL DEFERRED', values: [] };
export const CHECK_CONSTRAINTS: Statement = { text: 'SET CONSTRAINTS ALL IMMEDIATE', values: [] };
