import type { Statement } from '../statement.ts';

export interface AuroraLagRow {
  /** Null: the cluster has no reader. */
  readonly lag_ms: number | null;
}

/** Aurora's readers share its storage and are not in pg_stat_replication. Only where the function is there. */
export const auroraLag: Statement = {
  text: `SELECT max(replica_lag_in_msec)::float8 AS lag_ms FROM aurora_replica_status() WHERE session_id <> 'MASTER_SESSION_ID'`,
  values: [],
};
