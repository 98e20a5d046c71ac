import type { Statement } from '../statement.ts';

/** Undelivered events of tenants that are off end here: suppressed, whatever had set them aside. @returns how many. */
export function closeTenantEvents(tenants: readonly string[]): Statement {
  return {
    text: `
WITH closed AS (
  UPDATE crossfade.outbox AS o SET state = 'suppressed', payload = NULL, reason = 'its tenant was rolled back', touched_at = clock_timestamp()
  WHERE o.state IN ('pending', 'retry', 'parked', 'dead')
    AND coalesce(o.new_tenant, o.old_tenant) IN (SELECT json_array_elements_text($1::json))
    AND NOT EXISTS (SELECT FROM crossfade.tenant_state AS t WHERE t.tenant IN (o.old_tenant, o.new_tenant) AND t.is_on)
  RETURNING 1
)
SELECT count(*)::text AS closed FROM closed`,
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
