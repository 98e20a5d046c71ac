import type { Statement } from '../statement.ts';

export interface ServerFactsRow {
  /** `server_version_num`, such as 150018. */
  readonly version: number;
  readonly max_connections: number;
  /** Kept back for superusers and, since PostgreSQL 16, for pg_use_reserved_connections. */
  readonly reserved: number;
  readonly used: string;
  /** Level of new transactions in this database, before a role's own setting. */
  readonly isolation: string;
  readonly encoding: string;
  readonly collation: string;
  readonly standby: boolean;
  /** null: this session's connection cannot be looked at. */
  readonly encrypted: boolean | null;
  readonly replicas: string;
  /** Highest replay lag among the replicas; null: none, or not to be seen. */
  readonly replica_lag_ms: number | null;
}

/** What a server is and has room for. Settings of roles are looked at by role-settings.ts. */
export const serverFacts: Statement = {
  text: `
SELECT current_setting('server_version_num')::integer AS version, current_setting('max_connections')::integer AS max_connections,
       current_setting('superuser_reserved_connections')::integer + coalesce(current_setting('reserved_connections', true)::integer, 0) AS reserved,
       (SELECT sum(numbackends) FROM pg_stat_database)::text AS used,
       (SELECT coalesce((SELECT split_part(value, '=', 2) FROM pg_db_role_setting o CROSS JOIN LATERAL unnest(o.setconfig) AS value
                         WHERE o.setrole = 0 AND o.setdatabase IN (0, d.oid) AND value LIKE 'default_transaction_isolation=%' ORDER BY o.setdatabase DESC LIMIT 1),
                        CASE WHEN source IN ('user', 'database user', 'session') THEN boot_val ELSE reset_val END)
        FROM pg_settings WHERE name = 'default_transaction_isolation') AS isolation,
       pg_encoding_to_char(d.encoding)::text AS encoding, d.datcollate::text AS collation, pg_is_in_recovery() AS standby,
       (SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()) AS encrypted,
       (SELECT count(*) FROM pg_stat_replication)::text AS replicas,
       (SELECT (extract(epoch FROM max(replay_lag)) * 1000)::float8 FROM pg_stat_replication) AS replica_lag_ms
FROM pg_database d WHERE d.datname = current_database()`,
  values: [],
};
