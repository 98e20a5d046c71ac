/** How delivery stands for some tenants: what the gates of a scope go by. The whole outbox is relay/outbox-health.ts. */
import type { Statement } from '../statement.ts';

export interface DeliveryRow {
  readonly waiting: number;
  /** Age of the oldest event that waits; null when nothing waits. */
  readonly oldest_ms: number | null;
  /** Captured in the window, the last `graceMs` left out, and how many of those have left the queue by now. */
  readonly captured: number;
  readonly drained: number;
}

/** Events that were set aside have left the queue; they are a gate of their own. statement_timestamp(): no index is searched for a volatile time. */
export function deliveryOf(tenants: readonly string[], windowMs: number, graceMs: number): Statement {
  const ours = `coalesce(o.new_tenant, o.old_tenant, '*') IN (SELECT json_array_elements_text($1::json))`;
  return {
    text: `
WITH recent AS (
  SELECT o.state FROM crossfade.outbox AS o
  WHERE o.captured_at > statement_timestamp() - $2::bigint * interval '1 millisecond' AND o.captured_at < statement_timestamp() - $3::bigint * interval '1 millisecond'
    AND o.state <> 'suppressed' AND ${ours}
), waiting AS (
  SELECT o.captured_at FROM crossfade.outbox AS o WHERE o.state IN ('pending', 'retry') AND ${ours}
)
SELECT (SELECT count(*) FROM waiting)::integer AS waiting,
       (SELECT extract(epoch FROM clock_timestamp() - min(captured_at)) * 1000 FROM waiting)::float8 AS oldest_ms,
       count(*)::integer AS captured, (count(*) FILTER (WHERE state NOT IN ('pending', 'retry')))::integer AS drained
FROM recent`,
    values: [JSON.stringify(tenants), windowMs, graceMs],
  };
}

/**
 * Set-aside events of these tenants (null: of all), but for those that somebody has explained, oldest first; and how many there
 * are. An explanation counts for an event that was there when it was given: a restored store uses positions again.
 */
export function unexplainedOf(
  tenants: readonly string[] | null,
  explained: readonly { readonly seq: string; readonly at: string }[],
  limit: number,
): Statement {
  return {
    text: `
SELECT seq::text AS seq, state, table_name, row_key, coalesce(new_tenant, old_tenant) AS tenant, reason, (count(*) OVER ())::integer AS total
FROM crossfade.outbox
WHERE state IN ('parked', 'dead') AND ($1::json IS NULL OR coalesce(new_tenant, old_tenant, '*') IN (SELECT json_array_elements_text($1::json)))
  AND NOT EXISTS (SELECT FROM json_to_recordset($2::json) AS e(seq bigint, at timestamptz) WHERE e.seq = outbox.seq AND e.at >= outbox.captured_at)
ORDER BY outbox.seq LIMIT $3::integer`,
    values: [
      tenants === null ? null : JSON.stringify(tenants),
      JSON.stringify(explained.map(({ seq, at }) => ({ seq, at }))),
      limit,
    ],
  };
}
