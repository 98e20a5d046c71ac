/** Legacy goes back to a backup, and what must happen then (protocol §8). Nothing in the restored store says that it was restored. */
import { NOTHING_SEEN, snapshotText } from '../model/snapshot.ts';
import type { OutboxEvent, State, TenantState } from '../model/store.ts';
import type { Tenant } from '../model/verdicts.ts';
import type { World } from '../model/world.ts';
import { act, NO_FAULTS, type ProcessSpec, type Steps, untilDone } from '../scheduler.ts';
import { openDoor } from './exposure.ts';
import { read, repairKeys } from './repair.ts';

interface Backup {
  readonly states: ReadonlyMap<number, State>;
  readonly outbox: readonly OutboxEvent[];
  readonly tenants: ReadonlyMap<Tenant, TenantState>;
  readonly epoch: number;
  readonly nextXid: number;
  readonly nextSeq: number;
}

export function restorer(world: World): ProcessSpec {
  const name = 'restore';
  return {
    name,
    *start() {
      const backup = yield* act(() => takeBackup(world));
      yield* act(() => undefined);
      const isRestored = yield* act(() => {
        if (world.isFaulty) restore(world, backup);
        return world.isFaulty;
      });
      if (isRestored && world.rules.epochStamped !== 'never') yield* recover(world, 'recovery');
      else if (isRestored) world.isHistoryLost = false;
    },
    faults: NO_FAULTS,
    restarts: false,
  };
}

function takeBackup(world: World): Backup {
  const { legacy } = world;
  const { states, outbox, tenants, epoch, nextXid, nextSeq } = legacy;
  world.note(() => 'restore: a backup of legacy is taken');
  const events = outbox.map((event) => ({ ...event }));
  return { states: new Map(states), outbox: events, tenants: new Map(tenants), epoch, nextXid, nextSeq };
}

function restore(world: World, backup: Backup): void {
  const { legacy, target } = world;
  for (const transaction of [...legacy.active.values()]) legacy.abort(transaction);
  legacy.states = new Map(backup.states);
  legacy.outbox = backup.outbox.map((event) => ({ ...event }));
  legacy.tenants = new Map(backup.tenants);
  legacy.epoch = backup.epoch;
  // Both are handed out a second time.
  legacy.nextXid = backup.nextXid;
  legacy.nextSeq = backup.nextSeq;
  legacy.leases.clear();
  legacy.shown.clear();
  target.shown.clear();
  world.truth = new Map(backup.states);
  world.isHistoryLost = true;
  world.note(() => `restore: legacy is what it was at xid ${backup.nextXid}, seq ${backup.nextSeq}`);
}

function* recover(world: World, name: string): Steps {
  const { rules, legacy, target, profile } = world;
  const epoch = yield* act(() => Math.max(legacy.epoch, target.control.sourceEpoch) + 1);
  const isReceiverFirst = world.random.chance(0.5);
  if (isReceiverFirst) yield* act(() => beginInTarget(world, name, epoch));
  const before = yield* act(() => {
    legacy.epoch = epoch;
    world.note(() => `${name}: epoch ${epoch} in legacy`);
    return legacy.nextXid;
  });
  // Whoever captured under the old epoch commits events that the receiver will refuse: the full repair must see their rows.
  const hasEnded = () => [...legacy.active.keys()].every((xid) => xid >= before);
  if (rules.epochWaits === 'for-writers') yield* act(() => undefined, { kind: 'idle', isReady: hasEnded });
  if (!isReceiverFirst) yield* act(() => beginInTarget(world, name, epoch));
  if (rules.epochResets !== 'floor') {
    yield* untilDone(() => act(() => liftGenerations(world, name)));
    for (const [tenant, { isOn }] of [...legacy.tenants]) if (isOn) yield* openDoor(world, name, 'forward', tenant);
  }
  if (rules.repairAfterEpoch === 'none') return;
  const keys = Array.from({ length: profile.keys }, (_, key) => key);
  yield* repairKeys(world, name, 'forward', world.random.chance(0.5) ? keys : yield* differing(world, name, keys));
}

function beginInTarget(world: World, name: string, epoch: number): void {
  const { rules, target } = world;
  const floor = rules.epochResets === 'doors' ? target.control.floor : NOTHING_SEEN;
  target.control = { ...target.control, sourceEpoch: epoch, floor };
  if (rules.epochResets !== 'floor')
    for (const [tenant, door] of target.doors) target.doors.set(tenant, { ...door, isOn: false });
  target.shown.clear();
  world.isHistoryLost = false;
  world.note(() => `${name}: epoch ${epoch} in the target, doors and floor are reset`);
}

/** Doors of the lost timeline may be ahead of what the backup says: no tenant may ever use one of their generations again. */
function liftGenerations(world: World, name: string): void {
  const { rules, legacy, target, rolledBack } = world;
  for (const tenant of new Set([...legacy.tenants.keys(), ...target.doors.keys()])) {
    const { isOn = false, generation = 0 } = legacy.tenants.get(tenant) ?? {};
    if (!isOn && rules.generationsLifted === 'of-those-on') continue;
    const passed = Math.max(generation, target.doors.get(tenant)?.generation ?? 0) + 1;
    legacy.tenants.set(tenant, { isOn, generation: passed });
    if (isOn) rolledBack.delete(tenant);
    world.note(() => `${name}: ${tenant} is ${isOn ? 'on' : 'off'}, generation ${passed}`);
  }
}

/** A full repair may leave out rows that are equal: their versions stay those of the lost timeline. */
function* differing(world: World, name: string, keys: readonly number[]): Steps<readonly number[]> {
  const { rows, snapshot } = yield* untilDone(() => read(world, name, 'forward', keys));
  const held = yield* untilDone(() => act(() => new Map(world.target.states)));
  world.note(() => `${name}: compares under ${snapshotText(snapshot)}`);
  return rows.flatMap(({ key, state }) => {
    const { version = 0, row = null } = held.get(key) ?? {};
    const isEqual =
      state.row === null ? row === null : row !== null && version === state.version && row.value === state.row.value;
    return isEqual ? [] : [key];
  });
}
