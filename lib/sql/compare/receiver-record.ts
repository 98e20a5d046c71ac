/** What the receiver's own records say of rows: the version that was applied last, and whether a fresh read is queued. */
import type { Statement } from '../statement.ts';

export interface ReceiverRecordRow {
  readonly row_key: string;
  readonly version: string | null;
  /** Since it was first queued for a fresh read; null: it is not. */
  readonly queued_ms: number | null;
}

/** Rows without either are left out. */
export function receiverRecord(table: string, rowKeys: readonly string[]): Statement {
  return {
    text: `
SELECT wanted.row_key, v.epoch || v.kind::text || coalesce(v.seq::text, v.snapshot::text) AS version,
       (extract(epoch FROM clock_timestamp() - q.since) * 1000)::float8 AS queued_ms
FROM json_array_elements_text($2::json) AS wanted(row_key)
LEFT JOIN crossfade.row_version AS v ON v.table_name = $1::text AND v.row_key = wanted.row_key
LEFT JOIN crossfade.repair_queue AS q ON q.table_name = $1::text AND q.row_key = wanted.row_key
WHERE v.row_key IS NOT NULL OR q.row_key IS NOT NULL`,
    values: [table, JSON.stringify(rowKeys)],
  };
}

export interface WaitingEvent {
  readonly rowKey: string;
  readonly seq: string;
  readonly epoch: number;
  readonly xid: string;
}

/** Which of these events would be refused as older than what the receiver holds (protocol §2): they explain no difference. */
export function overtakenEvents(table: string, events: readonly WaitingEvent[]): Statement {
  return {
    text: `
SELECT e.k AS row_key FROM json_to_recordset($2::json) AS e(k text, s bigint, x text, p integer)
JOIN crossfade.row_version AS v ON v.table_name = $1::text AND v.row_key = e.k
WHERE v.epoch > e.p OR (v.epoch = e.p AND CASE v.kind WHEN 'E' THEN v.seq >= e.s ELSE pg_visible_in_snapshot(e.x::xid8, v.snapshot) END)`,
    values: [
      table,
      JSON.stringify(events.map(({ rowKey, seq, epoch, xid }) => ({ k: rowKey, s: seq, x: xid, p: epoch }))),
    ],
  };
}
