import type { Statement } from '../statement.ts';

/** Whether an event of the tenant up to this outbox position has not reached the target: a reader that demands it goes to legacy. */
export function undeliveredThrough(position: string, tenant: string): Statement {
  return {
    text: `
SELECT EXISTS (
  SELECT FROM crossfade.outbox
  WHERE seq <= $1::bigint AND state IN ('pending', 'retry', 'parked', 'dead') AND (new_tenant IN ($2::text, '*') OR old_tenant IN ($2::text, '*'))
) AS behind`,
    values: [position, tenant],
  };
}
