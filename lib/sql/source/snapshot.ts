import type { Statement } from '../statement.ts';

export interface SnapshotRow {
  readonly snapshot: string;
  readonly epoch: number;
  readonly standby: boolean;
}

/** A snapshot of the source: taken after a tenant's state is committed, it becomes G (protocol §5.3). */
export const currentSnapshot: Statement = {
  text: 'SELECT pg_current_snapshot()::text AS snapshot, s.epoch, pg_is_in_recovery() AS standby FROM crossfade.source AS s',
  values: [],
};
