/** Forgetting row versions, and events that have ended, by the exact condition of protocol §6. */
import { isNotNewer, isVisible, type Snapshot, snapshotText } from '../model/snapshot.ts';
import { isOpen, type OutboxEvent } from '../model/store.ts';
import type { World } from '../model/world.ts';
import { act, attempt, type ProcessSpec, type Steps } from '../scheduler.ts';

export function purger(world: World, name: string): ProcessSpec {
  const turns = 1 + world.random.below(2);
  return {
    name,
    *start() {
      for (let turn = 0; turn < turns; turn++)
        yield* attempt(() =>
          world.rules.purge === 'no-pending-event' ? purgeIdleKeys(world, name) : purge(world, name),
        );
    },
    faults: { fails: 0.02, answerLost: 0.02, crashes: 0.02 },
    restarts: false,
  };
}

function* purge(world: World, name: string): Steps {
  const { rules, legacy, target, random } = world;
  const { snapshot, epoch, authority } = yield* act(() => ({
    snapshot: legacy.snapshot(),
    epoch: legacy.epoch,
    authority: legacy.control.authority,
  }));
  const ends = ({ status }: OutboxEvent) =>
    rules.purge === 'parked-is-terminal' && (status === 'parked' || status === 'dead');
  const isSafe = yield* act(() =>
    legacy.outbox.every((event) => !isOpen(event) || ends(event) || !isVisible(event.xid, snapshot)),
  );
  if (!isSafe) return;
  yield* act(() => {
    const { control } = target;
    if (control.sourceEpoch !== epoch || control.authority !== authority) return;
    // A purge that comes late must not take the floor back below what another one has forgotten.
    if (rules.floorMoves === 'up' && !isNotNewer(control.floor, snapshot, 'xmax-then-xip')) return;
    target.control = { ...control, floor: snapshot };
    for (const [key, stored] of target.versions) {
      const isForgotten =
        stored.epoch === epoch &&
        (stored.kind === 'E' ? isVisible(stored.xid, snapshot) : isBelow(stored.snapshot, snapshot));
      if (isForgotten) target.versions.delete(key);
    }
    world.note(() => `${name}: purges to the floor ${snapshotText(snapshot)}`);
  });
  if (random.chance(0.5)) {
    yield* act(() => {
      legacy.outbox = legacy.outbox.filter(isOpen);
      world.note(() => `${name}: purges the outbox`);
    });
  }
}

/** The weaker rule: whatever has no event on its way is forgotten, and nothing is said about late readers. */
function* purgeIdleKeys(world: World, name: string): Steps {
  const { legacy, target } = world;
  const busy = yield* act(() => new Set(legacy.openEvents().map(({ key }) => key)));
  yield* act(() => {
    for (const key of target.versions.keys()) if (!busy.has(key)) target.versions.delete(key);
    world.note(() => `${name}: purges versions without pending events`);
  });
}

function isBelow(stored: Snapshot, floor: Snapshot): boolean {
  return isNotNewer(stored, floor, 'xmax-then-xip');
}
