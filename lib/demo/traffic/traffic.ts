/**
 * The shop's application: writers and readers that run all along, at a bounded rate, so that two cores are left for the migration.
 * Writers follow the authority by themselves; nobody tells them that a switchover is under way.
 */
import type { StoreName } from '../../domain/direction.ts';
import type { Api } from './api.ts';
import { type Authority, createAuthority } from './authority.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createRandom, seedOf } from './random.ts';
import { readOnce } from './read-worker.ts';
import { createWriteWorker, type WriteObserver } from './write-worker.ts';

export interface TrafficOptions {
  readonly seed: number;
  readonly urls: Readonly<Record<StoreName, string>>;
  /** Undefined: nothing is read, and the authority is found by trying. */
  readonly api?: Api | undefined;
  readonly readPath?: string | undefined;
  /** Transactions a second, over all writers; about 4 statements each. */
  readonly transactionsPerSecond?: number | undefined;
  readonly readsPerSecond?: number | undefined;
}

export interface TrafficCounts {
  readonly transactions: number;
  readonly statements: number;
  readonly rowWrites: number;
  readonly writesBy: Readonly<Record<StoreName, number>>;
  /** Tries that a fence refused; each was carried out by the other store afterwards. */
  readonly refused: number;
  readonly retried: number;
  readonly reads: number;
  readonly readsBy: Readonly<Record<StoreName, number>>;
  readonly fallbacks: Readonly<Record<string, number>>;
  readonly slowestReadMs: number;
}

export interface Traffic {
  readonly ledger: Ledger;
  counts(): TrafficCounts;
  /** What an application must never see; empty when all is well. */
  problems(): readonly string[];
  readonly store: StoreName;
  /** Longest time without an acknowledged write around the move to another store; undefined before it. */
  writePauseMs(): number | undefined;
  /** Resolves when the writes under way are answered; reads go on. */
  holdWrites(): Promise<void>;
  resumeWrites(): void;
  /** Readers ask `times` as often; 1 is their own pace. */
  hurryReads(times: number): void;
  stop(): Promise<void>;
}

const WRITERS = 3;
const READERS = 2;
const TRANSACTIONS_PER_SECOND = 30;
const READS_PER_SECOND = 8;
const MOST_PROBLEMS = 20;

export function startTraffic(options: TrafficOptions): Traffic {
  const state = createState();
  const ledger = createLedger();
  const authority = createAuthority({
    readRouting: async () => options.api?.writeStore(),
    sleep,
    moved: state.moved,
  });
  const writers = startWriters(options, authority, ledger, state);
  const readers = startReaders(options, state);
  return {
    ledger,
    counts: state.counts,
    problems: () => state.problems,
    get store() {
      return authority.store;
    },
    writePauseMs: state.writePauseMs,
    holdWrites: writers.hold,
    resumeWrites: writers.resume,
    hurryReads: readers.hurry,
    stop: async () => {
      await Promise.all([writers.stop(), readers.stop()]);
    },
  };
}

function startWriters(options: TrafficOptions, authority: Authority, ledger: Ledger, state: State) {
  const { seed, urls, transactionsPerSecond = TRANSACTIONS_PER_SECOND } = options;
  const paces = Array.from({ length: WRITERS }, (_, worker) => {
    const writer = createWriteWorker({
      own: { worker, workers: WRITERS, orders: [], visits: [] },
      random: createRandom(seedOf(seed, worker)),
      urls,
      authority,
      ledger,
      observer: state,
      sleep,
    });
    return keepPace(() => (WRITERS * 1000) / transactionsPerSecond, writer.step, writer.close);
  });
  return {
    hold: async () => void (await Promise.all(paces.map((pace) => pace.hold()))),
    resume: () => {
      for (const pace of paces) pace.resume();
    },
    stop: async () => void (await Promise.all(paces.map((pace) => pace.stop()))),
  };
}

