import type { Statement } from '../statement.ts';

/**
 * Raises the floor (protocol §6). Waits for the applies that hold the control row FOR SHARE; every later one judges by the new
 * floor. Versions that the floor covers may go any time after this has committed: to whatever the floor lets pass they compare
 * as if they were not there.
 *
 * @param snapshot one that the source really took: the order of snapshots is total only among those (one made up as
 *   `xmin:xmin:` lets a read pass that was taken while an older transaction was open).
 */
export function setFloor(snapshot: string, epoch: number): Statement {
  return {
    text: `
UPDATE crossfade.control SET floor = $1::pg_snapshot
WHERE source_epoch = $2::integer AND crossfade.not_newer(floor, $1::pg_snapshot) AND floor::text <> $1::pg_snapshot::text
RETURNING floor::text AS floor`,
    values: [snapshot, epoch],
  };
}
