import type { Statement } from '../statement.ts';

export const TERMINAL_STATES = ['published', 'suppressed', 'superseded', 'covered'] as const;
export type EventState = (typeof TERMINAL_STATES)[number] | 'pending' | 'retry' | 'parked' | 'dead';

export interface EventMark {
  readonly seq: string;
  readonly state: EventState;
  readonly reason?: string | undefined;
  /** For `pending`: not to be claimed again before this much time has passed. */
  readonly waitMs?: number | undefined;
}

/**
 * Records what became of events. A terminal state is never left; `dead` and `parked` only by redrive. Whoever has ended needs
 * its payload no more, and a payload is row contents. Returns the events that were marked: another worker may have ended some.
 */
export function markEvents(marks: readonly EventMark[]): Statement {
  return {
    text: `
UPDATE crossfade.outbox AS o
SET state = m.state, payload = CASE WHEN m.state IN ('${TERMINAL_STATES.join("', '")}') THEN NULL ELSE o.payload END, reason = m.reason, touched_at = clock_timestamp(),
    not_before = CASE WHEN m.wait IS NULL THEN NULL ELSE clock_timestamp() + m.wait * interval '1 millisecond' END
FROM json_to_recordset($1::json) AS m(seq bigint, state text, reason text, wait integer)
WHERE o.seq = m.seq AND o.state IN ('pending', 'retry')
RETURNING o.seq::text AS seq`,
    values: [
      JSON.stringify(
        marks.map(({ seq, state, reason, waitMs }) => ({ seq, state, reason: reason ?? null, wait: waitMs ?? null })),
      ),
    ],
  };
}
