/** `npm run bench -- reconcile`: everything on the same two servers in one run, in turns. */
import { freemem } from 'node:os';
import type { DigestForm } from '../../lib/domain/digest.ts';
import { openLifetimeScope } from '../../lib/local/lifetime-scope.ts';
import { type Front, startFront } from '../data-api-front.ts';
import { describeMachine, loadNow } from '../machine.ts';
import { type Measured, measureInTurns, type Variant } from '../measure.ts';
import { installPeers } from '../npm-peers.ts';
import { type BenchServers, startBenchServers } from '../servers.ts';
import type { Suite } from '../suite.ts';
import { median } from '../verdict.ts';
import { backfillVariants } from './backfill.ts';
import { compareThroughDataApi, type Deployed } from './deployed.ts';
import { compareInProcess, type EngineRun, engineVariant } from './engine.ts';
import { type Growth, measureGrowth } from './growth.ts';
import { compareInLambda } from './lambda.ts';
import { limitVariant } from './limit.ts';
import { type Comparator, installComparator, installReladiff } from './peers.ts';
import { comparatorVariant } from './pg-comparator.ts';
import { reladiffVariant } from './reladiff.ts';
import { renderReport } from './report.ts';
import { type EngineLine, type Further, judge, type ReconcileResult } from './result.ts';
import { changedState, createPair, driftedState, equalState, type Pair, type State } from './states.ts';

export const PARTS = [
  'limit',
  'engine',
  'reladiff',
  'pg_comparator',
  'growth',
  'backfill',
  'copy',
  'data-api',
  'lambda',
  'large',
  'majors',
] as const;
export type Part = (typeof PARTS)[number];

export interface ReconcileOptions {
  readonly quick: boolean;
  readonly parts: readonly Part[];
  readonly progress: (line: string) => void;
  /** Of one side. Default 1 000 000, quick 20 000. */
  readonly rows?: number | undefined;
  /** Default 3, quick 1. */
  readonly rounds?: number | undefined;
}

export const reconcileSuite: Suite = {
  parts: PARTS,
  run: async ({ parts, size, ...options }) => {
    const result = await runReconcileSuite({
      ...options,
      parts: PARTS.filter((part) => parts.includes(part)),
      rows: size,
    });
    return { result, render: () => renderReport(result) };
  },
};

const ROWS = { full: 1_000_000, quick: 20_000 };
/** Below it there are too few rows to scatter what is planted. */
const LEAST_ROWS = 2_000;
/** Later rounds are not begun after this; what follows needs the rest of a quarter of an hour. */
const ROUNDS_MS = 5 * 60_000;
/** Times the run's rows. */
const LARGE = 10;
/** It takes about four minutes; it is left out when it would begin later than this, or find less room: 570 bytes a row, and WAL. */
const LARGE_BEGINS_WITHIN_MS = 9 * 60_000;
/** Half a minute, after it. */
const MAJORS_BEGIN_WITHIN_MS = 14 * 60_000;
const LARGE_BYTES_A_ROW = 800;
/** Of the rows that are compared. */
const BACKFILL_SHARE = 0.1;
const CHUNK_ROWS = 5_000;

/** Beside those of every suite: published numbers of the peers were taken with them; no logical replication is in this one. */
const SETTINGS = { max_parallel_workers_per_gather: '0', max_wal_size: '1GB', wal_level: 'replica' };

