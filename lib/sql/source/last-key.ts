import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { inRange } from './read-rows.ts';

export interface LastKeyRow {
  readonly row_key: string;
}

/** The largest key of a store's table in the order of pages: the other end of the key's index. No row: nothing is behind `after`. */
export function lastKey(table: MigratedTable, after: string | null = null): Statement {
  const order = table.key.map((part) => `${orderedKey(part, 'r')} DESC`).join(', ');
  const behind = after === null ? '' : ` WHERE ${inRange(table, 'r', '$1::text', 'NULL', { after, through: null })}`;
  return {
    text: `SELECT ${rowKeyOf(table, 'r')} AS row_key FROM ${quoteRelation(table)} AS r${behind} ORDER BY ${order} LIMIT 1`,
    values: after === null ? [] : [after],
  };
}
