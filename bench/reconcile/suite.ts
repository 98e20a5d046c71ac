/** `npm run bench -- reconcile`: everything on the same two servers in one run, in turns. */
import { freemem } from 'node:os';
import type { DigestForm } from '../../lib/domain/digest.ts';
import { openLifetimeScope } from '../../lib/local/lifetime-scope.ts';
import { type Front, startFront } from '../data-api-front.ts';
import { describeMachine } from '../machine.ts';
import { type Measured, measureInTurns, type Variant } from '../measure.ts';
import { installPeers } from '../npm-peers.ts';
import { type BenchServers, startBenchServers, withClient } from '../servers.ts';
import { attempt, defineSuite, failuresOf, type RunOptions, runSuite, type World } from '../suite.ts';
import { median } from '../verdict.ts';
import { backfillVariants } from './backfill.ts';
import { totalOf } from './costs.ts';
import { compareThroughDataApi, compareThroughPg, type Deployed } from './deployed.ts';
import { compareInProcess, type EngineRun, engineVariant, peakInSmallHeap } from './engine.ts';
import { type Growth, measureGrowth } from './growth.ts';
import { compareInLambda } from './lambda.ts';
import { limitVariant } from './limit.ts';
import { type Comparator, installComparator, installReladiff } from './peers.ts';
import { comparatorVariant } from './pg-comparator.ts';
import { reladiffVariant } from './reladiff.ts';
import { renderReport } from './report.ts';
import { type EngineLine, type Further, judge, type ReconcileResult } from './result.ts';
import { changedState, createPair, driftedState, equalState, type Pair, type State } from './states.ts';

const ABOUT = {
  limit: 'one statement that hashes the whole table on both servers at once',
  engine: 'the engine over pg in its three forms: tables that are equal, drifted, 1 % changed',
  reladiff: 'reladiff, in several settings',
  pg_comparator: 'pg_comparator, in several settings',
  growth: 'how time and memory grow with rows and with chunks that differ',
  backfill: 'the copy of history beside its own statements in a bare loop',
  copy: 'COPY into COPY, beside backfill',
  'data-api': 'the engine over the Data API front, beside the same over pg',
  lambda: 'a cycle in Lambda functions of the emulator, over the Data API front',
  large: 'ten times as many rows, where memory and time allow',
  majors: 'PostgreSQL 15 against 17',
};
export type Part = keyof typeof ABOUT;

export interface ReconcileOptions extends RunOptions<Part> {
  /** Of one side. Default 1 000 000, quick 20 000. */
  readonly rows?: number | undefined;
}

export const reconcileSuite = defineSuite(
  ABOUT,
  (options, rows) => runReconcileSuite({ ...options, rows }),
  renderReport,
);

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

/**
 * Beside those of every suite: published numbers of the peers were taken with them; no logical replication is in this one. Autovacuum
 * would be charged to whose turn it is.
 */
const SETTINGS = { max_parallel_workers_per_gather: '0', max_wal_size: '1GB', wal_level: 'replica', autovacuum: 'off' };
/** Every state stays in memory, so that no turn pays for what the one before it has put out, where the machine has so much. */
const ROOMY = { shared_buffers: '2GB' };
const ROOMY_NEEDS_BYTES = 12 * 2 ** 30;

/** @throws {Error} when a server does not start; a part that fails is reported as not measured. */
export async function runReconcileSuite(options: ReconcileOptions): Promise<ReconcileResult> {
  const { quick, rows = quick ? ROWS.quick : ROWS.full, rounds = quick ? 1 : 3 } = options;
  if (rows < LEAST_ROWS) throw new RangeError(`${rows} rows: at least ${LEAST_ROWS} are needed`);
  const result = await runSuite('reconcile', options, async (frame: World<Part>) => {
    const { wants, progress, skipped, scope, loadBefore } = frame;
    const comparator = wants('pg_comparator')
      ? await attempt(frame, 'pg_comparator: not installed', () => installComparator(progress))
      : undefined;
    scope.defer(async () => comparator?.remove());
    const reladiff = wants('reladiff')
      ? await attempt(frame, 'reladiff: not installed', () => installReladiff(progress))
      : undefined;
    const settings = !quick && freemem() > ROOMY_NEEDS_BYTES ? { ...SETTINGS, ...ROOMY } : SETTINGS;
    const servers = await startBenchServers({ small: quick, settings });
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
    // Nobody's turn pays for what the planting has left to write, for the engine's compilation, or for what the first reader fetches.
    for (const url of Object.values(servers.urls)) await withClient(url, (client) => client.query('CHECKPOINT'));
    if (wants('engine')) for (const state of [states.equal, states.drifted]) await compareInProcess(state, 'fast');
    const drained = await measureInTurns(variants, { rounds, deadline: Date.now() + ROUNDS_MS, progress });
    skipped.push(...failuresOf(drained));
    const world: ReconcileWorld = { ...frame, servers, pair, rounds };
    const growth = wants('growth') && !quick ? await growthOf(world) : null;
    const backfill = wants('backfill') ? await backfillOf(world) : [];
    const deployed = front === undefined ? [] : await deployedOf(world, front, states.equal);
    const large = wants('large') && !quick ? await largeOf(world, front) : [];
    const machine = await describeMachine(servers, loadBefore);
    // Its own servers, so these are not in its way.
    await scope.close();
    const majors = wants('majors') ? await majorsOf(world) : [];
    const further = [...large, ...majors];
    const measured = { drained, engine: runs.lines(), growth, deployed, backfill, further };
    return { machine, settings: servers.settings, rows, ...measured, verdicts: judge(measured) };
  });
  return { ...result, suite: 'reconcile' };
}

