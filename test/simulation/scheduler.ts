/**
 * Runs processes step by step in an order that only chance decides. A process is a generator: what it does between two `yield`s
 * is one atomic step, and the scheduler answers each `yield` with the fate of that step.
 */
import type { World } from './model/world.ts';

/** `fails`: it did not take effect. `answer-lost`: it did, and the process believes that it failed. */
export type Fate = 'works' | 'fails' | 'answer-lost';

export interface Wait {
  /** Whether the step can run; a step that waits for a lock runs at the moment it gets it. */
  readonly isReady: () => boolean;
  /** `idle`: nothing to do now. `lock`: somebody else must end first. */
  readonly kind: 'idle' | 'lock';
}

/** Work of one or more atomic steps. */
export type Steps<T = void> = Generator<Wait | undefined, T, Fate>;
export type Process = Steps;

export interface ProcessSpec {
  readonly name: string;
  readonly start: () => Process;
  /** Fates that chance may deal it. */
  readonly faults: { readonly fails: number; readonly answerLost: number; readonly crashes: number };
  /** What the death of the process leaves to the database: its open transaction ends. */
  readonly onCrash?: (() => void) | undefined;
  /** A worker is started again after a crash; what was one attempt is over. */
  readonly restarts: boolean;
}

export const NO_FAULTS = { fails: 0, answerLost: 0, crashes: 0 };

/** A step failed, or seemed to. */
class Fault extends Error {
  override readonly name = 'Fault';
}

const FAULT = new Fault('a step failed, or its answer was lost');

/** Ends the attempt as a fault would: the database refused, or the connection is gone. */
export function giveUp(): never {
  throw FAULT;
}

/** One atomic step. */
export function* act<T>(effect: () => T, wait?: Wait): Steps<T> {
  const fate = yield wait;
  if (fate === 'fails') throw FAULT;
  const result = effect();
  if (fate === 'answer-lost') throw FAULT;
  return result;
}

/** Runs `attempt` until no step of it failed. */
export function* untilDone<T>(work: () => Steps<T>): Steps<T> {
  for (;;) {
    try {
      return yield* work();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
  }
}

/** @returns false when a step failed: the attempt is given up. */
export function* attempt(work: () => Steps): Steps<boolean> {
  try {
    yield* work();
    return true;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return false;
  }
}

interface Running {
  readonly spec: ProcessSpec;
  process: Process;
  wait: Wait | undefined;
  priority: number;
  /** Delayed in the middle of its work until this step. */
  asleepUntil: number;
}

/** More than any history needs to come to rest; a protocol that goes in circles reaches it. */
const MOST_STEPS = 4_000;

/**
 * @param budget steps with faults; from then on every step works and everything comes to its end.
 * @param onQuiet called when nothing can move: brings back what waits for a person; false when there is nothing left to do.
 */
export function runProcesses(
  world: World,
  specs: readonly ProcessSpec[],
  budget: number,
  onQuiet: () => boolean,
): void {
  const { random } = world;
  // Small: one process runs ahead for long while others sleep in the middle of their work. 1: every step is drawn afresh.
  const restlessness = random.pick([0.1, 0.3, 1]);
  const sleepiness = random.pick([0, 0.04, 0.12]);
  let running = specs.map((spec) => begin(spec, random.next()));
  for (let step = 0; ; step++) {
    world.isFaulty = step < budget;
    if (step > MOST_STEPS) world.fail(`does not come to rest within ${MOST_STEPS} steps`);
    // Once the faults are over everybody gets a turn.
    if (!world.isFaulty) for (const each of running) each.priority = random.next();
    const chosen = choose(running, step);
    // Others may go on while two wait for each other: locks are not waited for without end.
    const isLate = chosen === undefined || (!world.isFaulty && random.chance(0.02));
    const stuck = isLate ? running.find(({ wait }) => wait?.kind === 'lock' && !wait.isReady()) : undefined;
    if (stuck !== undefined) {
      world.note(() => `${stuck.spec.name}: waited too long for a lock, its transaction is ended`);
      crash(stuck);
      running = running.filter((other) => other !== stuck);
      continue;
    }
    if (chosen === undefined) {
      if (running.some(({ asleepUntil }) => asleepUntil > step)) for (const each of running) each.asleepUntil = 0;
      else if (world.isFaulty) step = budget;
      else if (!onQuiet()) return;
      continue;
    }
    if (world.isFaulty && random.chance(sleepiness)) {
      // Until the others are far on, or at rest.
      chosen.asleepUntil = step + random.below(budget);
      continue;
    }
    if (random.chance(restlessness)) chosen.priority = random.next();
    const isOver = advance(world, chosen);
    if (isOver) running = running.filter((other) => other !== chosen);
  }
}

function begin(spec: ProcessSpec, priority: number): Running {
  const running: Running = { spec, process: spec.start(), wait: undefined, priority, asleepUntil: 0 };
  // Up to its first step: nothing happens before it.
  const first = running.process.next('works');
  running.wait = first.done === true ? undefined : first.value;
  return running;
}

function choose(running: readonly Running[], step: number): Running | undefined {
  let chosen: Running | undefined;
  for (const candidate of running) {
    if (candidate.asleepUntil > step || (chosen !== undefined && candidate.priority <= chosen.priority)) continue;
    if (candidate.wait === undefined || candidate.wait.isReady()) chosen = candidate;
  }
  return chosen;
}

/** @returns whether the process has ended. */
function advance(world: World, running: Running): boolean {
  const { spec } = running;
  const draw = world.isFaulty ? world.random.next() : 1;
  const { fails, answerLost, crashes } = spec.faults;
  if (draw < crashes) {
    world.note(() => `${spec.name}: crashes`);
    crash(running);
    if (spec.restarts) Object.assign(running, begin(spec, world.random.next()));
    return !spec.restarts;
  }
  const fate: Fate = draw < crashes + fails ? 'fails' : draw < crashes + fails + answerLost ? 'answer-lost' : 'works';
  if (fate !== 'works')
    world.note(() => `${spec.name}: its step ${fate === 'fails' ? 'fails' : 'works, but its answer is lost'}`);
  try {
    const next = running.process.next(fate);
    running.wait = next.done === true ? undefined : next.value;
    return next.done === true;
  } catch (error) {
    // What is one attempt ends with its first failure.
    if (!(error instanceof Fault)) throw error;
    return true;
  }
}

function crash({ spec, process }: Running): void {
  process.return();
  spec.onCrash?.();
}
