import type { Statement } from '../statement.ts';

export interface OpenEventRow {
  readonly row_key: string;
  /** An event of the row is still being delivered; false: what is open has been set aside. */
  readonly moving: boolean;
  /** Of the newest event that was set aside; where none was, of the newest one. */
  readonly state: 'pending' | 'retry' | 'parked' | 'dead';
  readonly reason: string | null;
  /** Since the oldest of them was captured. */
  readonly open_ms: number;
  readonly seq: string;
  readonly epoch: number;
  readonly xid: string;
}

/** Reasons travel for reports: the beginning says it. */
export const LONGEST_REASON = 200;

/** Of outbox rows `o`, by the store's own clock. */
export function openMs(window: string): string {
  return `(extract(epoch FROM clock_timestamp() - min(o.captured_at) OVER (${window})) * 1000)::float8`;
}

/** Events that have not ended, one line a row: their difference is in flight or set aside, not drift (design §4). */
export function openEvents(table: string, rowKeys: readonly string[]): Statement {
  return {
    text: `
SELECT DISTINCT ON (o.row_key) o.row_key, bool_or(o.state IN ('pending', 'retry')) OVER (PARTITION BY o.row_key) AS moving,
       o.state, left(o.reason, ${LONGEST_REASON}) AS reason, ${openMs('PARTITION BY o.row_key')} AS open_ms, o.seq::text AS seq, o.epoch, o.xid::text AS xid
FROM json_array_elements_text($2::json) AS wanted(row_key)
JOIN crossfade.outbox AS o ON o.table_name = $1::text AND o.row_key = wanted.row_key
WHERE o.state IN ('pending', 'retry', 'parked', 'dead')
ORDER BY o.row_key, o.state IN ('parked', 'dead') DESC, o.seq DESC`,
    values: [table, JSON.stringify(rowKeys)],
  };
}
