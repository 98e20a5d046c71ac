/** Statements on the receiver: each function is one atomic statement (or one short transaction), as the product's are. */
import type { Rules } from '../rules.ts';
import type { Snapshot } from './snapshot.ts';
import type { Key, OutboxEvent, State, Store } from './store.ts';
import {
  beatsHolder,
  type Direction,
  type Doors,
  eventWins,
  judgeEvent,
  judgeRead,
  readWins,
  type Stored,
  type Tenant,
} from './verdicts.ts';
import { stateText, type World } from './world.ts';

export interface ClaimedEvent {
  readonly event: OutboxEvent;
  readonly epoch: number;
  readonly oldTenant: Tenant | null;
  readonly oldGeneration: number | null;
  readonly newGeneration: number | null;
}

export interface Authority {
  readonly authority: number;
  readonly direction: Direction;
}

export interface ReadRow {
  readonly key: Key;
  readonly state: State;
}

export interface SnapshotRead extends Authority {
  readonly epoch: number;
  readonly snapshot: Snapshot;
  readonly rows: readonly ReadRow[];
}

export type EventVerdict = 'applied' | 'superseded' | 'covered' | 'authority' | 'door';
export type ReadVerdict = 'applied' | 'newer' | 'absent' | 'refused' | 'authority';

/** A statement that would break the unique constraint changes nothing. */
export const COLLISION = 'collision';
export type Collision = typeof COLLISION;

interface Change {
  readonly key: Key;
  readonly state: State;
  readonly stored: Stored;
  readonly tenant: Tenant | null;
  readonly decision: 'write' | 'remove';
}

/** At most one event a key. `doors` and `versions` are those of the statement, unless a weaker rule read them before. */
export function applyEvents(
  world: World,
  claim: Authority,
  events: readonly ClaimedEvent[],
  before: { readonly doors?: Doors | undefined; readonly versions?: ReadonlyMap<Key, Stored> | undefined } = {},
): Map<OutboxEvent, EventVerdict> | Collision {
  const { rules } = world;
  const receiver = world.receiverOf(claim.direction);
  const verdicts = new Map<OutboxEvent, EventVerdict>();
  const changes: Change[] = [];
  const stored = before.versions ?? receiver.versions;
  for (const claimed of events) {
    const { event, epoch, oldTenant, oldGeneration, newGeneration } = claimed;
    const { seq, xid, newTenant, key } = event;
    const decision = judgeEvent(
      rules,
      {
        ...claim,
        seq,
        xid,
        epoch,
        op: event.state.row === null ? 'D' : 'U',
        oldTenant,
        newTenant,
        oldGeneration,
        newGeneration,
      },
      receiver.control,
      before.doors ?? receiver.doors,
    );
    if (decision !== 'write' && decision !== 'remove') {
      verdicts.set(event, decision);
    } else if (eventWins(rules, { epoch, seq, xid }, stored.get(key))) {
      const version: Stored = { kind: 'E', epoch, seq, xid };
      changes.push({ key, state: event.state, stored: version, tenant: newTenant, decision });
      verdicts.set(event, 'applied');
    } else {
      verdicts.set(event, 'superseded');
    }
  }
  if (!write(world, receiver, changes)) return COLLISION;
  world.note(
    () => `  ${[...verdicts].map(([event, verdict]) => `k${event.key} seq ${event.seq}: ${verdict}`).join(', ')}`,
  );
  return verdicts;
}

export function applyRead(
  world: World,
  read: SnapshotRead,
  rows: readonly ReadRow[] = read.rows,
): Map<Key, ReadVerdict> | Collision {
  const { rules } = world;
  const receiver = world.receiverOf(read.direction);
  const verdicts = new Map<Key, ReadVerdict>();
  const changes: Change[] = [];
  for (const { key, state } of rows) {
    const tenant = state.row?.tenant ?? null;
    const hasRow = receiver.stateOf(key).row !== null;
    let decision = judgeRead(rules, { ...read, tenant }, receiver.control, receiver.doors, hasRow);
    const held = receiver.stateOf(key).row?.tenant;
    if (decision === 'write' && rules.repairOfMoved === 'deletes' && held !== undefined && held !== tenant)
      decision = 'remove';
    if (decision === 'remove' && rules.repairAfterOn === 'without-deletes' && tenant === null) decision = 'absent';
    if (decision !== 'write' && decision !== 'remove') {
      verdicts.set(key, decision);
    } else if (readWins(rules, read, receiver.versions.get(key))) {
      const version: Stored = { kind: 'S', epoch: read.epoch, snapshot: read.snapshot };
      changes.push({ key, state, stored: version, tenant, decision });
      verdicts.set(key, 'applied');
    } else {
      verdicts.set(key, 'newer');
    }
  }
  if (!write(world, receiver, changes)) return COLLISION;
  world.note(() => `  ${[...verdicts].map(([key, verdict]) => `k${key}: ${verdict}`).join(', ')}`);
  return verdicts;
}

export type Resolution = 'freed' | 'older' | 'waits';

