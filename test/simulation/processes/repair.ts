/** Snapshot reads and what becomes of them: the repair queue, the repair that follows "on", and strays that come late (protocol §4, §5.5). */
import {
  applyRead,
  COLLISION,
  type ReadRow,
  type ReadVerdict,
  resolveCollision,
  type SnapshotRead,
} from '../model/receiver.ts';
import { snapshotText } from '../model/snapshot.ts';
import { readRows, sourceFacts } from '../model/source.ts';
import { ABSENT, type Key } from '../model/store.ts';
import type { Direction, Tenant } from '../model/verdicts.ts';
import { stateText, type World } from '../model/world.ts';
import { act, attempt, type ProcessSpec, type Steps, untilDone } from '../scheduler.ts';

const COLLISION_ROUNDS = 8;

/** One statement: rows, absences, snapshot, epoch and authority agree. */
export function* read(world: World, name: string, direction: Direction, keys: readonly Key[]): Steps<SnapshotRead> {
  const { rules } = world;
  const source = world.sourceOf(direction);
  const facts = () => sourceFacts(world, direction);
  const rows = () => readRows(source, keys);
  const note = (done: SnapshotRead): SnapshotRead => {
    world.note(
      () =>
        `${name}: read ${done.rows.map(({ key, state }) => `k${key} ${stateText(state)}`).join(', ')} under ${snapshotText(done.snapshot)}`,
    );
    return done;
  };
  if (rules.snapshotTaken === 'with-the-rows') return yield* act(() => note({ ...facts(), rows: rows() }));
  if (rules.snapshotTaken === 'before-the-rows') {
    const early = yield* act(facts);
    return yield* act(() => note({ ...early, rows: rows() }));
  }
  const early = yield* act(rows);
  return yield* act(() => note({ ...facts(), rows: early }));
}

/** Applies a page; rows that collide are settled alone. */
export function* apply(world: World, name: string, page: SnapshotRead): Steps<Map<Key, ReadVerdict>> {
  const whole = yield* act(() => {
    world.note(() => `${name}: applies its read of ${page.rows.map(({ key }) => `k${key}`).join(', ')}`);
    return applyRead(world, page);
  });
  if (whole !== COLLISION) return whole;
  const verdicts = new Map<Key, ReadVerdict>();
  for (const row of page.rows) verdicts.set(row.key, yield* applyAlone(world, name, page, row));
  return verdicts;
}

function* applyAlone(world: World, name: string, page: SnapshotRead, row: ReadRow): Steps<ReadVerdict> {
  const incoming = { kind: 'S', epoch: page.epoch, snapshot: page.snapshot } as const;
  for (let round = 0; round < COLLISION_ROUNDS; round++) {
    const verdicts = yield* act(() => applyRead(world, page, [row]));
    if (verdicts !== COLLISION) return verdicts.get(row.key) ?? 'refused';
    const resolution = yield* act(() => {
      world.note(() => `${name}: resolves the collision of k${row.key}`);
      return resolveCollision(world, page.direction, row.key, row.state, incoming);
    });
    if (resolution === 'older') return 'newer';
    if (resolution === 'waits') return 'refused';
  }
  return 'refused';
}

/** Reads and writes the keys until each has ended; a refused one is read afresh. */
export function* repairKeys(
  world: World,
  name: string,
  direction: Direction,
  keys: readonly Key[],
  mayGoOn: () => boolean = () => true,
): Steps {
  let left = keys;
  while (left.length > 0 && mayGoOn()) {
    const verdicts = yield* untilDone(function* () {
      return yield* apply(world, name, yield* read(world, name, direction, left));
    });
    left = left.filter((key) => verdicts.get(key) === 'refused');
    // Whatever was refused by authority is not this direction's any more.
  }
}

/** The weaker rule of protocol §5.5: `WHERE tenant = t`, so that another tenant's row looks absent. */
export function* repairByTenant(
  world: World,
  name: string,
  direction: Direction,
  tenant: Tenant,
  keys: readonly Key[],
): Steps {
  yield* untilDone(function* () {
    const page = yield* read(world, name, direction, keys);
    const filtered = page.rows.map(({ key, state }) => ({
      key,
      state: state.row === null || state.row.tenant === tenant ? state : { ...ABSENT, version: state.version },
    }));
    return yield* apply(world, name, { ...page, rows: filtered });
  });
}

/** Works the repair queue of a direction while that is in force. */
export function repairWorker(world: World, direction: Direction): ProcessSpec {
  const name = `repair queue ${direction}`;
  const source = world.sourceOf(direction);
  const receiver = world.receiverOf(direction);
  const turn = function* (): Steps {
    const taken = yield* act(() => ({ keys: [...receiver.repairs.keys()], at: world.tick() }), {
      kind: 'idle',
      isReady: () => receiver.repairs.size > 0 && source.control.direction === direction,
    });
    const verdicts = yield* apply(world, name, yield* read(world, name, direction, taken.keys));
    yield* act(() => {
      for (const [key, verdict] of verdicts) {
        if (verdict === 'refused' || verdict === 'authority') continue;
        // Queued again since then: that entry wants a later read.
        if ((receiver.repairs.get(key) ?? Number.POSITIVE_INFINITY) <= taken.at) receiver.repairs.delete(key);
      }
    });
  };
  return {
    name,
    start: function* () {
      for (;;) yield* attempt(turn);
    },
    faults: { fails: 0.05, answerLost: 0.05, crashes: 0.05 },
    restarts: true,
  };
}

/** A copy or repair that was given up, and whose last statement arrives all the same, however late. */
export function strayRead(world: World, name: string): ProcessSpec {
  const keys = Array.from({ length: world.profile.keys }, (_, key) => key).filter(
    (key) => key === 0 || world.random.chance(0.6),
  );
  return {
    name,
    start: function* () {
      const page = yield* read(world, name, world.legacy.control.direction, keys);
      // Once the faults are over a stray read would only mend what should have been right without it.
      if (!world.isFaulty) return;
      yield* apply(world, name, page);
    },
    faults: { fails: 0, answerLost: 0.02, crashes: 0.02 },
    restarts: false,
  };
}
