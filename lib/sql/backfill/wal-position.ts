import type { Statement } from '../statement.ts';

export interface WalPositionRow {
  /** Bytes since the first one ever. */
  readonly bytes: number;
  /** Server's clock in milliseconds. */
  readonly at_ms: number;
}

/** Two of them are a rate. Storage that keeps no WAL (Aurora without logical replication) refuses it. */
export const walPosition: Statement = {
  text: `SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 AS bytes, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at_ms`,
  values: [],
};
