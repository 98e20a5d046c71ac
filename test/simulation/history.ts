/** One history: a seed, a profile and rules in; what is wrong with it, if anything, and its trace out. */
import { checkAtRest } from './invariants.ts';
import { Violation, World } from './model/world.ts';
import { redrive } from './processes/relay.ts';
import { PROFILES, type ProfileName, peopleOf } from './profiles.ts';
import { createRandom } from './random.ts';
import type { Rules } from './rules.ts';
import { runProcesses } from './scheduler.ts';

export interface History {
  /** What does not hold; undefined when everything does. */
  readonly violation: string | undefined;
  readonly trace: readonly string[];
}

export function play(seed: number, profile: ProfileName, rules: Rules, isTraced = false): History {
  const random = createRandom(seed);
  const world = new World(rules, PROFILES[profile], random, isTraced);
  try {
    // A few steps for each process: long enough to get into each other's way, short enough to be read.
    const people = peopleOf(world);
    const budget = 20 + random.below(people.length * 12);
    runProcesses(world, people, budget, () => {
      checkAtRest(world);
      return redrive(world, world.legacy) || redrive(world, world.target);
    });
    return { violation: undefined, trace: world.trace ?? [] };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { violation: error.message, trace: world.trace ?? [] };
  }
}
