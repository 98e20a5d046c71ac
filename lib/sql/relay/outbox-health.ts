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
}

/** State of the outbox now and over the last `windowMs`: lag, drain rate against write rate (guide, phase 2 forward gate). */
export function outboxHealth(windowMs: number, graceMs: number): Statement {
  return {
    text: `
SELECT count(*) FILTER (WHERE state = 'pending')::text AS pending, count(*) FILTER (WHERE state = 'retry')::text AS retry,
       count(*) FILTER (WHERE state = 'parked')::text AS parked, count(*) FILTER (WHERE state = 'dead')::text AS dead,
       (extract(epoch FROM clock_timestamp() - min(captured_at) FILTER (WHERE state IN ('pending', 'retry'))) * 1000)::float8 AS oldest_ms,
       (SELECT count(*) FROM crossfade.outbox WHERE captured_at > clock_timestamp() - $1::bigint * interval '1 millisecond' AND captured_at < clock_timestamp() - $2::bigint * interval '1 millisecond' AND state <> 'suppressed')::text AS captured,
       (SELECT count(*) FROM crossfade.outbox WHERE captured_at > clock_timestamp() - $1::bigint * interval '1 millisecond' AND captured_at < clock_timestamp() - $2::bigint * interval '1 millisecond' AND state IN ('published', 'superseded', 'covered'))::text AS delivered,
       coalesce((SELECT max(seq) FROM crossfade.outbox), 0)::text AS highest_seq,
       coalesce(json_agg(DISTINCT coalesce(new_tenant, old_tenant)), '[]')::text AS pending_tenants
FROM crossfade.outbox WHERE state IN ('pending', 'retry', 'parked', 'dead')`,
    values: [windowMs, graceMs],
  };
}