/** @throws {Error} when a server does not start; a part that fails is reported as not measured. */
export async function runReconcileSuite(options: ReconcileOptions): Promise<ReconcileResult> {
  const { quick, parts, progress, rows = quick ? ROWS.quick : ROWS.full, rounds = quick ? 1 : 3 } = options;
  if (rows < LEAST_ROWS) throw new RangeError(`${rows} rows: at least ${LEAST_ROWS} are needed`);
  const began = Date.now();
  const loadBefore = loadNow();
  const skipped: string[] = [];
  const wants = (part: Part) => parts.includes(part);
  const scope = openLifetimeScope();
  try {
    const comparator = wants('pg_comparator') ? attempt('pg_comparator', () => installComparator(progress)) : undefined;
    scope.defer(async () => comparator?.remove());
    const reladiff = wants('reladiff') ? attempt('reladiff', () => installReladiff(progress)) : undefined;
    const servers = await startBenchServers({ small: quick, settings: SETTINGS });
    scope.defer(() => servers.stop());
    const front = wants('data-api') || wants('lambda') ? await startFront(servers) : undefined;
    scope.defer(async () => front?.stop());
    progress(`preparing ${rows} rows on both sides, equal, drifted and changed`);
    const pair = await createPair(servers, rows, comparator?.ddl);
    const states = {
      equal: equalState(pair),
      drifted: await driftedState(servers, pair),
      changed: await changedState(servers, pair),
    };
    const runs = new EngineRuns();
    const variants = [
      ...(wants('limit') ? [limitVariant(states.equal, 'hash'), limitVariant(states.equal, 'count')] : []),
      ...(wants('engine') ? engineVariants(states, runs) : []),
      ...(reladiff === undefined ? [] : reladiffVariants(reladiff, states)),
      ...(comparator === undefined ? [] : comparatorVariants(comparator, states)),
    ];
    // The first start of the engine compiles it, and the first reader of a table has to fetch it.
    if (wants('engine')) await compareInProcess(states.equal, 'fast');
    const drained = await measureInTurns(variants, { rounds, deadline: Date.now() + ROUNDS_MS, progress });
    skipped.push(...failuresOf(drained));
    const world: World = { servers, pair, quick, wants, progress, skipped, rounds };
    const growth = wants('growth') && !quick ? await growthOf(world) : null;
    const backfill = wants('backfill') ? await backfillOf(world) : [];
    const deployed = front === undefined ? [] : await deployedOf(world, front, states.equal);
    const large = wants('large') && !quick ? await largeOf(world, front, began) : [];
    const machine = await describeMachine(servers, loadBefore);
    // Its own servers, so these are not in its way.
    await scope.close();
    const majors = wants('majors') ? await majorsOf(world, began) : [];
    const further = [...large, ...majors];
    const measured = { drained, engine: runs.lines(), growth, deployed, backfill, further };
    return {
      suite: 'reconcile',
      at: new Date(began).toISOString(),
      quick,
      seconds: (Date.now() - began) / 1000,
      machine,
      settings: servers.settings,
      rows,
      ...measured,
      skipped,
      verdicts: judge(measured),
    };
  } finally {
    await scope.close();
  }

  function attempt<T>(what: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      skipped.push(`${what}: not installed: ${messageOf(error)}`);
      return undefined;
    }
  }
}

interface World {
  readonly servers: BenchServers;
  readonly pair: Pair;
  readonly quick: boolean;
  readonly wants: (part: Part) => boolean;
  readonly progress: (line: string) => void;
  /** Grows: what could not be measured, and why. */
  readonly skipped: string[];
  readonly rounds: number;
}

type States = Readonly<Record<'equal' | 'drifted' | 'changed', State>>;

function engineVariants(states: States, runs: EngineRuns): readonly Variant[] {
  const variant = (form: DigestForm, state: State, rounds?: number) => engineVariant(state, form, runs.note, rounds);
  return [
    variant('fast', states.equal),
    variant('fast', states.drifted),
    variant('fast', states.changed),
    variant('exact', states.equal),
    variant('exact', states.drifted),
    variant('md5', states.equal, 1),
    variant('md5', states.drifted, 1),
  ];
}

function reladiffVariants(program: string, { equal, drifted, changed }: States): readonly Variant[] {
  return [
    reladiffVariant(program, equal, 'best'),
    reladiffVariant(program, equal, 'tuned'),
    reladiffVariant(program, drifted, 'tuned'),
    reladiffVariant(program, drifted, 'default', 1),
    reladiffVariant(program, drifted, 'sorted', 1),
    reladiffVariant(program, changed, 'tuned', 1),
  ];
}

function comparatorVariants(comparator: Comparator, { equal, drifted, changed }: States): readonly Variant[] {
  return [
    comparatorVariant(comparator, equal, 'fnv'),
    comparatorVariant(comparator, drifted, 'fnv'),
    comparatorVariant(comparator, changed, 'fnv', 1),
    comparatorVariant(comparator, equal, 'default', 1),
    comparatorVariant(comparator, drifted, 'default', 1),
  ];
}

async function growthOf({ servers, pair, progress, skipped }: World): Promise<Growth | null> {
  try {
    return await measureGrowth(servers, pair, CHUNK_ROWS, progress);
  } catch (error) {
    skipped.push(`growth: ${messageOf(error)}`);
    return null;
  }
}

async function backfillOf({ servers, pair, wants, progress, skipped, rounds }: World): Promise<readonly Measured[]> {
  try {
    const peers = wants('copy') ? attemptPeers(progress, skipped) : undefined;
    const rows = Math.max(LEAST_ROWS, Math.round(pair.rows * BACKFILL_SHARE));
    const source = await createPair(servers, rows, '', { targetIsEmpty: true });
    const deadline = Date.now() + ROUNDS_MS / 3;
    const measured = await measureInTurns(backfillVariants(servers, source, peers), { rounds, deadline, progress });
    skipped.push(...failuresOf(measured));
    return measured;
  } catch (error) {
    skipped.push(`backfill: ${messageOf(error)}`);
    return [];
  }
}

