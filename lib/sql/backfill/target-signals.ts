/** What the target says about its load, for the throttle of the backfill. Nulls are told apart: nothing there, or not allowed to look. */
import type { Statement } from '../statement.ts';

export interface TargetSignalsRow {
  /** Servers that replicate from this one by PostgreSQL's own means. */
  readonly replicas: number;
  /** Of these, how many show themselves: without pg_monitor only that they exist is seen. */
  readonly replicas_seen: number;
  /** Slowest replica; null when none lags or none is there. */
  readonly replay_lag_ms: number | null;
  /** Of max_connections without the reserved ones. */
  readonly connections_percent: number;
  readonly vacuums: number;
  readonly vacuums_seen: number;
  /** Of the tables that are written. */
  readonly vacuums_here: number;
  /** Worst of the tables that are written; null when none has enough dead rows to matter. */
  readonly dead_percent: number | null;
  readonly aurora: boolean;
}

/** Fewer dead rows than this are no storm, whatever their share is. */
const DEAD_ROWS_THAT_MATTER = 10_000;

export function targetSignals(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
WITH written AS MATERIALIZED (
  SELECT part.relid::oid AS relid FROM json_array_elements($1::json) AS wanted
  JOIN pg_namespace n ON n.nspname = wanted ->> 0 JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
  CROSS JOIN LATERAL (SELECT c.oid AS relid UNION SELECT p.relid::oid FROM pg_partition_tree(c.oid) AS p) AS part
)
SELECT (SELECT count(*)::integer FROM pg_stat_replication) AS replicas, (SELECT count(state)::integer FROM pg_stat_replication) AS replicas_seen,
       (SELECT (max(extract(epoch FROM replay_lag)) * 1000)::float8 FROM pg_stat_replication) AS replay_lag_ms,
       ((SELECT sum(numbackends) FROM pg_stat_database) * 100.0 / greatest(1, current_setting('max_connections')::integer
         - current_setting('superuser_reserved_connections')::integer - coalesce(current_setting('reserved_connections', true)::integer, 0)))::float8 AS connections_percent,
       (SELECT count(*)::integer FROM pg_stat_progress_vacuum) AS vacuums, (SELECT count(relid)::integer FROM pg_stat_progress_vacuum) AS vacuums_seen,
       (SELECT count(*)::integer FROM pg_stat_progress_vacuum v WHERE v.relid IN (SELECT relid FROM written)) AS vacuums_here,
       (SELECT (max(n_dead_tup * 100.0 / (n_live_tup + n_dead_tup)) FILTER (WHERE n_dead_tup > $2::integer))::float8
        FROM pg_stat_all_tables t WHERE t.relid IN (SELECT relid FROM written)) AS dead_percent,
       to_regprocedure('aurora_replica_status()') IS NOT NULL AS aurora`,
    values: [JSON.stringify(relations), DEAD_ROWS_THAT_MATTER],
  };
}
