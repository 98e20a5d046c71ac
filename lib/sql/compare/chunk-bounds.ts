import type { KeyBounds } from '../../domain/chunk.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';

/**
 * The last key of every `size` rows of a range, in key order, reading at most `size × count` rows: keyset walking, so
 * that no statement and no snapshot lasts longer than its part. Fewer than `count` bounds: the range ends there.
 */
export function chunkBounds(table: MigratedTable, range: KeyBounds, size: number, count: number): Statement {
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  return {
    text: `
SELECT row_key FROM (
  SELECT ${rowKeyOf(table, 'r')} AS row_key, row_number() OVER (ORDER BY ${order}) AS place
  FROM (SELECT * FROM ${quoteRelation(table)} AS r WHERE ${inRange(table, 'r', '$1::text', '$2::text', range)} ORDER BY ${order} LIMIT $4::integer) AS r
) AS placed WHERE place % $3::integer = 0 ORDER BY place`,
    values: [range.after, range.through, size, size * count],
  };
}
