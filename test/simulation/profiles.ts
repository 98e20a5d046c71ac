/** Worlds that histories are played in: small, because a counterexample needs few keys, and each about one part of the protocol. */
import type { Tenant } from './model/verdicts.ts';
import type { World } from './model/world.ts';
import { controller, exposeFromStart, turnOn } from './processes/exposure.ts';
import { purger } from './processes/purge.ts';
import { relayWorkers } from './processes/relay.ts';
import { repairWorker, strayRead } from './processes/repair.ts';
import { restorer } from './processes/restore.ts';
import { retryConsumer } from './processes/retry.ts';
import { switchover } from './processes/switchover.ts';
import { aWriter } from './processes/writer.ts';
import { act, NO_FAULTS, type ProcessSpec } from './scheduler.ts';

export const PROFILE_NAMES = [
  'order',
  'install',
  'tenants',
  'toggles',
  'opening',
  'reopening',
  'moves',
  'purge',
  'unique',
  'deferrable',
  'timeline',
  'epoch',
  'switchover',
  'everything',
] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export interface Profile {
  readonly keys: number;
  readonly tenants: readonly Tenant[];
  /** Values of the unique column; none: there is no such column. */
  readonly values: readonly string[];
  /** Whether legacy's unique constraint is checked at the commit. */
  readonly isDeferrable: boolean;
  readonly writers: number;
  /** Most transactions of a writer. */
  readonly transactions: number;
  /** Share of updates that move the row to another tenant. */
  readonly moves: number;
  readonly strays: number;
  /** Tenants are on from the start, or every one begins off. */
  readonly begins: 'on' | 'off' | 'either';
  /** Who takes part besides writers, strays, relay, retry and repair queue. */
  readonly others: (world: World) => readonly ProcessSpec[];
}

const PLAIN: Profile = {
  keys: 2,
  tenants: ['a'],
  values: [],
  isDeferrable: false,
  writers: 3,
  transactions: 2,
  moves: 0,
  strays: 2,
  begins: 'on',
  others: () => [],
};

const TENANTS: Profile = {
  ...PLAIN,
  tenants: ['a', 'b'],
  moves: 0.4,
  begins: 'either',
  others: (world) => [controller(world, 'controller 1'), controller(world, 'controller 2')],
};

const TOGGLES: Profile = { ...TENANTS, keys: 1, tenants: ['a'], moves: 0, writers: 2, transactions: 3 };

const UNIQUE: Profile = { ...PLAIN, keys: 3, values: ['x', 'y'], strays: 1 };

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  order: { ...PLAIN, keys: 1 },
  install: { ...PLAIN, begins: 'off', strays: 0, others: (world) => [installer(world)] },
  tenants: TENANTS,
  toggles: TOGGLES,
  opening: {
    ...TOGGLES,
    begins: 'off',
    others: (world) => [controller(world, 'controller', ['on', 'on', 'rollback'])],
  },
  reopening: {
    ...TOGGLES,
    begins: 'on',
    strays: 0,
    others: (world) => [
      controller(world, 'controller 1', ['off', 'rollback']),
      controller(world, 'controller 2', ['on']),
    ],
  },
  moves: { ...TENANTS, keys: 1, moves: 0.7, tenants: ['a', 'b', 'c'], writers: 2, strays: 1, transactions: 3 },
  purge: { ...PLAIN, others: (world) => [purger(world, 'purge 1'), purger(world, 'purge 2')] },
  unique: UNIQUE,
  deferrable: { ...UNIQUE, isDeferrable: true },
  timeline: { ...PLAIN, keys: 1, others: (world) => [restorer(world)] },
  epoch: {
    ...TENANTS,
    keys: 1,
    others: (world) => [restorer(world), purger(world, 'purge'), ...sometimes(world, 0.6, controller)],
  },
  switchover: {
    ...PLAIN,
    others: (world) => [
      switchover(world),
      ...relayWorkers(world, 'reverse'),
      repairWorker(world, 'reverse'),
      ...sometimes(world, 0.5, purger),
    ],
  },
  everything: {
    ...TENANTS,
    keys: 3,
    values: ['x', 'y'],
    others: (world) => [controller(world, 'controller'), purger(world, 'purge'), ...sometimes(world, 0.3, restorer)],
  },
};

/** Everybody of a history, in the world as it is before anything happens. */
export function peopleOf(world: World): readonly ProcessSpec[] {
  const { profile, random, legacy, target, rules } = world;
  for (const tenant of profile.tenants) {
    const isOn = profile.begins === 'on' || (profile.begins === 'either' && random.chance(0.6));
    if (isOn) exposeFromStart(legacy, target, tenant);
  }
  target.isFenced = rules.targetFenced === 'from-day-one';
  // Reverse capture comes with the switchover; where Crossfade's own writes are captured it is there early enough to show it.
  target.isCaptured = rules.applierWrites === 'captured';
  return [
    ...Array.from({ length: profile.writers }, (_, index) => aWriter(world, `writer ${index + 1}`)),
    ...Array.from({ length: random.below(profile.strays + 1) }, (_, index) =>
      strayRead(world, `stray read ${index + 1}`),
    ),
    ...relayWorkers(world, 'forward'),
    retryConsumer(world),
    repairWorker(world, 'forward'),
    ...profile.others(world),
  ];
}

/** Capture is installed under live writes, then every tenant is turned on and copied (protocol §3.8). */
function installer(world: World): ProcessSpec {
  const { legacy, rules } = world;
  legacy.isCaptured = false;
  return {
    name: 'install',
    *start() {
      yield* act(
        () => {
          legacy.isCaptured = true;
          world.note(() => 'install: capture is in place');
        },
        { kind: 'idle', isReady: () => rules.captureInstall === 'at-once' || !legacy.isWritten() },
      );
      for (const tenant of world.profile.tenants) yield* turnOn(world, 'install', 'forward', tenant);
    },
    faults: NO_FAULTS,
    restarts: false,
  };
}

function sometimes(
  world: World,
  probability: number,
  start: (world: World, name: string) => ProcessSpec,
): readonly ProcessSpec[] {
  return world.random.chance(probability) ? [start(world, start.name)] : [];
}