interface ReconcileWorld extends World<Part> {
  readonly servers: BenchServers;
  readonly pair: Pair;
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

async function growthOf(world: ReconcileWorld): Promise<Growth | null> {
  const { servers, pair, progress } = world;
  return (await attempt(world, 'growth', () => measureGrowth(servers, pair, progress))) ?? null;
}

async function backfillOf(world: ReconcileWorld): Promise<readonly Measured[]> {
  const { servers, pair, wants, progress, skipped, rounds } = world;
  const peers = wants('copy')
    ? await attempt(world, 'COPY into COPY (pg-copy-streams): not installed', () => installPeers(progress))
    : undefined;
  const measured = await attempt(world, 'backfill', async () => {
    const rows = Math.max(LEAST_ROWS, Math.round(pair.rows * BACKFILL_SHARE));
    const source = await createPair(servers, rows, '', { targetIsEmpty: true });
    const deadline = Date.now() + ROUNDS_MS / 3;
    return measureInTurns(backfillVariants(servers, source, peers), { rounds, deadline, progress });
  });
  skipped.push(...failuresOf(measured ?? []));
  return measured ?? [];
}

async function deployedOf(world: ReconcileWorld, front: Front, state: State): Promise<readonly Deployed[]> {
  const done: Deployed[] = [];
  for (const [part, what, work] of [
    ['data-api', 'pg', () => compareThroughPg(state)],
    ['data-api', 'Data API', () => compareThroughDataApi(front, state)],
    ['lambda', 'Lambda', () => compareInLambda(front, state)],
  ] as const) {
    if (!world.wants(part)) continue;
    const line = await attempt(world, `${what}, ${state.rows} rows`, work);
    if (line === undefined) continue;
    world.progress(`${line.id}: ${state.rows} rows in ${Math.round(totalOf(line))} ms`);
    done.push(line);
  }
  return done;
}

/** Ten times as many rows, once. */
async function largeOf(world: ReconcileWorld, front: Front | undefined): Promise<readonly Further[]> {
  const { servers, pair, skipped, began } = world;
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
async function majorsOf(world: ReconcileWorld): Promise<readonly Further[]> {
  const scope = openLifetimeScope();
  try {
    return await measureFurther(world, 'PostgreSQL 15 to 17', world.began + MAJORS_BEGIN_WITHIN_MS, async () => {
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
  world: ReconcileWorld,
  title: string,
  latest: number,
  prepare: () => Promise<Elsewhere>,
): Promise<readonly Further[]> {
  const { progress, skipped } = world;
  if (Date.now() > latest) {
    skipped.push(`${title}: there was no time left`);
    return [];
  }
  progress(`preparing ${title}`);
  const further = await attempt(world, title, async () => {
    const { state, deployed } = await prepare();
    // Before the others: it is also the first reader, which has to fetch the tables.
    const smallHeapMb = await peakInSmallHeap(state);
    const runs = new EngineRuns();
    const variants = [
      limitVariant(state, 'hash'),
      engineVariant(state, 'fast', runs.note),
      engineVariant(state, 'exact', runs.note),
    ];
    const drained = await measureInTurns(variants, { rounds: 1, deadline: Number.POSITIVE_INFINITY, progress });
    skipped.push(...failuresOf(drained).map((line) => `${title}: ${line}`));
    return { title, rows: state.rows, drained, engine: runs.lines(), deployed: await deployed(), smallHeapMb };
  });
  return further === undefined ? [] : [further];
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
