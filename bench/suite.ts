/** What every suite has in common: its options, the frame of its result, and what a run does around the measuring. */
import { type LifetimeScope, openLifetimeScope } from '../lib/local/lifetime-scope.ts';
import { loadNow, type Machine } from './machine.ts';
import type { Measured } from './measure.ts';
import { unjudged, type Verdict } from './verdict.ts';

export interface RunOptions<Part extends string> {
  readonly quick: boolean;
  readonly parts: readonly Part[];
  readonly progress: (line: string) => void;
  readonly rounds?: number | undefined;
}

export interface SuiteOptions extends RunOptions<string> {
  /** Events or rows; each suite has its own default. */
  readonly size?: number | undefined;
}

/** Of every result; what was measured stands beside it. */
export interface SuiteResult {
  readonly suite: string;
  readonly at: string;
  readonly quick: boolean;
  readonly seconds: number;
  readonly machine: Machine;
  /** Of both servers. */
  readonly settings: Readonly<Record<string, string>>;
  /** Parts that could not be measured, and why. */
  readonly skipped: readonly string[];
  readonly verdicts: readonly Verdict[];
}

export interface Finished {
  readonly result: SuiteResult;
  /** For a reader at a terminal. */
  render(): string;
}

export interface Suite {
  readonly parts: readonly string[];
  /** For `--help`: what a part is, by its name. */
  readonly about: Readonly<Record<string, string>>;
  /** @throws {Error} when a server does not start; a part that fails is reported as not measured. */
  run(options: SuiteOptions): Promise<Finished>;
}

/** What every part of a run needs to know. */
export interface World<Part extends string> {
  readonly quick: boolean;
  readonly wants: (part: Part) => boolean;
  readonly progress: (line: string) => void;
  /** Grows: what could not be measured, and why. */
  readonly skipped: string[];
  /** Milliseconds since the epoch. */
  readonly began: number;
  readonly loadBefore: number;
  readonly scope: LifetimeScope;
}

type Measuring<Of> = Of & Pick<SuiteResult, 'machine' | 'settings' | 'verdicts'>;

export function defineSuite<Part extends string, Of extends SuiteResult>(
  about: Readonly<Record<Part, string>>,
  run: (options: RunOptions<Part>, size: number | undefined) => Promise<Of>,
  render: (result: Of) => string,
): Suite {
  // Object.keys forgets which keys there are.
  const names = Object.keys(about) as Part[];
  return {
    parts: names,
    about,
    run: async ({ parts, size, ...options }) => {
      const result = await run({ ...options, parts: names.filter((part) => parts.includes(part)) }, size);
      return { result, render: () => render(result) };
    },
  };
}

/** @throws {Error} of `measure`; what it started is ended. */
export async function runSuite<Part extends string, Of extends object>(
  suite: string,
  { quick, parts, progress }: RunOptions<Part>,
  measure: (world: World<Part>) => Promise<Measuring<Of>>,
) {
  const began = Date.now();
  const scope = openLifetimeScope();
  const world: World<Part> = {
    quick,
    wants: (part) => parts.includes(part),
    progress,
    skipped: [],
    began,
    loadBefore: loadNow(),
    scope,
  };
  try {
    const { verdicts, ...measured } = await measure(world);
    const seconds = (Date.now() - began) / 1000;
    return {
      suite,
      at: new Date(began).toISOString(),
      quick,
      seconds,
      skipped: world.skipped,
      ...measured,
      // Of so few, most is the start of processes.
      verdicts: quick ? verdicts.map(unjudged) : verdicts,
    };
  } finally {
    await scope.close();
  }
}

/** Notes why a part could not be measured, and goes on without it. */
export async function attempt<T>(
  { skipped }: Pick<World<never>, 'skipped'>,
  what: string,
  work: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    skipped.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

export function failuresOf(drained: readonly Measured[]): readonly string[] {
  return drained.flatMap(({ title, failure }) => (failure === null ? [] : [`${title}: ${failure}`]));
}
