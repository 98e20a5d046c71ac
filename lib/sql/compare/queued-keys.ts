import type { Statement } from '../statement.ts';

/** Which of these rows wait in the receiver's repair queue: Crossfade itself still has work to do on them, so they are in flight. */
export function queuedKeys(table: string, rowKeys: readonly string[]): Statement {
  return {
    text: `
SELECT q.row_key FROM crossfade.repair_queue AS q
WHERE q.table_name = $1::text AND q.row_key IN (SELECT json_array_elements_text($2::json))`,
    values: [table, JSON.stringify(rowKeys)],
  };
}
