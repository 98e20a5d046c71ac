/** Tenants turned on and off in the order of protocol §5, and their way back. */
import { eraseTenant } from '../model/receiver.ts';
import { NOTHING_SEEN, snapshotText } from '../model/snapshot.ts';
import { isOpen, type Key, type Store } from '../model/store.ts';
import type { Direction, Tenant } from '../model/verdicts.ts';
import type { World } from '../model/world.ts';
import { act, type ProcessSpec, type Steps, untilDone } from '../scheduler.ts';
import { repairByTenant, repairKeys } from './repair.ts';

/** A tenant that has been on since before the history began: nothing to copy. */
export function exposeFromStart(source: Store, receiver: Store, tenant: Tenant): void {
  source.tenants.set(tenant, { generation: 1, isOn: true });
  receiver.doors.set(tenant, { generation: 1, isOn: true, openedUnder: NOTHING_SEEN });
}

const WISHES = ['on', 'off', 'rollback', 'toggle'] as const;
export type Wish = (typeof WISHES)[number];

/** Turns tenants on and off as somebody wishes; two of these may wish for the same tenant at once. */
export function controller(world: World, name: string, wished: readonly Wish[] = WISHES): ProcessSpec {
  const { random, profile } = world;
  const wishes = Array.from({ length: 1 + random.below(3) }, () => ({
    tenant: random.pick(profile.tenants),
    wish: random.pick(wished),
  }));
  return {
    name,
    *start() {
      for (const { tenant, wish } of wishes) {
        if (wish === 'on' || wish === 'toggle') yield* turnOn(world, name, 'forward', tenant);
        if (wish === 'off' || wish === 'toggle') yield* turnOff(world, name, 'forward', tenant);
        if (wish === 'rollback') yield* rollBack(world, name, tenant);
      }
    },
    faults: { fails: 0.04, answerLost: 0.04, crashes: 0 },
    restarts: false,
  };
}

/** Steps (i) to (iii), then the repair (iv); every step may be repeated. */
export function* turnOn(world: World, name: string, direction: Direction, tenant: Tenant): Steps {
  yield* openDoor(world, name, direction, tenant);
  yield* repairAfterOn(world, name, direction, tenant);
}

export function* openDoor(world: World, name: string, direction: Direction, tenant: Tenant): Steps {
  const { rules } = world;
  const source = world.sourceOf(direction);
  const receiver = world.receiverOf(direction);
  const takeG = () => act(() => ({ openedUnder: source.snapshot(), epoch: source.epoch }));
  const early = rules.doorSnapshot === 'before-on' ? yield* untilDone(takeG) : undefined;
  yield* untilDone(() =>
    act(() => {
      const { isOn = false, generation = 0 } = source.tenants.get(tenant) ?? {};
      if (isOn) return;
      source.tenants.set(tenant, { isOn: true, generation: generation + 1 });
      world.rolledBack.delete(tenant);
      world.note(() => `${name}: ${tenant} is on, generation ${source.tenants.get(tenant)?.generation}`);
    }),
  );
  yield* untilDone(function* () {
    const state = yield* act(() => source.tenants.get(tenant));
    const isOpened = yield* act(() => {
      const door = receiver.doors.get(tenant);
      return door?.isOn === true && door.generation === state?.generation;
    });
    if (isOpened || state === undefined) return;
    const { openedUnder, epoch } = early ?? (yield* takeG());
    yield* act(() => {
      if (rules.lateDoor === 'refused-by-epoch' && epoch !== receiver.control.sourceEpoch) return;
      const door = receiver.doors.get(tenant);
      if (door !== undefined && (rules.generation === 'ignored' ? door.isOn : door.generation >= state.generation))
        return;
      receiver.doors.set(tenant, { generation: state.generation, isOn: true, openedUnder });
      world.note(
        () =>
          `${name}: opens the door of ${tenant} for generation ${state.generation} under ${snapshotText(openedUnder)}`,
      );
    });
  });
}

function* repairAfterOn(world: World, name: string, direction: Direction, tenant: Tenant): Steps {
  const { rules } = world;
  if (rules.repairAfterOn === 'none') return;
  // Keys that the source has for the tenant, then keys that the receiver has for it.
  for (const store of [world.sourceOf(direction), world.receiverOf(direction)]) {
    const keys = yield* untilDone(() => act(() => keysOf(store, tenant)));
    for (const key of keys) {
      if (rules.repairReads === 'by-tenant') yield* repairByTenant(world, name, direction, tenant, [key]);
      else yield* repairKeys(world, name, direction, [key]);
    }
  }
}

function keysOf({ states }: Store, tenant: Tenant): readonly Key[] {
  return [...states].flatMap(([key, { row }]) => (row?.tenant === tenant ? [key] : []));
}

export function* turnOff(world: World, name: string, direction: Direction, tenant: Tenant): Steps {
  const source = world.sourceOf(direction);
  const receiver = world.receiverOf(direction);
  const closes = yield* untilDone(() =>
    act(() => {
      const { generation = 0 } = source.tenants.get(tenant) ?? {};
      source.tenants.set(tenant, { isOn: false, generation });
      world.note(() => `${name}: ${tenant} is off`);
      return generation;
    }),
  );
  yield* untilDone(() =>
    act(() => {
      closeDoor(world, receiver, tenant, closes);
      world.note(() => `${name}: closes the door of ${tenant}`);
    }),
  );
}

function closeDoor({ rules }: World, receiver: Store, tenant: Tenant, closes: number): void {
  const door = receiver.doors.get(tenant) ?? { generation: 0, isOn: false, openedUnder: NOTHING_SEEN };
  if (rules.doorClose === 'shuts-any-generation' || rules.generation === 'ignored') {
    receiver.doors.set(tenant, { ...door, isOn: false });
  } else if (door.generation <= closes) {
    const generation = rules.doorClose === 'latches-its-generation' ? closes : door.generation;
    receiver.doors.set(tenant, { ...door, isOn: false, generation });
  }
}

/** Off, drained, erased, verified (protocol §5.4). Given up when the tenant was turned on meanwhile. */
function* rollBack(world: World, name: string, tenant: Tenant): Steps {
  const { legacy, target } = world;
  yield* turnOff(world, name, 'forward', tenant);
  const isTenants = ({ oldTenant, newTenant }: { oldTenant: Tenant | null; newTenant: Tenant | null }) =>
    oldTenant === tenant || newTenant === tenant;
  yield* untilDone(() =>
    act(() => {
      for (const event of legacy.outbox) {
        if (!isOpen(event) || !isTenants(event)) continue;
        const isWanted = [event.oldTenant, event.newTenant].some(
          (side) => side !== null && legacy.tenants.get(side)?.isOn === true,
        );
        if (!isWanted) event.status = 'suppressed';
      }
      world.note(() => `${name}: ends the events of ${tenant}`);
    }),
  );
  yield* untilDone(() =>
    act(() => {
      world.note(() => `${name}: erases ${tenant} from the target`);
      eraseTenant(world, target, tenant);
    }),
  );
  yield* act(() => {
    if (legacy.tenants.get(tenant)?.isOn === true || target.doors.get(tenant)?.isOn === true) return;
    // Somebody turned it on and off meanwhile: the gate refuses, and the way back begins again another day.
    if ([...target.states.values()].some(({ row }) => row?.tenant === tenant)) return;
    world.rolledBack.add(tenant);
    world.note(() => `${name}: the way back of ${tenant} is verified`);
  });
}
