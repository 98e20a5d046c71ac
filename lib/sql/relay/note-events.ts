/** The log of events that did not go the plain way: what an outbox row, which keeps its last state only, no longer tells. */
import type { Statement } from '../statement.ts';

export const NOTED_STATES = ['retry', 'pending', 'parked', 'dead'] as const;

export interface EventNote {
  readonly seq: string;
  /** `pending`: it waits uncounted, for its parent or for the store. */
  readonly state: (typeof NOTED_STATES)[number];
  readonly reason: string | null;
  readonly batch: string | null;
}

/** An event that waits is looked at twice a second: the same wait is noted once. */
export function noteEvents(notes: readonly EventNote[]): Statement {
  return {
    text: `
INSERT INTO crossfade.event_log (seq, state, reason, batch)
SELECT n.seq, n.state, n.reason, n.batch FROM json_to_recordset($1::json) AS n(seq bigint, state text, reason text, batch text)
WHERE n.state <> 'pending' OR NOT EXISTS (
  SELECT FROM crossfade.event_log AS e WHERE e.seq = n.seq AND e.state = 'pending' AND e.reason IS NOT DISTINCT FROM n.reason)`,
    values: [JSON.stringify(notes)],
  };
}

/** Goes with the outbox rows that it is about; retention removes those from the front. A page: one old event may have held back millions. */
export const pruneEventLog: Statement = {
  text: `
DELETE FROM crossfade.event_log WHERE id IN (
  SELECT id FROM crossfade.event_log
  WHERE seq < coalesce((SELECT min(seq) FROM crossfade.outbox), 9223372036854775807) AND at < clock_timestamp() - interval '1 hour' LIMIT 20000
)`,
  values: [],
};
