import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

/**
 * The row key of the parent that `row` (JSON text of receiver columns) refers to, typed as the parent's key is; null where the
 * reference does not cover the parent's key.
 */
export function parentKey(
  table: MigratedTable,
  parent: MigratedTable,
  pairs: readonly { readonly column: string; readonly parent_column: string }[],
  row: string,
): Statement | null {
  const columns = parent.key.map(({ name, type }) => ({
    type,
    column: pairs.find((pair) => pair.parent_column === name)?.column,
  }));
  if (columns.some(({ column }) => column === undefined)) return null;
  const values = columns.map(({ column, type }) => {
    const value = `m.${quoteIdentifier(column ?? '')}::${type}`;
    return type.startsWith('numeric') ? `trim_scale(${value})` : value;
  });
  return {
    text: `SELECT json_build_array(${values.join(', ')})::text AS row_key FROM json_populate_record(NULL::${quoteRelation(table)}, $1::json) AS m`,
    values: [row],
  };
}