/** Protocol §7, one transaction: who is older loses the value and is read afresh. */
export function resolveCollision(
  world: World,
  direction: Direction,
  key: Key,
  state: State,
  incoming: Stored,
): Resolution {
  const { rules } = world;
  const receiver = world.receiverOf(direction);
  const holder = receiver.holderOf(state.row?.value ?? null, key);
  if (holder === undefined) return 'freed';
  if (rules.collision === 'retry') return 'waits';
  const wins =
    rules.collision === 'evict-holder' ||
    beatsHolder(rules, incoming, receiver.versions.get(holder), receiver.control.floor);
  if (!wins) {
    if (rules.collision === 'older-waits') return 'waits';
    if (rules.collision !== 'no-queue') receiver.repairs.set(key, world.tick());
    world.note(() => `  k${key} is older than k${holder}, which holds its value: queued`);
    return 'older';
  }
  const held = receiver.stateOf(holder);
  const row = world.evictsByNull && held.row !== null ? { ...held.row, value: null } : null;
  receiver.states.set(holder, { version: held.version, row });
  if (rules.collision !== 'no-queue' && rules.collision !== 'evict-holder') receiver.repairs.set(holder, world.tick());
  world.note(() => `  k${holder} loses its value to k${key}: ${row === null ? 'removed' : 'null'}`);
  return 'freed';
}

/** Removes rows of a tenant that is off; their versions stay (protocol §5.4). @returns false when the tenant's door is open again. */
export function eraseTenant(world: World, receiver: Store, tenant: Tenant): boolean {
  const { rules } = world;
  if (rules.eraseChecks === 'closed-door' && receiver.doors.get(tenant)?.isOn === true) return false;
  for (const [key, state] of receiver.states) {
    if (state.row === null) continue;
    const isOurs =
      rules.rollbackErases === 'current-tenant'
        ? state.row.tenant === tenant
        : receiver.appliedKeys.get(key)?.has(tenant) === true;
    if (!isOurs) continue;
    receiver.states.set(key, { version: state.version, row: null });
    if (rules.rollbackVersions === 'dropped') receiver.versions.delete(key);
    world.note(() => `  k${key} erased`);
  }
  return true;
}

/** @returns false when a unique value is taken: nothing is written then. */
function write(world: World, receiver: Store, changes: readonly Change[]): boolean {
  const { rules } = world;
  const states = new Map(receiver.states);
  for (const { key, state, decision } of changes)
    if (decision === 'remove') states.set(key, { version: state.version, row: null });
  for (const { key, state, decision } of changes) {
    if (decision === 'remove') continue;
    const value = state.row?.value ?? null;
    if (value !== null) for (const [other, { row }] of states) if (other !== key && row?.value === value) return false;
    states.set(key, state);
  }
  if (changes.length > 0 && rules.applierWrites === 'captured') captureApplied(world, receiver, changes);
  for (const change of changes) {
    checkTransition(world, receiver, change);
    receiver.shown.set(change.key, Math.max(change.state.version, receiver.shown.get(change.key) ?? 0));
    remember(rules, receiver, change);
  }
  receiver.states = states;
  return true;
}

function remember(rules: Rules, receiver: Store, { key, stored, tenant, decision }: Change): void {
  const isForgotten =
    (stored.kind === 'S' && rules.storedRead === 'forgotten') ||
    (decision === 'remove' && rules.tombstones === 'dropped');
  if (isForgotten) receiver.versions.delete(key);
  else receiver.versions.set(key, stored);
  if (tenant === null) return;
  const tenants = receiver.appliedKeys.get(key) ?? new Set();
  receiver.appliedKeys.set(key, tenants.add(tenant));
}

/** Invariant 2, at every transition: an older state never overwrites a newer one; and nothing of a tenant comes back after its way back. */
function checkTransition(world: World, receiver: Store, { key, state, decision }: Change): void {
  if (world.isHistoryLost) return;
  const shown = receiver.shown.get(key) ?? 0;
  if (state.version < shown)
    world.fail(`k${key} of ${receiver.name} showed v${shown} and is overwritten with the older ${stateText(state)}`);
  const tenant = state.row?.tenant;
  if (decision === 'write' && tenant !== undefined && world.rolledBack.has(tenant))
    world.fail(`k${key} of ${receiver.name} comes back for ${tenant}, whose way back was verified`);
}

/** The weaker rule of protocol §9.4: Crossfade's own writes are captured like an application's. */
function captureApplied(world: World, receiver: Store, changes: readonly Change[]): void {
  if (!receiver.isCaptured) return;
  const transaction = receiver.begin();
  for (const { key, state, decision } of changes) {
    const result: State = decision === 'remove' ? { version: state.version, row: null } : state;
    transaction.events.push({
      seq: receiver.nextSeq++,
      epoch: receiver.epoch,
      xid: transaction.xid,
      key,
      state: result,
      oldTenant: receiver.stateOf(key).row?.tenant ?? null,
      newTenant: result.row?.tenant ?? null,
      status: 'pending',
    });
  }
  receiver.commit(transaction);
  world.note(() => `  ${receiver.name} captures the applier`);
}
