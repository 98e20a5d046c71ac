import type { Direction } from '../../domain/direction.ts';
import type { Statement } from '../statement.ts';

export interface ClaimRequest {
  readonly direction: Direction;
  readonly shard: number;
  readonly shards: number;
  readonly holder: string;
  readonly leaseMs: number;
  readonly limit: number;
}

export interface ClaimedRow {
  /** False: another holder has the shard's lease, or authority lies with the other direction. */
  readonly held: boolean;
  readonly in_force: boolean;
  /** Events of tenants that are off, set aside for good in the same statement. */
  readonly suppressed: string;
  readonly authority: string;
  readonly seq: string | null;
  readonly epoch: number;
  readonly xid: string;
  readonly table_name: string;
  readonly row_key: string;
  readonly op: 'U' | 'D';
  readonly idempotency_key: string;
  readonly correlation_id: string | null;
  readonly old_tenant: string | null;
  readonly new_tenant: string | null;
  readonly old_generation: number | null;
  readonly new_generation: number | null;
  readonly bytes: number;
  readonly age_ms: number;
}

/**
 * Takes (or renews) the lease of a shard, suppresses events of tenants that are off, and returns the pending rest in order:
 * outbox, tenant_state and authority under one snapshot, because a relay that remembers a flag loses writes (protocol §5.1).
 * Rows are found by their state, never by a high-water mark on seq: a low seq may commit late (prior art, trap 33).
 * In reverse nobody is off: a tenant that is new since the switchover is handed over, to be adopted, instead of suppressed.
 * A dead holder's events are free again when its lease runs out; two holders in one shard only repeat work.
 */
export function claimEvents({ direction, shard, shards, holder, leaseMs, limit }: ClaimRequest): Statement {
  return {
    text: `
WITH held AS (
  INSERT INTO crossfade.lease AS l (name, holder, until)
  VALUES ($1::text, $2::text, clock_timestamp() + $3::integer * interval '1 millisecond')
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
  WHERE l.holder = excluded.holder OR l.until < clock_timestamp()
  RETURNING 1
), pending AS (
  SELECT o.seq, o.epoch, o.xid, o.table_name, o.row_key, o.op, o.idempotency_key, o.correlation_id, o.old_tenant, o.new_tenant,
         was.generation AS old_generation, now.generation AS new_generation, o.captured_at,
         coalesce(octet_length(o.payload::text), 0) AS bytes,
         coalesce(was.is_on, false) OR coalesce(now.is_on, false)
           OR ($4::text = 'reverse' AND o.new_tenant IS NOT NULL AND now.tenant IS NULL) AS wanted
  FROM crossfade.outbox AS o
  CROSS JOIN crossfade.control AS c
  LEFT JOIN crossfade.tenant_state AS was ON was.tenant = o.old_tenant
  LEFT JOIN crossfade.tenant_state AS now ON now.tenant = o.new_tenant
  WHERE o.state = 'pending' AND c.direction = $4::text AND EXISTS (SELECT FROM held)
    AND (o.not_before IS NULL OR o.not_before <= clock_timestamp())
    AND ($6::integer = 1 OR (hashtextextended(o.table_name || o.row_key, 0) & 1023) % $6::integer = $5::integer)
  ORDER BY o.seq
  LIMIT $7::integer
), suppressed AS (
  UPDATE crossfade.outbox AS o SET state = 'suppressed', payload = NULL, touched_at = clock_timestamp()
  FROM pending AS p WHERE o.seq = p.seq AND NOT p.wanted AND o.state = 'pending'
  RETURNING 1
)
SELECT EXISTS (SELECT FROM held) AS held, c.direction = $4::text AS in_force, (SELECT count(*) FROM suppressed)::text AS suppressed,
       c.authority::text AS authority, p.seq::text AS seq, p.epoch, p.xid::text AS xid, p.table_name, p.row_key, p.op::text AS op,
       p.idempotency_key, p.correlation_id, p.old_tenant, p.new_tenant, p.old_generation, p.new_generation, p.bytes,
       (extract(epoch FROM clock_timestamp() - p.captured_at) * 1000)::float8 AS age_ms
FROM crossfade.control AS c LEFT JOIN pending AS p ON p.wanted
ORDER BY p.seq`,
    values: [`relay/${direction}/${shard}`, holder, leaseMs, direction, shard, shards, limit],
  };
}
