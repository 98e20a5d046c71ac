import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface LastKeyRow {
  readonly row_key: string;
}

/** The largest key of a store's table in the order of pages: the other end of the key's index. No row: it is empty. */
export function lastKey(table: MigratedTable): Statement {
  const order = table.key.map((part) => `${orderedKey(part, 'r')} DESC`).join(', ');
  return {
    text: `SELECT ${rowKeyOf(table, 'r')} AS row_key FROM ${quoteRelation(table)} AS r ORDER BY ${order} LIMIT 1`,
    values: [],
  };
}
