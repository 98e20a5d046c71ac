/**
 * One PostgreSQL store, as far as the protocol sees it: committed rows, transactions in progress with their locks and transaction
 * ids, and Crossfade's own tables. Each store is the source of one direction and the receiver of the other.
 */
import type { Rules } from '../rules.ts';
import { NOTHING_SEEN, type Snapshot, takeSnapshot, type Xid } from './snapshot.ts';
import type { Control, Door, Stored, Tenant } from './verdicts.ts';

export type Key = number;
export type StoreName = 'legacy' | 'target';

export interface Row {
  readonly tenant: Tenant;
  /** Under a unique constraint unless null. */
  readonly value: string | null;
}

/** What an application made of a row. `version` is the model's own knowledge: it grows with every write, and stands for the rest of the row. */
export interface State {
  readonly version: number;
  readonly row: Row | null;
}

export const ABSENT: State = { version: 0, row: null };

export const OPEN_STATUSES = ['pending', 'retry', 'parked', 'dead'] as const;
export type Status = (typeof OPEN_STATUSES)[number] | 'published' | 'suppressed' | 'superseded' | 'covered';

export interface OutboxEvent {
  readonly seq: number;
  readonly epoch: number;
  readonly xid: Xid;
  readonly key: Key;
  readonly state: State;
  readonly oldTenant: Tenant | null;
  readonly newTenant: Tenant | null;
  status: Status;
}

export interface Transaction {
  readonly xid: Xid;
  readonly changes: Map<Key, State>;
  readonly events: OutboxEvent[];
  isAlive: boolean;
}

export interface TenantState {
  readonly generation: number;
  readonly isOn: boolean;
}

export class Store {
  readonly name: StoreName;
  states = new Map<Key, State>();
  readonly active = new Map<Xid, Transaction>();
  nextXid: Xid = 3;

  // ---- as a source ----
  isCaptured = true;
  epoch = 1;
  nextSeq = 1;
  outbox: OutboxEvent[] = [];
  tenants = new Map<Tenant, TenantState>();
  readonly leases = new Map<number, string>();
  isFenced = false;

  // ---- as a receiver ----
  control: Control = { authority: 1, direction: 'forward', sourceEpoch: 1, floor: NOTHING_SEEN };
  readonly versions = new Map<Key, Stored>();
  readonly doors = new Map<Tenant, Door>();
  /** Key to the moment of its last entry: an entry ends only by a read that began after it. */
  readonly repairs = new Map<Key, number>();
  /** Keys that the applied log names. */
  readonly appliedKeys = new Map<Key, Set<Tenant>>();
  /** Ghost: the newest version that each key has shown. */
  readonly shown = new Map<Key, number>();

  constructor(name: StoreName) {
    this.name = name;
  }

  stateOf(key: Key): State {
    return this.states.get(key) ?? ABSENT;
  }

  /** READ COMMITTED, with the transaction's own changes. */
  stateIn(transaction: Transaction, key: Key): State {
    return transaction.changes.get(key) ?? this.stateOf(key);
  }

  snapshot(text: Rules['snapshotText'] = 'primary'): Snapshot {
    return takeSnapshot(this.nextXid, this.active.keys(), text);
  }

  begin(): Transaction {
    const transaction = { xid: this.nextXid++, changes: new Map(), events: [], isAlive: true };
    this.active.set(transaction.xid, transaction);
    return transaction;
  }

  commit(transaction: Transaction): void {
    this.end(transaction);
    for (const [key, state] of transaction.changes) {
      this.states.set(key, state);
      this.shown.set(key, state.version);
    }
    this.outbox.push(...transaction.events);
  }

  abort(transaction: Transaction): void {
    this.end(transaction);
  }

  isLockedByOther(key: Key, transaction: Transaction): boolean {
    for (const other of this.active.values()) if (other !== transaction && other.changes.has(key)) return true;
    return false;
  }

  /** Whether somebody else's open transaction takes or gives up the value: its end decides, so a writer waits for it. */
  isValueInDoubt(value: string, key: Key, transaction: Transaction): boolean {
    for (const other of this.active.values()) {
      if (other === transaction) continue;
      for (const [changed, state] of other.changes) {
        if (changed === key) continue;
        if (state.row?.value === value || this.stateOf(changed).row?.value === value) return true;
      }
    }
    return false;
  }

  /** The committed row that holds the value, if it is another one. */
  holderOf(value: string | null, key: Key): Key | undefined {
    if (value === null) return undefined;
    for (const [other, state] of this.states) if (other !== key && state.row?.value === value) return other;
    return undefined;
  }

  isWritten(): boolean {
    for (const { changes } of this.active.values()) if (changes.size > 0) return true;
    return false;
  }

  openEvents(): readonly OutboxEvent[] {
    return this.outbox.filter(isOpen);
  }

  private end(transaction: Transaction): void {
    if (!transaction.isAlive) throw new RangeError(`transaction ${transaction.xid} has ended already`);
    transaction.isAlive = false;
    this.active.delete(transaction.xid);
  }
}

export function isOpen({ status }: OutboxEvent): boolean {
  return status === 'pending' || status === 'retry' || status === 'parked' || status === 'dead';
}
