import type { Statement } from '../statement.ts';

export interface ReplicaLagRow {
  /** 0 on a writer, and on a replica that has replayed all it received; null where the server does not say. */
  readonly lag_ms: number | null;
}

/** How far the server that answers reads is behind its writer. */
export const replicaLag: Statement = {
  text: `
SELECT CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::float8 END AS lag_ms`,
  values: [],
};
