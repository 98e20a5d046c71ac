/** What relay and retry consumer share: one claim applied, split where rows collide, and marked (design §3.2-§3.4). */

import { applyEvents, type ClaimedEvent, COLLISION, type EventVerdict, resolveCollision } from '../model/receiver.ts';
import { type Claim, mark } from '../model/source.ts';
import type { OutboxEvent, Status } from '../model/store.ts';
import type { World } from '../model/world.ts';
import { act, type Steps } from '../scheduler.ts';

const COLLISION_ROUNDS = 8;
const STATUS_OF = {
  applied: 'published',
  superseded: 'superseded',
  covered: 'covered',
  authority: undefined,
  door: undefined,
} as const;

export type Marks = Map<OutboxEvent, Status>;

/** @returns what became of the events; those that are not in it stay as they are. */
export function* deliver(world: World, name: string, claim: Claim): Steps<Marks> {
  const marks: Marks = new Map();
  const events = coalesce(world, claim.events);
  const verdicts = yield* applyOnce(world, name, claim, events);
  if (verdicts === COLLISION) {
    for (const claimed of events) yield* settleAlone(world, name, claim, claimed, marks);
  } else {
    record(verdicts, marks);
  }
  // Older states of a row end only with its newest.
  const endedKeys = new Set([...marks].filter(([, status]) => isEnd(status)).map(([{ key }]) => key));
  const newestOf = new Map(events.map(({ event }) => [event.key, event.seq]));
  for (const { event } of claim.events)
    if (endedKeys.has(event.key) && event.seq < (newestOf.get(event.key) ?? 0)) marks.set(event, 'superseded');
  return marks;
}

export function* recordMarks(world: World, name: string, claim: Claim, marks: Marks): Steps {
  yield* act(() => {
    world.note(() => `${name}: marks`);
    mark(world, world.sourceOf(claim.direction), marks);
  });
}

function* settleAlone(world: World, name: string, claim: Claim, claimed: ClaimedEvent, marks: Marks): Steps {
  const { event, epoch } = claimed;
  for (let round = 0; round < COLLISION_ROUNDS; round++) {
    const verdicts = yield* applyOnce(world, name, claim, [claimed]);
    if (verdicts !== COLLISION) {
      record(verdicts, marks);
      return;
    }
    const resolution = yield* act(() => {
      world.note(() => `${name}: resolves the collision of k${event.key} seq ${event.seq}`);
      const incoming = { kind: 'E', epoch, seq: event.seq, xid: event.xid } as const;
      return resolveCollision(world, claim.direction, event.key, event.state, incoming);
    });
    if (resolution === 'older') marks.set(event, 'superseded');
    if (resolution !== 'freed') return;
  }
  marks.set(event, 'retry');
}

function* applyOnce(
  world: World,
  name: string,
  claim: Claim,
  events: readonly ClaimedEvent[],
): Steps<Map<OutboxEvent, EventVerdict> | typeof COLLISION> {
  const { rules } = world;
  const receiver = world.receiverOf(claim.direction);
  const doors = rules.doorLock === 'read-before' ? yield* act(() => new Map(receiver.doors)) : undefined;
  const versions = rules.guard === 'read-then-write' ? yield* act(() => new Map(receiver.versions)) : undefined;
  return yield* act(() => {
    world.note(() => `${name}: applies seq ${events.map(({ event }) => event.seq).join(', ')} to ${receiver.name}`);
    return applyEvents(world, claim, events, { doors, versions });
  });
}

function record(verdicts: ReadonlyMap<OutboxEvent, EventVerdict>, marks: Marks): void {
  for (const [event, verdict] of verdicts) {
    const status = STATUS_OF[verdict];
    // It stays pending: for whoever is in force, or until its door is open.
    if (status !== undefined) marks.set(event, status);
  }
}

/**
 * Newest of each row, in order of seq. Events of a row that moved on from a second tenant wait for the next claim: each side of a
 * move is judged by its own door, and one event can speak for one old tenant only.
 */
export function coalesce(world: World, events: readonly ClaimedEvent[]): readonly ClaimedEvent[] {
  const { rules } = world;
  const newest = new Map<number, ClaimedEvent>();
  const closed = new Set<number>();
  for (const claimed of events) {
    const { key } = claimed.event;
    const older = newest.get(key);
    const left = older?.oldTenant != null ? older : undefined;
    const hasMovedOn = left !== undefined && claimed.oldTenant !== null && claimed.oldTenant !== left.oldTenant;
    if (rules.coalesced === 'within-one-old-tenant' && hasMovedOn) closed.add(key);
    if (closed.has(key)) continue;
    newest.delete(key);
    const keepsOwn = left === undefined || rules.coalesced === 'keeps-own-old-tenant';
    newest.set(key, keepsOwn ? claimed : { ...claimed, oldTenant: left.oldTenant, oldGeneration: left.oldGeneration });
  }
  return [...newest.values()];
}

function isEnd(status: Status): boolean {
  return status === 'published' || status === 'superseded' || status === 'covered';
}