function startReaders(
  { api, seed, readPath = '/api/v2/data', readsPerSecond = READS_PER_SECOND }: TrafficOptions,
  state: State,
) {
  if (api === undefined) return { hurry: () => {}, stop: async () => {} };
  let times = 1;
  const paces = Array.from({ length: READERS }, (_, reader) => {
    const random = createRandom(seedOf(seed, 1000 + reader));
    return keepPace(
      () => (READERS * 1000) / readsPerSecond / times,
      () => readOnce(api, readPath, random, state),
    );
  });
  return {
    hurry: (wanted: number) => {
      times = wanted;
    },
    stop: async () => void (await Promise.all(paces.map((pace) => pace.stop()))),
  };
}

interface Pace {
  hold(): Promise<void>;
  resume(): void;
  stop(): Promise<void>;
}

/** One step each interval. What was missed while a step took long is not caught up: a store that comes back is not flooded. */
function keepPace(
  intervalMs: () => number,
  step: () => Promise<void>,
  close: () => Promise<void> = async () => {},
): Pace {
  let stopped = false;
  let held: { readonly until: Promise<void>; readonly release: () => void } | undefined;
  let reached: (() => void) | undefined;
  const loop = async () => {
    let due = performance.now();
    while (!stopped) {
      if (held !== undefined) {
        reached?.();
        await held.until;
        due = performance.now();
        continue;
      }
      await step();
      due = Math.max(due + intervalMs(), performance.now());
      await sleep(Math.max(0, due - performance.now()));
    }
    await close();
  };
  const running = loop();
  const pace: Pace = {
    hold: () =>
      new Promise((resolve) => {
        if (stopped) return resolve();
        reached = resolve;
        if (held !== undefined) return resolve();
        const { promise, resolve: release } = Promise.withResolvers<void>();
        held = { until: promise, release };
      }),
    resume: () => {
      held?.release();
      held = undefined;
    },
    stop: async () => {
      stopped = true;
      pace.resume();
      await running;
    },
  };
  return pace;
}

interface State extends WriteObserver {
  readonly problems: string[];
  answered(answer: {
    readonly servedBy: StoreName | undefined;
    readonly fallback: string | undefined;
    readonly milliseconds: number;
  }): void;
  moved(store: StoreName): void;
  counts(): TrafficCounts;
  writePauseMs(): number | undefined;
  failed(what: string | { readonly table: string }, error: unknown): void;
}

function createState(): State {
  const counts = { transactions: 0, statements: 0, rowWrites: 0, refused: 0, retried: 0, reads: 0, slowestReadMs: 0 };
  const writesBy: Record<StoreName, number> = { legacy: 0, target: 0 };
  const readsBy: Record<StoreName, number> = { legacy: 0, target: 0 };
  const fallbacks: Record<string, number> = {};
  const problems: string[] = [];
  let last: { readonly store: StoreName; readonly at: number } | undefined;
  let pauseMs: number | undefined;
  const problem = (text: string) => {
    if (problems.length < MOST_PROBLEMS) problems.push(text);
  };
  return {
    problems,
    acknowledged: (store, writes, statements) => {
      const at = performance.now();
      if (last !== undefined && last.store !== store) pauseMs = at - last.at;
      last = { store, at };
      counts.transactions += 1;
      counts.statements += statements + 2;
      counts.rowWrites += writes;
      writesBy[store] += writes;
    },
    refused: () => {
      counts.refused += 1;
    },
    retried: () => {
      counts.retried += 1;
    },
    failed: (what, error) => {
      const name = typeof what === 'string' ? what : `read of ${what.table}`;
      problem(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    },
    answered: ({ servedBy, fallback, milliseconds }) => {
      counts.reads += 1;
      counts.slowestReadMs = Math.max(counts.slowestReadMs, milliseconds);
      if (servedBy === undefined) problem('a read was answered without saying by which store (x-served-by)');
      else readsBy[servedBy] += 1;
      if (fallback !== undefined) fallbacks[fallback] = (fallbacks[fallback] ?? 0) + 1;
    },
    moved: () => {},
    counts: () => ({ ...counts, writesBy: { ...writesBy }, readsBy: { ...readsBy }, fallbacks: { ...fallbacks } }),
    writePauseMs: () => pauseMs,
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