function attemptPeers(progress: World['progress'], skipped: string[]): ReturnType<typeof installPeers> | undefined {
  try {
    return installPeers(progress);
  } catch (error) {
    skipped.push(`COPY into COPY (pg-copy-streams): not installed: ${messageOf(error)}`);
    return undefined;
  }
}

async function deployedOf(
  { wants, progress, skipped }: World,
  front: Front,
  state: State,
): Promise<readonly Deployed[]> {
  const done: Deployed[] = [];
  for (const [part, work] of [
    ['data-api', () => compareThroughDataApi(front, state)],
    ['lambda', () => compareInLambda(front, state)],
  ] as const) {
    if (!wants(part)) continue;
    try {
      progress(`${part}: ${state.rows} rows`);
      done.push(await work());
    } catch (error) {
      skipped.push(`${part}, ${state.rows} rows: ${messageOf(error)}`);
    }
  }
  return done;
}

/** Ten times as many rows, once. */
async function largeOf(world: World, front: Front | undefined, began: number): Promise<readonly Further[]> {
  const { servers, pair, skipped } = world;
  const rows = LARGE * pair.rows;
  const title = `${rows} rows`;
  if (servers.dataIn === 'memory' && freemem() < rows * LARGE_BYTES_A_ROW) {
    skipped.push(`${title}: there was not enough free memory`);
    return [];
  }
  return measureFurther(world, title, began + LARGE_BEGINS_WITHIN_MS, async () => {
    const state = equalState(await createPair(servers, rows));
    return { state, deployed: () => (front === undefined ? Promise.resolve([]) : deployedOf(world, front, state)) };
  });
}

/** Legacy of PostgreSQL 15 and a target of 17: whether both hash alike, the engine finds out itself. */
async function majorsOf(world: World, began: number): Promise<readonly Further[]> {
  const scope = openLifetimeScope();
  try {
    return await measureFurther(world, 'PostgreSQL 15 to 17', began + MAJORS_BEGIN_WITHIN_MS, async () => {
      const majors = { legacy: 15, target: 17 } as const;
      const servers = await startBenchServers({ small: world.quick, settings: SETTINGS, majors });
      scope.defer(() => servers.stop());
      return { state: equalState(await createPair(servers, world.pair.rows)), deployed: async () => [] };
    });
  } finally {
    await scope.close();
  }
}

interface Elsewhere {
  readonly state: State;
  deployed(): Promise<readonly Deployed[]>;
}

async function measureFurther(
  { progress, skipped }: World,
  title: string,
  latest: number,
  prepare: () => Promise<Elsewhere>,
): Promise<readonly Further[]> {
  if (Date.now() > latest) {
    skipped.push(`${title}: there was no time left`);
    return [];
  }
  try {
    progress(`preparing ${title}`);
    const { state, deployed } = await prepare();
    const runs = new EngineRuns();
    const variants = [
      limitVariant(state, 'hash'),
      engineVariant(state, 'fast', runs.note),
      engineVariant(state, 'exact', runs.note),
    ];
    const drained = await measureInTurns(variants, { rounds: 1, deadline: Number.POSITIVE_INFINITY, progress });
    skipped.push(...failuresOf(drained).map((line) => `${title}: ${line}`));
    return [{ title, rows: state.rows, drained, engine: runs.lines(), deployed: await deployed() }];
  } catch (error) {
    skipped.push(`${title}: ${messageOf(error)}`);
    return [];
  }
}

/** What the engine said of its runs, by variant. */
class EngineRuns {
  readonly #runs = new Map<string, EngineRun[]>();

  readonly note = (id: string, run: EngineRun): void => {
    this.#runs.set(id, [...(this.#runs.get(id) ?? []), run]);
  };

  lines(): readonly EngineLine[] {
    return [...this.#runs].flatMap(([id, runs]) => {
      const [first] = runs;
      if (first === undefined) return [];
      const { chunks, differingChunks, ids, rows } = first.report;
      const middle = (of: (run: EngineRun) => number) => median(runs.map(of));
      return {
        id,
        rows,
        chunks,
        differingChunks,
        found: ids.length,
        ms: middle(({ report }) => report.ms),
        startMs: middle(({ drained, report }) => drained.ms - report.ms),
        maxRssMb: middle(({ report }) => report.maxRssMb),
        waitMs: middle(({ report }) => report.waitMs),
      };
    });
  }
}

function failuresOf(drained: readonly Measured[]): readonly string[] {
  return drained.flatMap(({ title, failure }) => (failure === null ? [] : [`${title}: ${failure}`]));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
