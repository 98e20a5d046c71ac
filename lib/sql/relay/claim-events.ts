import type { Direction } from '../../domain/direction.ts';
import type { Statement } from '../statement.ts';

export interface ClaimRequest {
  readonly direction: Direction;
  readonly shard: number;
  readonly shards: number;
  readonly holder: string;
  readonly leaseMs: number;
  readonly limit: number;
  /** Tenants whose events are failing: they get a small share, so that taking their batches apart delays nobody else. */
  readonly troubled: readonly string[];
  /** Where the last claim ended, when there were more tenants than one claim serves. */
  readonly afterTenant: string | null;
}

/** Tenants that one claim serves; the next one goes on behind the last. */
const TENANTS_A_CLAIM = 64;
const LEAST_SHARE = 20;

/** Whom an event waits with; the expression of the index `outbox_pending`. */
const TENANT = `coalesce(o.new_tenant, o.old_tenant, '*')`;

export interface ClaimedRow {
  /** False: another holder has the shard's lease, or authority lies with the other direction. */
  readonly held: boolean;
  readonly in_force: boolean;
  /** Events of tenants that are off, set aside for good in the same statement. */
  readonly suppressed: string;
  readonly authority: string;
  /** For the next claim of this shard; null: every tenant that waits was served. */
  readonly after_tenant: string | null;
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
  /** It was put off before, for a parent that had not come. */
  readonly waited: boolean | null;
  readonly age_ms: number;
}

/**
 * Takes (or renews) the lease of a shard, suppresses events of tenants that are off, and returns the pending rest in order:
 * outbox, tenant_state and authority under one snapshot, because a relay that remembers a flag loses writes (protocol §5.1).
 * Rows are found by their state, never by a high-water mark on seq: a low seq may commit late (prior art, trap 33).
 * Fair: tenants take turns, so that the backlog of one is not in front of everybody else's next event.
 * In reverse nobody is off: a tenant that is new since the switchover is handed over, to be adopted, instead of suppressed.
 * A dead holder's events are free again when its lease runs out; two holders in one shard only repeat work.
 */
export function claimEvents(request: ClaimRequest): Statement {
  const { direction, shard, shards, holder, leaseMs, limit, troubled, afterTenant } = request;
  // PostgreSQL wants to know the type of every parameter, also of one that is not used.
  const behind = afterTenant === null ? '$8::text IS NULL' : `${TENANT} > $8::text`;
  return {
    text: `
WITH RECURSIVE held AS (
  INSERT INTO crossfade.lease AS l (name, holder, until)
  VALUES ($1::text, $2::text, clock_timestamp() + $3::integer * interval '1 millisecond')
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
  WHERE l.holder = excluded.holder OR l.until < clock_timestamp()
  RETURNING 1
), waiting AS (
  (SELECT ${TENANT} AS tenant FROM crossfade.outbox AS o WHERE o.state = 'pending' AND ${behind} AND EXISTS (SELECT FROM held) ORDER BY ${TENANT} LIMIT 1)
  UNION ALL
  SELECT (SELECT ${TENANT} FROM crossfade.outbox AS o WHERE o.state = 'pending' AND ${TENANT} > w.tenant ORDER BY ${TENANT} LIMIT 1)
  FROM waiting AS w WHERE w.tenant IS NOT NULL
), served AS MATERIALIZED (
  SELECT tenant FROM waiting WHERE tenant IS NOT NULL LIMIT ${TENANTS_A_CLAIM}
), share AS (
  -- Twice an equal share: what one tenant does not use, another may.
  SELECT tenant, CASE WHEN tenant IN (SELECT json_array_elements_text($9::json)) THEN ${LEAST_SHARE}
    ELSE least($7::integer, greatest(2 * $7::integer / count(*) OVER (), ${LEAST_SHARE})) END AS events
  FROM served
), pending AS (
  SELECT o.*, CASE WHEN was.is_on OR $4::text = 'reverse' THEN was.generation END AS old_generation,
         CASE WHEN now.is_on OR $4::text = 'reverse' THEN now.generation END AS new_generation,
         coalesce(was.is_on, false) OR coalesce(now.is_on, false)
           OR ($4::text = 'reverse' AND o.new_tenant IS NOT NULL AND now.tenant IS NULL) AS wanted
  FROM crossfade.control AS c CROSS JOIN share AS s
  CROSS JOIN LATERAL (
    SELECT o.seq, o.epoch, o.xid, o.table_name, o.row_key, o.op, o.idempotency_key, o.correlation_id, o.old_tenant, o.new_tenant, o.captured_at, o.not_before IS NOT NULL AS waited,
           coalesce(octet_length(o.payload::text), 0) AS bytes, row_number() OVER (ORDER BY ${TENANT}, o.seq) AS turn
    FROM crossfade.outbox AS o
    -- A range and not an equality: then only the index of pending events has this order, and not the primary key, whose front is full of what is done.
    WHERE o.state = 'pending' AND ${TENANT} >= s.tenant AND ${TENANT} <= s.tenant
      AND (o.not_before IS NULL OR o.not_before <= clock_timestamp())
      -- CASE: PostgreSQL guesses that an equality on a hash keeps one row in 200, and then sorts the whole backlog.
      AND CASE WHEN (hashtextextended(o.table_name || o.row_key, 0) & 1023) % $6::integer = $5::integer THEN true ELSE false END
    ORDER BY ${TENANT}, o.seq LIMIT s.events
  ) AS o
  LEFT JOIN crossfade.tenant_state AS was ON was.tenant = o.old_tenant
  LEFT JOIN crossfade.tenant_state AS now ON now.tenant = o.new_tenant
  WHERE c.direction = $4::text
  ORDER BY o.turn, o.seq
  LIMIT $7::integer
), suppressed AS (
  UPDATE crossfade.outbox AS o SET state = 'suppressed', payload = NULL, touched_at = clock_timestamp()
  FROM pending AS p WHERE o.seq = p.seq AND NOT p.wanted AND o.state = 'pending'
  RETURNING 1
)
SELECT EXISTS (SELECT FROM held) AS held, c.direction = $4::text AS in_force, (SELECT count(*) FROM suppressed)::text AS suppressed,
       c.authority::text AS authority,
       (SELECT CASE WHEN count(*) = ${TENANTS_A_CLAIM} THEN max(tenant COLLATE "C") END FROM served) AS after_tenant,
       p.seq::text AS seq, p.epoch, p.xid::text AS xid, p.table_name, p.row_key, p.op::text AS op,
       p.idempotency_key, p.correlation_id, p.old_tenant, p.new_tenant, p.old_generation, p.new_generation, p.bytes, p.waited,
       (extract(epoch FROM clock_timestamp() - p.captured_at) * 1000)::float8 AS age_ms
FROM crossfade.control AS c LEFT JOIN pending AS p ON p.wanted
ORDER BY p.seq`,
    values: [
      `relay/${direction}/${shard}`,
      holder,
      leaseMs,
      direction,
      shard,
      shards,
      limit,
      afterTenant,
      JSON.stringify(troubled),
    ],
  };
}
