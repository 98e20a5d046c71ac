import type { Statement } from '../statement.ts';

export interface OutboxHealthRow {
  readonly pending: string;
  readonly retry: string;
  readonly parked: string;
  readonly dead: string;
  /** Null when everything is delivered. */
  readonly oldest_ms: number | null;
  /** Events captured in the window, the last `graceMs` left out, and how many of them are delivered by now. */
  readonly captured: string;
  readonly delivered: string;
  readonly highest_seq: string;
  readonly pending_tenants: string;
  /** JSON list of `TenantLag`: the tenants whose oldest event waits longest, worst first. */
  readonly tenant_lags: string;
}

/** Whose events wait; never a dimension of a metric, which costs by the tenant. */
export interface TenantLag {
  readonly tenant: string;
  readonly oldestMs: number;
  readonly undelivered: number;
  readonly setAside: number;
}

const TENANTS_SHOWN = 20;

/**
 * State of the outbox now and over the last `windowMs`: lag, drain rate against write rate (guide, phase 2 forward gate).
 * The window is of statement_timestamp(): clock_timestamp() is volatile, and no index is ever searched for it.
 */
export function outboxHealth(windowMs: number, graceMs: number): Statement {
  return {
    text: `
WITH by_tenant AS (
  SELECT coalesce(new_tenant, old_tenant, '*') AS tenant,
         count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'retry') AS retry,
         count(*) FILTER (WHERE state = 'parked') AS parked, count(*) FILTER (WHERE state = 'dead') AS dead,
         min(captured_at) FILTER (WHERE state IN ('pending', 'retry')) AS oldest
  FROM crossfade.outbox WHERE state IN ('pending', 'retry', 'parked', 'dead') GROUP BY 1
), worst AS (
  SELECT tenant, coalesce(round(extract(epoch FROM clock_timestamp() - oldest) * 1000), 0)::bigint AS "oldestMs",
         pending + retry AS undelivered, parked + dead AS "setAside"
  FROM by_tenant ORDER BY oldest NULLS LAST, tenant LIMIT ${TENANTS_SHOWN}
)
SELECT coalesce(sum(pending), 0)::text AS pending, coalesce(sum(retry), 0)::text AS retry,
       coalesce(sum(parked), 0)::text AS parked, coalesce(sum(dead), 0)::text AS dead,
       (extract(epoch FROM clock_timestamp() - min(oldest)) * 1000)::float8 AS oldest_ms,
       (SELECT count(*) FROM crossfade.outbox WHERE captured_at > statement_timestamp() - $1::bigint * interval '1 millisecond' AND captured_at < statement_timestamp() - $2::bigint * interval '1 millisecond' AND state <> 'suppressed')::text AS captured,
       (SELECT count(*) FROM crossfade.outbox WHERE captured_at > statement_timestamp() - $1::bigint * interval '1 millisecond' AND captured_at < statement_timestamp() - $2::bigint * interval '1 millisecond' AND state IN ('published', 'superseded', 'covered'))::text AS delivered,
       coalesce((SELECT max(seq) FROM crossfade.outbox), 0)::text AS highest_seq,
       coalesce(json_agg(tenant ORDER BY tenant), '[]')::text AS pending_tenants,
       (SELECT coalesce(json_agg(worst), '[]') FROM worst)::text AS tenant_lags
FROM by_tenant`,
    values: [windowMs, graceMs],
  };
}
