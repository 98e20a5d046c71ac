/**
 * The decisions of the protocol's tables (§2, §5.5, §6, §7, §8, §9.3) as pure functions. The simulation decides by them, and
 * test/scenarios/model-verdicts.test.ts holds them against the product's own statements on PostgreSQL.
 */
import type { Rules } from '../rules.ts';
import { isNotNewer, isVisible, type Snapshot, type Xid } from './snapshot.ts';

export type Tenant = string;
export type Direction = 'forward' | 'reverse';

/** What the receiver keeps of a row key: the tagged union of protocol §1. */
export type Stored =
  | { readonly kind: 'E'; readonly epoch: number; readonly seq: number; readonly xid: Xid }
  | { readonly kind: 'S'; readonly epoch: number; readonly snapshot: Snapshot };

export interface Control {
  readonly authority: number;
  readonly direction: Direction;
  readonly sourceEpoch: number;
  readonly floor: Snapshot;
}

export interface Door {
  readonly generation: number;
  readonly isOn: boolean;
  /** G: what the source had committed when the door was opened. */
  readonly openedUnder: Snapshot;
}

export type Doors = ReadonlyMap<Tenant, Door>;

/** What the relay carried: authority and direction of its claim, or of the statement that read. */
export interface Carried {
  readonly authority: number;
  readonly direction: Direction;
  readonly epoch: number;
}

export interface IncomingEvent extends Carried {
  readonly seq: number;
  readonly xid: Xid;
  readonly op: 'U' | 'D';
  readonly oldTenant: Tenant | null;
  readonly newTenant: Tenant | null;
  /** Generations stamped by the claim; null when the tenant had no state. */
  readonly oldGeneration: number | null;
  readonly newGeneration: number | null;
}

/** `authority` and `door` are not refusals for good: the event stays pending. */
export type EventDecision = 'write' | 'remove' | 'covered' | 'superseded' | 'authority' | 'door';

/** What the control row and the doors say to an event, before its version is compared. */
export function judgeEvent(rules: Rules, event: IncomingEvent, control: Control, doors: Doors): EventDecision {
  if (!carriesAuthority(rules, event, control)) return 'authority';
  if (rules.otherEpochs === 'refused' && event.epoch !== control.sourceEpoch)
    return rules.epochAhead === 'waits' && event.epoch > control.sourceEpoch ? 'door' : 'superseded';
  if (rules.floorBinds !== 'reads' && isVisible(event.xid, control.floor)) return 'covered';
  if (rules.doorBehind === 'waits' && rules.generation === 'checked' && isBehind(doors, event)) return 'door';
  const enters = event.op === 'U' && admits(rules, doors, event.newTenant, event.newGeneration, event.xid);
  const leaves = admits(rules, doors, event.oldTenant, event.oldGeneration, event.xid);
  switch (rules.move) {
    case 'judged-per-side':
      return enters ? 'write' : leaves ? 'remove' : 'covered';
    case 'new-tenant-only':
      if (event.op === 'U') return enters ? 'write' : 'covered';
      return leaves ? 'remove' : 'covered';
    case 'one-verdict': {
      const either = enters || leaves;
      return !either ? 'covered' : event.op === 'U' ? 'write' : 'remove';
    }
  }
}

/** Whether an event may replace what is stored for its row. */
export function eventWins(
  rules: Rules,
  event: { readonly epoch: number; readonly seq: number; readonly xid: Xid },
  stored: Stored | undefined,
): boolean {
  if (stored === undefined || rules.guard === 'none') return true;
  if (event.epoch !== stored.epoch) return event.epoch > stored.epoch;
  if (stored.kind === 'S') return rules.storedRead === 'ignored-by-events' || !isVisible(event.xid, stored.snapshot);
  return rules.eventOrder === 'xid' ? event.xid > stored.xid : event.seq > stored.seq;
}

export interface IncomingRead extends Carried {
  readonly snapshot: Snapshot;
  /** The row's tenant under the snapshot; null when the row was absent. */
  readonly tenant: Tenant | null;
}

export type ReadDecision = 'write' | 'remove' | 'absent' | 'refused' | 'authority';

/** The same for a row, or its absence, that was read under a snapshot. */
export function judgeRead(
  rules: Rules,
  read: IncomingRead,
  control: Control,
  doors: Doors,
  receiverHasRow: boolean,
): ReadDecision {
  if (!carriesAuthority(rules, read, control)) return 'authority';
  if (rules.otherEpochs === 'refused' && read.epoch !== control.sourceEpoch) return 'refused';
  if (rules.floorBinds !== 'events' && !isNotNewer(control.floor, read.snapshot, rules.snapshotOrder)) return 'refused';
  const door = read.tenant === null ? undefined : doors.get(read.tenant);
  if (door?.isOn === true) {
    const unbound = rules.doorSnapshot === 'ignored' || rules.doorSnapshot === 'ignored-by-reads';
    return unbound || isNotNewer(door.openedUnder, read.snapshot, rules.snapshotOrder) ? 'write' : 'refused';
  }
  return receiverHasRow ? 'remove' : 'absent';
}

/** Whether a read may replace what is stored for its row. */
export function readWins(
  rules: Rules,
  read: { readonly epoch: number; readonly snapshot: Snapshot },
  stored: Stored | undefined,
): boolean {
  if (stored === undefined || rules.guard === 'none') return true;
  if (read.epoch !== stored.epoch) return read.epoch > stored.epoch;
  if (stored.kind === 'E') return rules.storedEvent === 'seq' || isVisible(stored.xid, read.snapshot);
  return isNotNewer(stored.snapshot, read.snapshot, rules.snapshotOrder);
}

/** Protocol §7: the same table across keys. A holder without a version is as old as the floor. */
export function beatsHolder(rules: Rules, incoming: Stored, holder: Stored | undefined, floor: Snapshot): boolean {
  const held = holder ?? { kind: 'S', epoch: incoming.epoch, snapshot: floor };
  return incoming.kind === 'E' ? eventWins(rules, incoming, held) : readWins(rules, incoming, held);
}

/** Whether a side of the event is of a generation whose door is still to be opened. */
function isBehind(doors: Doors, { oldTenant, oldGeneration, newTenant, newGeneration }: IncomingEvent): boolean {
  const isAhead = (tenant: Tenant | null, generation: number | null) =>
    tenant !== null && generation !== null && generation > (doors.get(tenant)?.generation ?? 0);
  return isAhead(oldTenant, oldGeneration) || isAhead(newTenant, newGeneration);
}

function carriesAuthority(rules: Rules, carried: Carried, control: Control): boolean {
  if (rules.authority === 'ignored') return true;
  return carried.authority === control.authority && carried.direction === control.direction;
}

function admits(rules: Rules, doors: Doors, tenant: Tenant | null, generation: number | null, xid: Xid): boolean {
  const door = tenant === null ? undefined : doors.get(tenant);
  if (door === undefined || !door.isOn) return false;
  if (rules.generation === 'checked' && door.generation !== generation) return false;
  return rules.doorSnapshot === 'ignored' || !isVisible(xid, door.openedUnder);
}
