import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { matchesRowKey } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface UpdatedAtRow {
  readonly row_key: string;
  /** A number as text: seconds of the epoch, or the column's own number. Null: no row, or NULL. */
  readonly at: string | null;
}

/**
 * When each row says that it was updated, comparable between the stores: both sides in the target's type, as the mapping has it.
 * Null: the plan names no such column, the target has none, or it is neither a time nor a number.
 */
export function updatedAtOf(table: MigratedTable, store: StoreName, rowKeys: readonly string[]): Statement | null {
  const mapped = table.forward.find(({ column }) => column === table.updatedAt);
  if (mapped === undefined) return null;
  const isTime = /^(timestamp|date)/.test(mapped.type);
  if (!isTime && !/^(smallint|integer|bigint|numeric|real|double precision)/.test(mapped.type)) return null;
  const value =
    store === 'target'
      ? `r.${quoteIdentifier(mapped.column)}`
      : `(SELECT (${mapped.expression}) FROM (SELECT r.*) AS source_row)::${mapped.type}`;
  return {
    text: `
SELECT wanted.k AS row_key, (${isTime ? `extract(epoch FROM ${value})` : value})::text AS at FROM json_array_elements_text($1::json) AS wanted(k)
JOIN ${quoteRelation(table)} AS r ON ${matchesRowKey(table, 'r', 'wanted.k')}`,
    values: [JSON.stringify(rowKeys)],
  };
}
