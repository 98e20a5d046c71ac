/** Outbox rows that have ended, once nobody reads them any more (protocol §6). What has not ended is never touched. */
import { TERMINAL_STATES } from '../relay/mark-events.ts';
import type { Statement } from '../statement.ts';

export interface PrunedEventsRow {
  readonly deleted: string;
  readonly seen: string;
  /** Where the next page begins; null when nothing was seen. */
  readonly last_seq: string | null;
  /** Whether the page held rows that are still to be kept: whatever lies behind is younger. */
  readonly reached: boolean;
}

/**
 * One page in order of seq, which is nearly the order of time: an index on time would be one more write for every capture. Kept
 * counts from when the event ended, because the check for a lost history looks the last applied ones up.
 */
export function pruneEvents(after: string, keepMs: number, limit: number): Statement {
  return {
    text: `
WITH page AS (
  SELECT seq, state, captured_at >= clock_timestamp() - $2::bigint * interval '1 millisecond' AS young, coalesce(touched_at, captured_at) < clock_timestamp() - $2::bigint * interval '1 millisecond' AS old
  FROM crossfade.outbox WHERE seq > $1::bigint ORDER BY seq LIMIT $3::integer
), gone AS (
  DELETE FROM crossfade.outbox WHERE seq IN (SELECT seq FROM page WHERE old AND state IN ('${TERMINAL_STATES.join("', '")}')) RETURNING 1
)
SELECT (SELECT count(*) FROM gone)::text AS deleted, count(*)::text AS seen, max(seq)::text AS last_seq, coalesce(bool_or(young), false) AS reached
FROM page`,
    values: [after, keepMs, limit],
  };
}

/** Events of tenants that were off: turning them on again copies rows and never replays events (protocol §5, §6). */
export function pruneSuppressed(keepMs: number, limit: number): Statement {
  return {
    text: `
WITH gone AS (
  DELETE FROM crossfade.outbox WHERE seq IN (
    SELECT seq FROM crossfade.outbox
    WHERE state = 'suppressed' AND coalesce(touched_at, captured_at) < clock_timestamp() - $1::bigint * interval '1 millisecond'
    ORDER BY seq LIMIT $2::integer
  ) RETURNING 1
)
SELECT count(*)::text AS deleted FROM gone`,
    values: [keepMs, limit],
  };
}
