import type { Direction } from '../../domain/direction.ts';
import type { Statement } from '../statement.ts';

/**
 * Claims one event that was sent to the retry queue. Generation and authority are those of now, not of its first try
 * (protocol §2); an event whose tenants are off by now is suppressed. Same columns as `claimEvents`.
 */
export function claimOne(direction: Direction, seq: string): Statement {
  return {
    text: `
WITH wanted AS (
  SELECT o.*, CASE WHEN was.is_on OR $2::text = 'reverse' THEN was.generation END AS old_generation,
         CASE WHEN now.is_on OR $2::text = 'reverse' THEN now.generation END AS new_generation,
         coalesce(was.is_on, false) OR coalesce(now.is_on, false) AS wanted
  FROM crossfade.outbox AS o CROSS JOIN crossfade.control AS c
  LEFT JOIN crossfade.tenant_state AS was ON was.tenant = o.old_tenant
  LEFT JOIN crossfade.tenant_state AS now ON now.tenant = o.new_tenant
  WHERE o.seq = $1::bigint AND o.state = 'retry' AND c.direction = $2::text
), suppressed AS (
  UPDATE crossfade.outbox AS o SET state = 'suppressed', payload = NULL, touched_at = clock_timestamp()
  FROM wanted AS w WHERE o.seq = w.seq AND NOT w.wanted RETURNING 1
)
SELECT true AS held, c.direction = $2::text AS in_force, (SELECT count(*) FROM suppressed)::text AS suppressed, c.authority::text AS authority,
       w.seq::text AS seq, w.epoch, w.xid::text AS xid, w.table_name, w.row_key, w.op::text AS op, w.idempotency_key, w.correlation_id,
       w.old_tenant, w.new_tenant, w.old_generation, w.new_generation, coalesce(octet_length(w.payload::text), 0) AS bytes, true AS waited,
       (extract(epoch FROM clock_timestamp() - w.captured_at) * 1000)::float8 AS age_ms
FROM crossfade.control AS c LEFT JOIN wanted AS w ON w.wanted`,
    values: [seq, direction],
  };
}
