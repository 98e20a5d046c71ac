import type { KeyBounds } from '../../domain/chunk.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { keyValues, orderedKey, rowKeyOf } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';

/**
 * The key of every `size`th row of a range, in key order, at most `count` of them: strides over the index of the key, which
 * read nothing else of a table that is vacuumed. Fewer than `count`: the range ends before the next stride does.
 */
export function chunkBounds(table: MigratedTable, range: KeyBounds, size: number, count: number): Statement {
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  const last = table.key.map((part) => orderedKey(part, 'walk')).join(', ');
  const upper = range.through === null ? '' : ` AND (${order}) <= (${keyValues(table, '$2::text').join(', ')})`;
  const columns = table.key.map(({ name }) => `r.${quoteIdentifier(name)}`).join(', ');
  const stride = `ORDER BY ${order} OFFSET $3::integer - 1 LIMIT 1`;
  return {
    text: `
WITH RECURSIVE walk AS (
  (SELECT ${columns}, 1 AS crossfade_place FROM ${quoteRelation(table)} AS r WHERE ${inRange(table, 'r', '$1::text', '$2::text', range)} ${stride})
  UNION ALL
  SELECT next.*, walk.crossfade_place + 1 FROM walk
  CROSS JOIN LATERAL (SELECT ${columns} FROM ${quoteRelation(table)} AS r WHERE (${order}) > (${last})${upper} ${stride}) AS next
  WHERE walk.crossfade_place < $4::integer
)
SELECT ${rowKeyOf(table, 'walk')} AS row_key FROM walk ORDER BY crossfade_place`,
    values: [range.after, range.through, size, count],
  };
}
