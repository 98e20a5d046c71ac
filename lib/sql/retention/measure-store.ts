import type { Statement } from '../statement.ts';

export interface StoreSizeRow {
  /** Rows as the last ANALYZE or vacuum counted them; bytes with indexes. */
  readonly outbox_rows: string;
  readonly outbox_bytes: string;
  readonly version_rows: string;
  readonly version_bytes: string;
  readonly log_rows: string;
  readonly log_bytes: string;
  /** Milliseconds since the oldest outbox row was captured; null: it is empty. */
  readonly oldest_event_ms: number | null;
  readonly oldest_log_ms: number | null;
  /** Age of the oldest transaction with a snapshot or an id, prepared ones included: vacuum cleans up nothing younger. */
  readonly oldest_transaction_ms: number;
}

/** Cheap: catalogues and the front of two indexes. */
export const measureStore: Statement = {
  text: `
SELECT greatest(o.reltuples, 0)::bigint::text AS outbox_rows, pg_total_relation_size(o.oid)::text AS outbox_bytes,
       greatest(v.reltuples, 0)::bigint::text AS version_rows, pg_total_relation_size(v.oid)::text AS version_bytes,
       greatest(l.reltuples, 0)::bigint::text AS log_rows, pg_total_relation_size(l.oid)::text AS log_bytes,
       (SELECT extract(epoch FROM clock_timestamp() - captured_at) * 1000 FROM crossfade.outbox ORDER BY seq LIMIT 1)::float8 AS oldest_event_ms,
       (SELECT extract(epoch FROM clock_timestamp() - applied_at) * 1000 FROM crossfade.applied_log ORDER BY id LIMIT 1)::float8 AS oldest_log_ms,
       coalesce(greatest(
         (SELECT max(extract(epoch FROM clock_timestamp() - a.xact_start)) FROM pg_stat_activity AS a
          WHERE a.datname = current_database() AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)),
         (SELECT max(extract(epoch FROM clock_timestamp() - p.prepared)) FROM pg_prepared_xacts AS p WHERE p.database = current_database())
       ) * 1000, 0)::float8 AS oldest_transaction_ms
FROM pg_class AS o, pg_class AS v, pg_class AS l
WHERE o.oid = 'crossfade.outbox'::regclass AND v.oid = 'crossfade.row_version'::regclass AND l.oid = 'crossfade.applied_log'::regclass`,
  values: [],
};
