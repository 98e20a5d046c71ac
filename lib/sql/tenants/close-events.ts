import type { Statement } from '../statement.ts';

export interface ClosedEventsRow {
  readonly closed: string;
  /** On their way: they belong to a row that moved to or from a tenant that is on. */
  readonly on_their_way: string;
  /** Set aside: they belong to such a row, and to its other tenant. */
  readonly set_aside: string;
}

/**
 * Undelivered events of tenants that are off end here: suppressed, whatever had set them aside. What is left is counted under
 * the same snapshot: an event that is captured later belongs to a tenant that is off by then, and the claim suppresses it. A
 * claim check of the retry queue, dead-lettered or not, does nothing once its event has ended.
 */
export function closeTenantEvents(tenants: readonly string[]): Statement {
  return {
    text: `
WITH own AS (
  SELECT o.seq, o.state, EXISTS (SELECT FROM crossfade.tenant_state AS t WHERE t.tenant IN (o.old_tenant, o.new_tenant) AND t.is_on) AS wanted
  FROM crossfade.outbox AS o
  WHERE o.state IN ('pending', 'retry', 'parked', 'dead')
    AND (o.old_tenant IN (SELECT json_array_elements_text($1::json)) OR o.new_tenant IN (SELECT json_array_elements_text($1::json)))
), closed AS (
  UPDATE crossfade.outbox AS o SET state = 'suppressed', payload = NULL, reason = 'its tenant was rolled back', touched_at = clock_timestamp()
  FROM own WHERE o.seq = own.seq AND NOT own.wanted AND o.state IN ('pending', 'retry', 'parked', 'dead')
  RETURNING 1
)
SELECT (SELECT count(*) FROM closed)::text AS closed, count(*) FILTER (WHERE wanted AND state IN ('pending', 'retry'))::text AS on_their_way,
       count(*) FILTER (WHERE wanted AND state IN ('parked', 'dead'))::text AS set_aside
FROM own`,
    values: [JSON.stringify(tenants)],
  };
}

/** Events of these tenants that have not ended. */
export function countTenantEvents(tenants: readonly string[]): Statement {
  return {
    text: `
SELECT count(*)::text AS undelivered FROM crossfade.outbox AS o
WHERE o.state IN ('pending', 'retry', 'parked', 'dead')
  AND (o.old_tenant IN (SELECT json_array_elements_text($1::json)) OR o.new_tenant IN (SELECT json_array_elements_text($1::json)))`,
    values: [JSON.stringify(tenants)],
  };
}
