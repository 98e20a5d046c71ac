import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface SampleRow {
  readonly row_key: string;
  /** JSON text of the row as it is in its store. */
  readonly payload: string;
}

/** The first and the last rows of a table in key order: old rows and new ones differ most. */
export function sampleRows(table: MigratedTable, count: number): Statement {
  const order = (way: string) => table.key.map((part) => `${orderedKey(part, 'crossfade_row')} ${way}`).join(', ');
  const end = (way: string) =>
    `(SELECT ${rowKeyOf(table, 'crossfade_row')} AS row_key, row_to_json(crossfade_row)::text AS payload FROM ${quoteRelation(table)} AS crossfade_row ORDER BY ${order(way)} LIMIT $1::integer)`;
  return {
    text: `SELECT DISTINCT ON (row_key) row_key, payload FROM (${end('ASC')} UNION ALL ${end('DESC')}) AS ends ORDER BY row_key`,
    values: [count],
  };
}
