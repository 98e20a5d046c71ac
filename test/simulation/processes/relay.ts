/** Workers of the relay: claim, deliver, mark. Two for each shard, so that one may live on after the other has taken its lease. */
import { type Claim, claim, mark } from '../model/source.ts';
import { isOpen, type OutboxEvent, type Status, type Store, type TenantState } from '../model/store.ts';
import type { Direction, Tenant } from '../model/verdicts.ts';
import type { World } from '../model/world.ts';
import { act, attempt, type ProcessSpec, type Steps } from '../scheduler.ts';
import { deliver, recordMarks } from './delivery.ts';

const SHARDS = 2;

interface Memory {
  tenants: ReadonlyMap<Tenant, TenantState> | undefined;
  behind: number;
}

export function relayWorkers(world: World, direction: Direction): readonly ProcessSpec[] {
  const shards = world.random.pick([1, SHARDS]);
  return Array.from({ length: shards }, (_, shard) =>
    ['a', 'b'].map((letter): ProcessSpec => {
      const name = `relay ${direction} ${shard}${letter}`;
      const memory: Memory = { tenants: undefined, behind: 0 };
      return {
        name,
        start: () => work(world, direction, shard, shards, name, memory),
        faults: { fails: 0.04, answerLost: 0.04, crashes: 0.04 },
        restarts: true,
      };
    }),
  ).flat();
}

function* work(world: World, direction: Direction, shard: number, shards: number, name: string, memory: Memory): Steps {
  for (;;) yield* attempt(() => deliverNext(world, direction, shard, shards, name, memory));
}

function* deliverNext(
  world: World,
  direction: Direction,
  shard: number,
  shards: number,
  name: string,
  memory: Memory,
): Steps {
  const { rules, random } = world;
  const source = world.sourceOf(direction);
  const isReady = () =>
    source.control.direction === direction &&
    hasWork(source, shard, shards, rules.claimedBy === 'state' ? 0 : memory.behind);
  if (rules.suppressedBy === 'remembered-flag' && (memory.tenants === undefined || random.chance(0.3))) {
    memory.tenants = yield* act(() => {
      world.note(() => `${name}: remembers the flags`);
      return new Map(source.tenants);
    });
  }
  const claimed = yield* act(
    (): Claim | undefined => {
      // Its lease has lapsed; whoever held it may live on.
      if (random.chance(0.5)) source.leases.delete(shard);
      world.note(() => `${name}: claims`);
      const behind = rules.claimedBy === 'high-water-mark' ? memory.behind : 0;
      const remembered = rules.suppressedBy === 'remembered-flag' ? memory.tenants : undefined;
      const limit = 1 + random.below(4);
      return claim(world, { direction, shard, shards, holder: name, limit, behind, remembered });
    },
    { kind: 'idle', isReady },
  );
  if (claimed === undefined || claimed.events.length === 0) return;
  memory.behind = Math.max(memory.behind, ...claimed.events.map(({ event }) => event.seq));
  world.note(() => `  ${claimed.events.map(({ event }) => `k${event.key} seq ${event.seq}`).join(', ')}`);

  if (world.isFaulty && random.chance(0.15)) {
    yield* setAside(world, name, claimed, random.pick(['parked', 'retry']));
    return;
  }
  if (rules.marked === 'before-apply') {
    yield* recordMarks(world, name, claimed, new Map(claimed.events.map(({ event }) => [event, 'published'])));
  }
  const marks = yield* deliver(world, name, claimed);
  yield* recordMarks(world, name, claimed, marks);
}

function hasWork(source: Store, shard: number, shards: number, behind: number): boolean {
  return source.outbox.some(({ status, key, seq }) => status === 'pending' && seq > behind && key % shards === shard);
}

/** One event fails by itself: for good (parked), or perhaps not (its message goes to the queue, which may lose it). */
function* setAside(world: World, name: string, claimed: Claim, status: Status): Steps {
  const { random } = world;
  const { event } = random.pick(claimed.events);
  const source = world.sourceOf(claimed.direction);
  yield* act(() => {
    world.note(() => `${name}: seq ${event.seq} cannot be applied`);
    mark(world, source, new Map([[event, status]]));
  });
  if (status !== 'retry') return;
  yield* act(() => {
    if (random.chance(0.8)) world.retryQueue.push(messageOf(claimed.direction, event));
    if (random.chance(0.2)) world.retryQueue.push(messageOf(claimed.direction, event));
  });
}

function messageOf(direction: Direction, { seq, epoch }: OutboxEvent) {
  return { direction, seq, epoch, receives: 0 };
}

/** What a person does about events that were set aside, and the sweeper about retries that were lost. @returns whether there were any. */
export function redrive(world: World, source: Store): boolean {
  const waiting = source.outbox.filter((event) => isOpen(event) && event.status !== 'pending');
  for (const event of waiting) event.status = 'pending';
  if (waiting.length > 0)
    world.note(() => `redrive: seq ${waiting.map(({ seq }) => seq).join(', ')} of ${source.name}`);
  return waiting.length > 0;
}
