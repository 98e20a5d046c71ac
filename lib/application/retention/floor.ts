/**
 * Row versions of a receiver, purged by the floor (protocol §6). A snapshot of the source is remembered as the candidate; once every
 * outbox event that it shows has ended, it becomes the floor, and what the floor covers is deleted page by page. Only snapshots
 * that were really taken are used, because only those have a total order.
 */
import { type Direction, receiverOf, sourceOf } from '../../domain/direction.ts';
import { type FloorReadyRow, floorReady } from '../../sql/retention/floor-ready.ts';
import { type PrunedVersionsRow, pruneVersions, type VersionPosition } from '../../sql/retention/prune-versions.ts';
import { setFloor } from '../../sql/retention/set-floor.ts';
import { readUpkeep, saveUpkeep, type UpkeepRow } from '../../sql/retention/upkeep.ts';
import { flushSource } from '../../sql/source/flush.ts';
import { currentSnapshot, type SnapshotRow } from '../../sql/source/snapshot.ts';
import type { Deps } from '../deps.ts';

export interface Page {
  readonly deleted: number;
  /** Whether there is nothing more to prune for now. */
  readonly done: boolean;
}

export const FLOOR = 'floor';

export interface FloorState {
  /** A snapshot that becomes the floor when its events have ended. */
  readonly candidate: string;
  readonly epoch: number;
  readonly takenAt: string;
  /** When the snapshot was taken that is the floor now; null before the first. */
  readonly floorAt: string | null;
  /** Where the pass over the versions has come to; null: from the beginning; `done`: nothing is left under the floor. */
  readonly pass: VersionPosition | null | 'done';
}

/** How old a candidate must be: a version that is deleted is inserted anew by the row's next change, which costs more than an update. */
const FLOOR_EVERY_MS = 10 * 60_000;

export async function pruneVersionsPage(
  deps: Deps,
  direction: Direction,
  limit: number,
  floorEveryMs = FLOOR_EVERY_MS,
): Promise<Page> {
  const receiver = deps.databases.open(receiverOf(direction), 'apply');
  const state = await readFloor(deps, direction);
  if (state !== undefined && state.pass !== 'done') {
    const [row] = await receiver.query<PrunedVersionsRow>(pruneVersions(state.pass, limit));
    const isOver = row === undefined || Number(row.seen) < limit || row.last_table === null || row.last_key === null;
    await receiver.query(
      saveUpkeep(FLOOR, { ...state, pass: isOver ? 'done' : { table: row.last_table, rowKey: row.last_key } }),
    );
    return { deleted: Number(row?.deleted ?? 0), done: isOver };
  }
  return { deleted: 0, done: !(await raiseFloor(deps, direction, state, floorEveryMs)) };
}

/** undefined: no candidate was ever taken. */
export async function readFloor(deps: Deps, direction: Direction): Promise<FloorState | undefined> {
  const [row] = await deps.databases.open(receiverOf(direction), 'apply').query<UpkeepRow>(readUpkeep(FLOOR));
  return row === undefined ? undefined : JSON.parse(row.state);
}

/** @returns whether there is a new floor, and so something to delete. */
async function raiseFloor(
  deps: Deps,
  direction: Direction,
  state: FloorState | undefined,
  floorEveryMs: number,
): Promise<boolean> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const receiver = deps.databases.open(receiverOf(direction), 'apply');
  const now = deps.clock.now();
  if (state !== undefined && now.getTime() - Date.parse(state.takenAt) < floorEveryMs) return false;
  if (state !== undefined) {
    const [asked] = await source.query<FloorReadyRow>(floorReady(state.candidate));
    if (asked?.epoch === state.epoch && !asked.ready) return false;
    if (asked?.epoch === state.epoch) await receiver.query(setFloor(state.candidate, state.epoch));
  }
  const [taken] = await source.query<SnapshotRow>(currentSnapshot);
  if (taken === undefined || taken.standby)
    throw new RangeError(
      `${sourceOf(direction)} is a standby: its snapshots cannot become a floor; use the writer endpoint`,
    );
  await source.query(flushSource);
  const raised = state !== undefined && taken.epoch === state.epoch;
  const next: FloorState = {
    candidate: taken.snapshot,
    epoch: taken.epoch,
    takenAt: now.toISOString(),
    floorAt: raised ? state.takenAt : null,
    pass: raised ? null : 'done',
  };
  await receiver.query(saveUpkeep(FLOOR, next));
  return raised;
}
