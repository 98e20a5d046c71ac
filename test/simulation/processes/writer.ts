/** An application: transactions of a few changes, in whichever store takes its writes, captured as they are made (protocol §3). */
import type { Key, Row, State, Store, Transaction } from '../model/store.ts';
import { stateText, type World } from '../model/world.ts';
import { act, attempt, giveUp, type ProcessSpec, type Steps, type Wait } from '../scheduler.ts';

interface Session {
  transaction: Transaction | undefined;
  store: Store;
  /** Sequence numbers that the session took ahead: the weaker rule of a cached sequence. */
  readonly cached: number[];
}

export function aWriter(world: World, name: string): ProcessSpec {
  const session: Session = { transaction: undefined, store: world.legacy, cached: [] };
  return {
    name,
    start: () => work(world, name, session),
    faults: { fails: 0.02, answerLost: 0.02, crashes: 0.02 },
    onCrash: () => endOpen(session),
    restarts: false,
  };
}

function* work(world: World, name: string, session: Session): Steps {
  const { random, profile } = world;
  const transactions = 1 + random.below(profile.transactions);
  for (let n = 0; n < transactions; n++) {
    const isDone = yield* attempt(() => transact(world, name, session));
    if (!isDone) endOpen(session);
  }
}

function endOpen({ transaction, store }: Session): void {
  if (transaction?.isAlive === true) store.abort(transaction);
}

function* transact(world: World, name: string, session: Session): Steps {
  const { random } = world;
  const transaction = yield* act(
    () => {
      session.store = random.pick(openStores(world));
      session.transaction = session.store.begin();
      world.note(() => `${name}: begins xid ${session.transaction?.xid} in ${session.store.name}`);
      return session.transaction;
    },
    { kind: 'idle', isReady: () => openStores(world).length > 0 },
  );

  const changes = 1 + random.below(3);
  for (let n = 0; n < changes; n++) yield* change(world, name, session, transaction);

  const commits = random.chance(0.85);
  yield* act(() => {
    requireAlive(transaction);
    if (!commits || breaksUniqueness(session.store, transaction)) {
      session.store.abort(transaction);
      world.note(() => `${name}: aborts xid ${transaction.xid}`);
      return;
    }
    session.store.commit(transaction);
    for (const [key, state] of transaction.changes) world.truth.set(key, state);
    world.note(() => `${name}: commits xid ${transaction.xid}`);
  });
}

/** Where an application's write is accepted. */
function openStores({ legacy, target }: World): readonly Store[] {
  return [legacy, target].filter((store) => !store.isFenced);
}

function* change(world: World, name: string, session: Session, transaction: Transaction): Steps {
  const { random, rules, profile } = world;
  const { store } = session;
  const key = random.below(profile.keys);
  const isDelete = random.chance(0.3);
  const wanted: Row | null = isDelete ? null : aRow(world, store.stateIn(transaction, key).row);
  const early = rules.sequenceTaken === 'before-lock' ? yield* act(() => nextSeq(world, session)) : undefined;

  // A DELETE waits for nobody when it sees no row; an INSERT waits for whoever is inserting the key.
  const seesNothing = () => isDelete && store.stateIn(transaction, key).row === null;
  const lock: Wait = {
    kind: 'lock',
    isReady: () => !transaction.isAlive || seesNothing() || mayWrite(store, transaction, key, wanted),
  };
  // The client library captures in a statement of its own, a trigger in the statement of the change.
  const isTwoStatements = rules.sequenceTaken === 'under-lock' && random.chance(0.3);
  const old = yield* act(() => {
    requireAlive(transaction);
    if (store.isFenced) {
      world.note(() => `${name}: is refused by the fence of ${store.name}`);
      store.abort(transaction);
      giveUp();
    }
    const before = store.stateIn(transaction, key);
    if (isDelete && before.row === null) {
      // The library's caller names the tenant of the row that it believes to have deleted.
      const believed: Row = { tenant: random.pick(profile.tenants), value: null };
      if (rules.emptyStatement === 'captures-delete') capture(world, name, session, transaction, key, believed, early);
      return undefined;
    }
    if (!profile.isDeferrable && isTaken(store, transaction, key, wanted)) return undefined;
    const state: State = { version: world.nextVersion(), row: wanted };
    transaction.changes.set(key, state);
    world.note(() => `${name}: xid ${transaction.xid} makes k${key} ${stateText(state)}`);
    if (!isTwoStatements) capture(world, name, session, transaction, key, before.row, early);
    return before;
  }, lock);
  if (isTwoStatements && old !== undefined) {
    yield* act(() => {
      requireAlive(transaction);
      capture(world, name, session, transaction, key, old.row, undefined);
    });
  }
}

/** The state is re-read, and the sequence number taken, while the row lock is held. */
function capture(
  world: World,
  name: string,
  session: Session,
  transaction: Transaction,
  key: Key,
  before: Row | null,
  early: number | undefined,
): void {
  const { store } = session;
  if (!store.isCaptured) return;
  const state = store.stateIn(transaction, key);
  const seq = early ?? nextSeq(world, session);
  transaction.events.push({
    seq,
    epoch: store.epoch,
    xid: transaction.xid,
    key,
    state,
    oldTenant: before?.tenant ?? null,
    newTenant: state.row?.tenant ?? null,
    status: 'pending',
  });
  world.note(() => `${name}: captures k${key} as seq ${seq}, epoch ${store.epoch}`);
}

function nextSeq(world: World, { store, cached }: Session): number {
  const held = cached.shift();
  if (held !== undefined) return held;
  const seq = store.nextSeq++;
  for (let ahead = 1; ahead < world.rules.sequenceCache; ahead++) cached.push(store.nextSeq++);
  return seq;
}

function aRow(world: World, before: Row | null): Row {
  const { random, profile } = world;
  const tenant = before === null || random.chance(profile.moves) ? random.pick(profile.tenants) : before.tenant;
  if (profile.values.length === 0) return { tenant, value: null };
  return { tenant, value: random.chance(0.2) ? null : random.pick(profile.values) };
}

function mayWrite(store: Store, transaction: Transaction, key: Key, row: Row | null): boolean {
  if (store.isLockedByOther(key, transaction)) return false;
  return row?.value == null || !store.isValueInDoubt(row.value, key, transaction);
}

/** By a row as this transaction sees it. */
function isTaken(store: Store, transaction: Transaction, key: Key, row: Row | null): boolean {
  if (row?.value == null) return false;
  for (const other of new Set([...store.states.keys(), ...transaction.changes.keys()]))
    if (other !== key && store.stateIn(transaction, other).row?.value === row.value) return true;
  return false;
}

/** Only a deferred constraint is still open at the commit. */
function breaksUniqueness(store: Store, transaction: Transaction): boolean {
  return [...transaction.changes].some(([key, { row }]) => isTaken(store, transaction, key, row));
}

/** A restore of the store ends every transaction. */
function requireAlive(transaction: Transaction): void {
  if (!transaction.isAlive) giveUp();
}
