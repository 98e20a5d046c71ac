/**
 * Every rule of the write protocol that a weaker one could stand in for, as a named switch: `CORRECT` is the protocol, anything
 * else is a bug that planted-bugs.test.ts plants. The comments name the section of the protocol.
 */

export interface Rules {
  // ---- comparison and guard (§2) ----
  /** `upsert`: the guard is the write lock. `read-then-write`: compared in one statement, written in the next. */
  readonly guard: 'upsert' | 'none' | 'read-then-write';
  readonly eventOrder: 'seq' | 'xid';
  readonly snapshotOrder: 'xmax-then-xip' | 'xmin' | 'xmax' | 'not-compared';
  /** Whether a stored event keeps its xid; without it a read cannot be compared with it and always writes. */
  readonly storedEvent: 'seq-and-xid' | 'seq';
  readonly storedRead: 'snapshot' | 'forgotten' | 'ignored-by-events';
  readonly tombstones: 'kept' | 'dropped';

  // ---- capture (§3) ----
  readonly sequenceTaken: 'under-lock' | 'before-lock';
  readonly sequenceCache: 1 | 3;
  /** A statement that touched no row. */
  readonly emptyStatement: 'captures-nothing' | 'captures-delete';
  readonly captureInstall: 'waits-for-writers' | 'at-once';

  // ---- snapshot reads (§4) ----
  readonly snapshotText: 'primary' | 'standby';
  readonly snapshotTaken: 'with-the-rows' | 'before-the-rows' | 'after-the-rows';

  // ---- relay (§2, §5.1, design §3.2) ----
  readonly claimedBy: 'state' | 'high-water-mark';
  readonly marked: 'after-apply' | 'before-apply';
  readonly suppressedBy: 'claim-statement' | 'remembered-flag';
  /** Which events of a row in one batch may be ended by the newest: it must say where the row was before all of them. */
  readonly coalesced: 'within-one-old-tenant' | 'keeps-first-old-tenant' | 'keeps-own-old-tenant';

  // ---- tenants (§5) ----
  readonly generation: 'checked' | 'ignored';
  /** The door's snapshot G. */
  readonly doorSnapshot: 'after-on' | 'before-on' | 'ignored' | 'ignored-by-reads';
  /** An event of a generation whose door is not open yet is not refused for good: G, taken already, may not cover it. */
  readonly doorBehind: 'waits' | 'covers';
  readonly doorLock: 'held-by-apply' | 'read-before';
  /**
   * A closed door keeps the generation that was closed, so that an "on" that comes late cannot open it for that generation, and a
   * close that comes late does not shut the door of the next one.
   */
  readonly doorClose: 'latches-its-generation' | 'shuts-any-generation' | 'shuts-what-is-open';
  readonly repairAfterOn: 'with-deletes' | 'without-deletes' | 'none';
  readonly repairReads: 'by-key' | 'by-tenant';
  readonly repairOfMoved: 'writes-under-its-tenant' | 'deletes';
  readonly move: 'judged-per-side' | 'one-verdict' | 'new-tenant-only';
  readonly rollbackErases: 'current-tenant' | 'ever-written';
  readonly rollbackVersions: 'kept' | 'dropped';
  /** Erasing is refused by a door that has been opened again. */
  readonly eraseChecks: 'closed-door' | 'nothing';

  // ---- purge (§6) ----
  readonly purge: 'by-floor' | 'no-pending-event' | 'parked-is-terminal';
  readonly floorBinds: 'events-and-reads' | 'events' | 'reads';
  readonly floorMoves: 'up' | 'anywhere';

  // ---- unique values (§7) ----
  readonly collision: 'newer-wins' | 'retry' | 'evict-holder' | 'no-queue' | 'older-waits';

  // ---- epoch (§8) ----
  readonly epochStamped: 'at-capture' | 'at-claim' | 'never';
  readonly otherEpochs: 'refused' | 'accepted';
  /** An event of an epoch that the receiver has not got yet. Both are right as long as doors are opened anew, under a G that sees it. */
  readonly epochAhead: 'refused' | 'waits';
  readonly repairAfterEpoch: 'full' | 'none';
  /** Writers that captured under the old epoch end before the full repair reads. */
  readonly epochWaits: 'for-writers' | 'not';
  /** Doors and the floor hold snapshots of the lost timeline. */
  readonly epochResets: 'doors-and-floor' | 'doors' | 'floor';

  /** The backup may have forgotten generations that doors have seen, also those of tenants that are off now. */
  readonly generationsLifted: 'of-all' | 'of-those-on';
  /** G of a lost timeline must not open a door in the new one. */
  readonly lateDoor: 'refused-by-epoch' | 'opens';

  // ---- fence and switchover (§9) ----
  readonly fenceLegacy: 'waits-for-writers' | 'at-once';
  readonly fenceTarget: 'waits-for-writers' | 'at-once';
  readonly targetFenced: 'from-day-one' | 'at-switchover';
  readonly drainRead: 'after-the-wait' | 'before-the-wait' | 'never';
  readonly setAside: 'blocks' | 'passes';
  readonly authority: 'checked' | 'ignored';
  readonly applierWrites: 'not-captured' | 'captured';
  readonly reverseCapture: 'before-authority' | 'after-authority';
}

export const CORRECT: Rules = {
  guard: 'upsert',
  eventOrder: 'seq',
  snapshotOrder: 'xmax-then-xip',
  storedEvent: 'seq-and-xid',
  storedRead: 'snapshot',
  tombstones: 'kept',
  sequenceTaken: 'under-lock',
  sequenceCache: 1,
  emptyStatement: 'captures-nothing',
  captureInstall: 'waits-for-writers',
  snapshotText: 'primary',
  snapshotTaken: 'with-the-rows',
  claimedBy: 'state',
  marked: 'after-apply',
  suppressedBy: 'claim-statement',
  coalesced: 'within-one-old-tenant',
  generation: 'checked',
  doorSnapshot: 'after-on',
  doorBehind: 'waits',
  doorLock: 'held-by-apply',
  doorClose: 'latches-its-generation',
  repairAfterOn: 'with-deletes',
  repairReads: 'by-key',
  repairOfMoved: 'writes-under-its-tenant',
  move: 'judged-per-side',
  rollbackErases: 'current-tenant',
  rollbackVersions: 'kept',
  eraseChecks: 'closed-door',
  purge: 'by-floor',
  floorBinds: 'events-and-reads',
  floorMoves: 'up',
  collision: 'newer-wins',
  epochStamped: 'at-capture',
  otherEpochs: 'refused',
  epochAhead: 'refused',
  repairAfterEpoch: 'full',
  epochWaits: 'for-writers',
  epochResets: 'doors-and-floor',
  generationsLifted: 'of-all',
  lateDoor: 'refused-by-epoch',
  fenceLegacy: 'waits-for-writers',
  fenceTarget: 'waits-for-writers',
  targetFenced: 'from-day-one',
  drainRead: 'after-the-wait',
  setAside: 'blocks',
  authority: 'checked',
  applierWrites: 'not-captured',
  reverseCapture: 'before-authority',
};
