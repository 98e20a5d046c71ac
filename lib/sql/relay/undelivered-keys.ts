import type { Statement } from '../statement.ts';

/** Which of these rows have an event that has not ended: their difference is in flight, not drift (design §4). */
export function undeliveredKeys(table: string, rowKeys: readonly string[]): Statement {
  return {
    text: `
SELECT DISTINCT o.row_key FROM json_array_elements_text($2::json) AS wanted(row_key)
JOIN crossfade.outbox AS o ON o.table_name = $1::text AND o.row_key = wanted.row_key
WHERE o.state IN ('pending', 'retry', 'parked', 'dead')`,
    values: [table, JSON.stringify(rowKeys)],
  };
}
