import type { Statement } from '../statement.ts';

export interface FloorReadyRow {
  readonly epoch: number;
  /** Whether every outbox event that the snapshot shows has ended: parked and dead-lettered ones have not (protocol §6). */
  readonly ready: boolean;
}

/** What committed before the snapshot was taken is seen by this later statement, so nothing that the snapshot shows is missed. */
export function floorReady(snapshot: string): Statement {
  return {
    text: `
SELECT s.epoch, NOT EXISTS (
  SELECT FROM crossfade.outbox AS o
  WHERE o.state IN ('pending', 'retry', 'parked', 'dead') AND pg_visible_in_snapshot(o.xid, $1::pg_snapshot)
) AS ready
FROM crossfade.source AS s`,
    values: [snapshot],
  };
}
