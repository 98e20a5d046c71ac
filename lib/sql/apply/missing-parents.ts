import type { Direction } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import type { ForeignKeyColumnRow } from '../catalogue/foreign-key-columns.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { jsonList } from '../json-list.ts';
import type { Statement } from '../statement.ts';
import { receivedRows } from '../wire.ts';

export interface MissingParentRow {
  /** Which of the rows misses its parent, from 1. */
  readonly place: number;
  /** The parent's row key; null where the foreign key does not refer to the parent's primary key. */
  readonly row_key: string | null;
}

/** Those of `rows` (JSON texts of receiver columns) whose parent by one foreign key the receiver does not hold. */
export function missingParents(
  table: MigratedTable,
  direction: Direction,
  parent: MigratedTable,
  pairs: readonly ForeignKeyColumnRow[],
  rows: readonly (string | null)[],
): Statement {
  const given = pairs.map(({ column }) => `m.${quoteIdentifier(column)} IS NOT NULL`).join(' AND ');
  const match = pairs
    .map((pair) => `p.${quoteIdentifier(pair.parent_column)} = m.${quoteIdentifier(pair.column)}`)
    .join(' AND ');
  return {
    text: `
SELECT m.crossfade_place::integer AS place, ${parentRowKey(parent, pairs)} AS row_key
FROM ${receivedRows(table, direction, '$1::json')} AS m
WHERE ${given} AND NOT EXISTS (SELECT FROM ${quoteRelation(parent)} AS p WHERE ${match})`,
    values: [jsonList(rows)],
  };
}

function parentRowKey(parent: MigratedTable, pairs: readonly ForeignKeyColumnRow[]): string {
  const values = parent.key.map(({ name, type }) => {
    const column = pairs.find((pair) => pair.parent_column === name)?.column;
    if (column === undefined) return null;
    const value = `m.${quoteIdentifier(column)}::${type}`;
    return type.startsWith('numeric') ? `trim_scale(${value})` : value;
  });
  return values.includes(null) ? 'NULL::text' : `json_build_array(${values.join(', ')})::text`;
}
