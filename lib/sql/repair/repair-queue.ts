/** Keys whose row lost a unique value, or must be read afresh: repaired by key from the source (protocol §7). */
import type { Statement } from '../statement.ts';

export interface QueuedRepair {
  readonly table_name: string;
  readonly row_key: string;
  readonly reason: string;
  /** When the entry was taken, by the receiver's clock: ends entries queued before, not after. */
  readonly taken_at: string;
}

export function queueRepairs(table: string, rowKeys: readonly string[], reason: string): Statement {
  return {
    text: `
INSERT INTO crossfade.repair_queue (table_name, row_key, reason) SELECT $1::text, key, $3::text FROM json_array_elements_text($2::json) AS wanted(key)
ON CONFLICT (table_name, row_key) DO UPDATE SET reason = excluded.reason, queued_at = clock_timestamp()`,
    values: [table, JSON.stringify(rowKeys), reason],
  };
}

export function takeRepairs(limit: number): Statement {
  return {
    text: 'SELECT table_name, row_key, reason, clock_timestamp()::text AS taken_at FROM crossfade.repair_queue ORDER BY queued_at LIMIT $1::integer',
    values: [limit],
  };
}

/** Only the entries that were there when the source was read; one queued since then stays. */
export function endRepairs(table: string, rowKeys: readonly string[], queuedBefore: string): Statement {
  return {
    text: `
DELETE FROM crossfade.repair_queue WHERE table_name = $1::text AND row_key IN (SELECT json_array_elements_text($2::json)) AND queued_at <= $3::timestamptz`,
    values: [table, JSON.stringify(rowKeys), queuedBefore],
  };
}
