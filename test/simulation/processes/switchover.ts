/** Write authority moves from one store to the other, and back by the same steps mirrored (protocol §9). */
import { isOpen, type Store } from '../model/store.ts';
import type { Direction } from '../model/verdicts.ts';
import type { World } from '../model/world.ts';
import { act, NO_FAULTS, type ProcessSpec, type Steps } from '../scheduler.ts';
import { openDoor } from './exposure.ts';

export function switchover(world: World): ProcessSpec {
  const isThereAndBack = world.random.chance(0.6);
  return {
    name: 'switchover',
    *start() {
      yield* act(() => undefined);
      yield* moveTo(world, 'reverse');
      if (isThereAndBack) yield* moveTo(world, 'forward');
    },
    faults: NO_FAULTS,
    restarts: false,
  };
}

/** From here on `direction` is in force: its source takes the applications' writes. */
function* moveTo(world: World, direction: Direction): Steps {
  const { rules, profile } = world;
  const old = direction === 'reverse' ? 'forward' : 'reverse';
  const before = world.sourceOf(old);
  const after = world.sourceOf(direction);
  const name = `switchover to ${direction}`;
  const waits = (before.name === 'legacy' ? rules.fenceLegacy : rules.fenceTarget) === 'waits-for-writers';

  if (direction === 'reverse' && rules.reverseCapture === 'before-authority') yield* capture(world, name, after);
  if (rules.drainRead === 'before-the-wait') yield* drain(world, name, old);
  yield* act(
    () => {
      before.isFenced = true;
      world.note(() => `${name}: ${before.name} is fenced`);
    },
    { kind: 'idle', isReady: () => !waits || !before.isWritten() },
  );
  if (rules.drainRead === 'after-the-wait') yield* drain(world, name, old);

  const authority = before.control.authority + 1;
  yield* act(() => {
    after.control = { ...after.control, authority, direction };
    world.note(() => `${name}: authority ${authority} in ${after.name}`);
  });
  for (const tenant of profile.tenants) yield* openDoor(world, name, direction, tenant);
  yield* act(() => {
    before.control = { ...before.control, authority, direction };
    world.note(() => `${name}: authority ${authority} in ${before.name}`);
  });
  yield* act(() => {
    after.isFenced = false;
    world.note(() => `${name}: ${after.name} takes writes`);
  });
  if (direction === 'reverse' && rules.reverseCapture === 'after-authority') yield* capture(world, name, after);
}

/** Creating the trigger waits for the writers already in the table. */
function* capture(world: World, name: string, store: Store): Steps {
  yield* act(
    () => {
      store.isCaptured = true;
      world.note(() => `${name}: ${store.name} is captured`);
    },
    { kind: 'idle', isReady: () => !store.isWritten() },
  );
}

/** What was set aside is somebody's write that has not arrived: it blocks until it is redriven. */
function* drain(world: World, name: string, direction: Direction): Steps {
  const source = world.sourceOf(direction);
  const receiver = world.receiverOf(direction);
  const isDrained = () =>
    receiver.repairs.size === 0 &&
    source.outbox.every(
      (event) =>
        !isOpen(event) || (world.rules.setAside === 'passes' && (event.status === 'parked' || event.status === 'dead')),
    );
  yield* act(() => world.note(() => `${name}: ${source.name} is drained`), { kind: 'idle', isReady: isDrained });
}
