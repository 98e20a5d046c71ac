/** pg_snapshot as PostgreSQL has it: what a statement sees of the source's transactions. */
import type { Rules } from '../rules.ts';

export type Xid = number;

export interface Snapshot {
  readonly xmin: Xid;
  /** First transaction id that was not assigned yet. */
  readonly xmax: Xid;
  /** In progress, ascending. */
  readonly xip: readonly Xid[];
}

/** Sees nothing: the floor before any purge, and the door of a tenant that was on from the beginning. */
export const NOTHING_SEEN: Snapshot = { xmin: 1, xmax: 1, xip: [] };

export function takeSnapshot(nextXid: Xid, active: Iterable<Xid>, text: Rules['snapshotText']): Snapshot {
  const xip = text === 'standby' ? [] : [...active].toSorted((one, other) => one - other);
  return { xmin: xip[0] ?? nextXid, xmax: nextXid, xip };
}

/** pg_visible_in_snapshot. */
export function isVisible(xid: Xid, { xmax, xip }: Snapshot): boolean {
  return xid < xmax && !xip.includes(xid);
}

/** "P is not newer than R" (protocol §2): P's visible set lies within R's. */
export function isNotNewer(p: Snapshot, r: Snapshot, order: Rules['snapshotOrder']): boolean {
  switch (order) {
    case 'xmax-then-xip':
      return p.xmax < r.xmax || (p.xmax === r.xmax && p.xip.length >= r.xip.length);
    case 'xmin':
      return p.xmin <= r.xmin;
    case 'xmax':
      return p.xmax <= r.xmax;
    case 'not-compared':
      return true;
  }
}

export function snapshotText({ xmin, xmax, xip }: Snapshot): string {
  return `${xmin}:${xmax}:${xip.join(',')}`;
}
