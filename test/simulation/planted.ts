/** Every weaker rule, the world in which it shows soonest, and the counterexample of the protocol that it brings back. */
import type { ProfileName } from './profiles.ts';
import type { Rules } from './rules.ts';

export interface PlantedBug {
  readonly bug: string;
  readonly profile: ProfileName;
  readonly weaker: Partial<Rules>;
  /** Rules that are weakened in the world that the bug is compared with: without the bug it holds. */
  readonly given?: Partial<Rules>;
}

export const PLANTED: readonly PlantedBug[] = [
  // ---- §2: comparison and guard ----
  { bug: 'no guard: arrival order decides', profile: 'order', weaker: { guard: 'none' } },
  { bug: 'the guard reads, then writes', profile: 'order', weaker: { guard: 'read-then-write' } },
  { bug: 'events are ordered by xid', profile: 'order', weaker: { eventOrder: 'xid' } },
  { bug: 'snapshots are ordered by xmin', profile: 'order', weaker: { snapshotOrder: 'xmin' } },
  { bug: 'snapshots are ordered by xmax only', profile: 'order', weaker: { snapshotOrder: 'xmax' } },
  { bug: 'snapshots are not compared', profile: 'order', weaker: { snapshotOrder: 'not-compared' } },
  {
    bug: 'a stored event forgets its xid, so that a read always writes',
    profile: 'order',
    weaker: { storedEvent: 'seq' },
  },
  { bug: 'a read stores no version', profile: 'order', weaker: { storedRead: 'forgotten' } },
  {
    bug: 'events ignore the snapshot that a read stored',
    profile: 'order',
    weaker: { storedRead: 'ignored-by-events' },
  },
  { bug: 'a delete leaves no tombstone', profile: 'order', weaker: { tombstones: 'dropped' } },
  // ---- §3: capture ----
  { bug: 'seq is taken before the row lock', profile: 'order', weaker: { sequenceTaken: 'before-lock' } },
  { bug: 'sessions cache sequence numbers', profile: 'order', weaker: { sequenceCache: 3 } },
  {
    bug: 'a statement that touched no row captures a delete',
    profile: 'order',
    weaker: { emptyStatement: 'captures-delete' },
  },
  { bug: 'capture does not wait for open writers', profile: 'install', weaker: { captureInstall: 'at-once' } },
  // ---- §4: snapshot reads ----
  { bug: 'a standby is read: its snapshots have no xip', profile: 'order', weaker: { snapshotText: 'standby' } },
  {
    bug: 'the snapshot is taken before the rows are read',
    profile: 'order',
    weaker: { snapshotTaken: 'before-the-rows' },
  },
  {
    bug: 'the snapshot is taken after the rows are read',
    profile: 'order',
    weaker: { snapshotTaken: 'after-the-rows' },
  },
  // ---- relay ----
  { bug: 'events are claimed by a high-water mark on seq', profile: 'order', weaker: { claimedBy: 'high-water-mark' } },
  { bug: 'events are marked before they are applied', profile: 'order', weaker: { marked: 'before-apply' } },
  {
    bug: 'the newest event of a batch speaks for one of two old tenants',
    profile: 'moves',
    weaker: { coalesced: 'keeps-first-old-tenant' },
  },
  {
    bug: 'the newest event of a batch forgets where the row was before',
    profile: 'moves',
    weaker: { coalesced: 'keeps-own-old-tenant' },
  },
  // ---- §5: tenants ----
  { bug: 'the relay suppresses by a remembered flag', profile: 'tenants', weaker: { suppressedBy: 'remembered-flag' } },
  { bug: 'there is no generation', profile: 'toggles', weaker: { generation: 'ignored' } },
  { bug: 'there is no G', profile: 'opening', weaker: { doorSnapshot: 'ignored' } },
  { bug: 'G is taken before the tenant is on', profile: 'reopening', weaker: { doorSnapshot: 'before-on' } },
  { bug: 'reads older than G pass', profile: 'opening', weaker: { doorSnapshot: 'ignored-by-reads' } },
  {
    bug: 'an event that comes before its door is refused for good',
    profile: 'opening',
    weaker: { doorBehind: 'covers' },
  },
  { bug: 'apply reads the door without holding it', profile: 'tenants', weaker: { doorLock: 'read-before' } },
  {
    bug: 'a late close shuts the next generation out',
    profile: 'tenants',
    weaker: { doorClose: 'shuts-any-generation' },
  },
  { bug: 'a late open finds no trace of the close', profile: 'tenants', weaker: { doorClose: 'shuts-what-is-open' } },
  { bug: 'a tenant is turned on without a copy', profile: 'tenants', weaker: { repairAfterOn: 'none' } },
  { bug: 'the copy leaves out deletes', profile: 'tenants', weaker: { repairAfterOn: 'without-deletes' } },
  { bug: 'repair reads by tenant', profile: 'tenants', weaker: { repairReads: 'by-tenant' } },
  { bug: 'repair deletes a row that has moved', profile: 'tenants', weaker: { repairOfMoved: 'deletes' } },
  { bug: 'one verdict for both sides of a move', profile: 'tenants', weaker: { move: 'one-verdict' } },
  { bug: 'a move is judged by the new tenant only', profile: 'tenants', weaker: { move: 'new-tenant-only' } },
  {
    bug: 'the way back erases every row that the tenant ever had',
    profile: 'tenants',
    weaker: { rollbackErases: 'ever-written' },
  },
  { bug: 'the way back drops row versions', profile: 'tenants', weaker: { rollbackVersions: 'dropped' } },
  {
    bug: 'the way back erases behind a door that is open again',
    profile: 'tenants',
    weaker: { eraseChecks: 'nothing' },
  },
  // ---- §6: purge ----
  { bug: 'versions are purged when no event is pending', profile: 'purge', weaker: { purge: 'no-pending-event' } },
  { bug: 'parked events count as terminal', profile: 'purge', weaker: { purge: 'parked-is-terminal' } },
  { bug: 'the floor does not bind reads', profile: 'purge', weaker: { floorBinds: 'events' } },
  { bug: 'the floor does not bind events', profile: 'purge', weaker: { floorBinds: 'reads' } },
  { bug: 'a late purge takes the floor back', profile: 'purge', weaker: { floorMoves: 'anywhere' } },
  // ---- §7: unique values ----
  { bug: 'collisions are only retried', profile: 'deferrable', weaker: { collision: 'retry' } },
  { bug: 'whoever holds a value is evicted', profile: 'unique', weaker: { collision: 'evict-holder' } },
  { bug: 'who loses a value is not queued', profile: 'deferrable', weaker: { collision: 'no-queue' } },
  { bug: 'the older of two waits for the value', profile: 'deferrable', weaker: { collision: 'older-waits' } },
  // ---- §8: epoch ----
  { bug: 'there is no epoch', profile: 'epoch', weaker: { epochStamped: 'never' } },
  {
    bug: 'the epoch is stamped at the claim',
    profile: 'timeline',
    weaker: { epochStamped: 'at-claim' },
    // Doors that are opened anew cover every event of the backup, and hide this bug.
    given: { epochResets: 'floor', epochAhead: 'waits' },
  },
  { bug: 'other epochs are accepted', profile: 'epoch', weaker: { otherEpochs: 'accepted' } },
  { bug: 'no full repair follows a new epoch', profile: 'epoch', weaker: { repairAfterEpoch: 'none' } },
  {
    bug: 'the full repair does not wait for writers of the old epoch',
    profile: 'epoch',
    weaker: { epochWaits: 'not' },
  },
  { bug: 'the floor of the lost timeline stays', profile: 'epoch', weaker: { epochResets: 'doors' } },
  { bug: 'the doors of the lost timeline stay', profile: 'epoch', weaker: { epochResets: 'floor' } },
  {
    bug: 'a tenant that is off keeps a generation that its door has seen',
    profile: 'epoch',
    weaker: { generationsLifted: 'of-those-on' },
  },
  { bug: 'a G of the lost timeline opens a door', profile: 'epoch', weaker: { lateDoor: 'opens' } },
  // ---- §9: fence and switchover ----
  { bug: 'the fence of legacy does not wait', profile: 'switchover', weaker: { fenceLegacy: 'at-once' } },
  { bug: 'the fence of the target does not wait', profile: 'switchover', weaker: { fenceTarget: 'at-once' } },
  { bug: 'the target is open before the switchover', profile: 'switchover', weaker: { targetFenced: 'at-switchover' } },
  { bug: 'the drain is read before the wait', profile: 'switchover', weaker: { drainRead: 'before-the-wait' } },
  { bug: 'authority moves without a drain', profile: 'switchover', weaker: { drainRead: 'never' } },
  { bug: 'what is set aside does not block', profile: 'switchover', weaker: { setAside: 'passes' } },
  { bug: 'applies carry no authority number', profile: 'switchover', weaker: { authority: 'ignored' } },
  { bug: 'the applier is captured back', profile: 'switchover', weaker: { applierWrites: 'captured' } },
  {
    bug: 'reverse capture comes after authority',
    profile: 'switchover',
    weaker: { reverseCapture: 'after-authority' },
  },
];
