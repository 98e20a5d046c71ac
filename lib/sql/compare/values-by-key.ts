/** Values of one row as text, for an operator who asked to see them. The only comparison that lets them leave a store. */
import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { matchesRowKey } from '../row.ts';
import type { Statement } from '../statement.ts';
import { castTo } from './compared-types.ts';
import { comparedValue } from './fingerprint.ts';

export interface ValuesRow {
  /** A JSON list, a text or null a column, in the order asked for. */
  readonly row_values: string;
}

/**
 * No row where the store has none.
 * @param columns names of target columns, at most 90: json_build_array takes 100 arguments.
 * @param characters of one value, the rest is cut off in the store.
 */
export function valuesByKey(
  table: MigratedTable,
  store: StoreName,
  rowKey: string,
  columns: readonly string[],
  characters: number,
): Statement {
  const mapped = columns.map((name) => {
    const found = table.forward.find(({ column }) => column === name);
    if (found === undefined) throw new RangeError(`table ${table.name} has no compared column ${name}`);
    const { value, type } = comparedValue(found, store, 'r');
    return `left((${castTo(value, type)})::text, $2::int)`;
  });
  return {
    text: `SELECT json_build_array(${mapped.join(', ')})::text AS row_values FROM ${quoteRelation(table)} AS r WHERE ${matchesRowKey(table, 'r', '$1::text')} LIMIT 1`,
    values: [rowKey, characters],
  };
}
