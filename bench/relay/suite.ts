/** `npm run bench -- relay`: everything on the same two servers in one run, in turns. */
import { type Front, startFront } from '../data-api-front.ts';
import { openAs } from '../engine-deps.ts';
import { describeMachine } from '../machine.ts';
import type { Measured, Variant } from '../measure.ts';
import { measureInTurns } from '../measure.ts';
import { installPeers } from '../npm-peers.ts';
import { type BenchServers, startBenchServers } from '../servers.ts';
import { attempt, defineSuite, failuresOf, type RunOptions, runSuite, type World } from '../suite.ts';
import { bareVariant } from './bare-loop.ts';
import { dataApiVariant, engineVariant } from './engine.ts';
import { type EngineStores, prepareEngineStores } from './engine-stores.ts';
import { graphileVariant } from './graphile-worker.ts';
import { type LambdaService, startLambda } from './lambda.ts';
import { type Latency, measureLatency } from './latency.ts';
import { nativeVariant } from './native-replication.ts';
import { bossVariant } from './pg-boss.ts';
import { prepareRawStores, rawVariant } from './raw-loop.ts';
import { renderReport } from './report.ts';
import { type CaptureLine, judge, MAIN, type RelayResult } from './result.ts';
import { transactionalOutboxVariant } from './transactional-outbox.ts';

const ABOUT = {
  raw: 'the shortest unsafe loop that moves outbox rows',
  native: 'logical replication of PostgreSQL',
  bare: "Crossfade's own statements in a bare loop",
  engine: 'the engine over pg, in several sizes of shards and batches',
  peers: 'graphile-worker, pg-boss, pg-transactional-outbox',
  'data-api': 'the engine over the Data API front',
  lambda: 'the engine as a Lambda function of the emulator, over the Data API front',
  latency: 'from commit in legacy to visible in the target, at 500 writes a second',
  capture: 'what capture by triggers costs legacy',
};
export type Part = keyof typeof ABOUT;

export interface RelayOptions extends RunOptions<Part> {
  /** Of the backlog; even. Default 100 000, quick 10 000. */
  readonly events?: number | undefined;
}

export const relaySuite = defineSuite(ABOUT, (options, events) => runRelaySuite({ ...options, events }), renderReport);

/** No run is begun after these, except the first of each variant that bounds depend on. */
const LIMITS_MS = { rounds: 4.5 * 60_000, matrix: 90_000, quick: 25_000 };
/** Of the backlog that goes through the Data API, where it takes several times as long. */
const DATA_API_SHARE = 0.3;
/** The likeliest first: time may run out. */
const BATCHES = [1000, 2000, 500, 100];
const SHARDS = [2, 4, 1];
const RATE = 500;

/** @throws {Error} when a server does not start; a part that fails is reported as not measured. */
export async function runRelaySuite(options: RelayOptions): Promise<RelayResult> {
  const { quick, events = quick ? 10_000 : 100_000, rounds = quick ? 1 : 3 } = options;
  if (events < 200 || events % 2 !== 0)
    throw new RangeError(`${events} events: an even number of at least 200 is needed`);
  const result = await runSuite('relay', options, async (frame: World<Part>) => {
    const { wants, progress, skipped, scope, loadBefore } = frame;
    const servers = await startBenchServers({ small: quick });
    scope.defer(() => servers.stop());
    const world: RelayWorld = { ...frame, servers, events };
    const front = wants('data-api') || wants('latency') || wants('lambda') ? await startFront(servers) : undefined;
    scope.defer(async () => front?.stop());
    const lambda = wants('lambda') && front !== undefined ? await lambdaOf(front, world) : undefined;
    scope.defer(async () => lambda?.stop());
    progress(`preparing a backlog of ${events} events`);
    const stores = wants('bare') || wants('engine') ? await prepareEngineStores(servers, events) : undefined;
    const variants = [
      ...(await yardsticks(world)),
      ...(stores === undefined ? [] : engines(stores, wants)),
      ...(wants('peers') ? await peerVariants(world) : []),
      ...(front === undefined ? [] : await dataApiVariants(world, front, lambda)),
    ];
    const deadline = Date.now() + (quick ? LIMITS_MS.quick : LIMITS_MS.rounds);
    const inTurns = await measureInTurns(variants, { rounds, deadline, progress });
    const others = wants('engine') && stores !== undefined && !quick ? await matrix(stores, progress) : [];
    const drained = [...inTurns, ...others];
    skipped.push(...failuresOf(drained));
    const latencies = wants('latency') && front !== undefined ? await latencyOf(world, front) : [];
    const machine = await describeMachine(servers, loadBefore);
    await scope.close();
    // Its own servers, durable ones among them, so these are not in its way.
    const capture = wants('capture') ? await captureOf(world) : [];
    const measured = { drained, latencies, capture };
    return { machine, settings: servers.settings, events, ...measured, verdicts: judge(measured) };
  });
  return { ...result, suite: 'relay' };
}

interface RelayWorld extends World<Part> {
  readonly servers: BenchServers;
  readonly events: number;
}

async function yardsticks({ servers, events, wants }: RelayWorld): Promise<readonly Variant[]> {
  const raw = wants('raw') ? await prepareRawStores(servers, events) : undefined;
  return [
    ...(raw === undefined
      ? []
      : [1, 2].map((workers) => rawVariant(servers, raw, { workers, batchRows: MAIN.batchRows }))),
    ...(wants('native') ? [nativeVariant(servers, events)] : []),
  ];
}

function engines(stores: EngineStores, wants: RelayWorld['wants']): readonly Variant[] {
  return [
    ...(wants('bare') ? [1, 2].map((shards) => bareVariant(stores, { ...MAIN, shards })) : []),
    ...(wants('engine') ? [engineVariant(stores, MAIN)] : []),
  ];
}

/** Other settings of the engine, once: they show a shape, and no bound depends on them. */
async function matrix(stores: EngineStores, progress: RelayWorld['progress']): Promise<readonly Measured[]> {
  const settings = BATCHES.flatMap((batchRows) => SHARDS.map((shards) => ({ shards, batchRows })));
  const variants = settings
    .filter(({ shards, batchRows }) => shards !== MAIN.shards || batchRows !== MAIN.batchRows)
    .map((setting) => engineVariant(stores, setting));
  const deadline = Date.now() + LIMITS_MS.matrix;
  return measureInTurns(variants, { rounds: 1, deadline, lastDeadline: deadline, progress });
}

async function dataApiVariants(
  { servers, events, wants }: RelayWorld,
  front: Front,
  lambda: LambdaService | undefined,
): Promise<readonly Variant[]> {
  if (!wants('data-api') && lambda === undefined) return [];
  const stores = await prepareEngineStores(servers, 2 * Math.ceil((events * DATA_API_SHARE) / 2));
  return [
    ...(wants('data-api') ? [dataApiVariant(stores, MAIN, front)] : []),
    ...(lambda === undefined ? [] : [lambda.variant(stores, MAIN)]),
  ];
}

async function peerVariants(world: RelayWorld): Promise<readonly Variant[]> {
  const { servers, events, quick, progress } = world;
  const names = 'graphile-worker, pg-boss, pg-transactional-outbox';
  const peers = await attempt(world, names, () => installPeers(progress));
  if (peers === undefined) return [];
  // As many as their published numbers were taken with: 50 000 and 5 000 of 100 000.
  return [
    graphileVariant(servers, peers, events / 2),
    bossVariant(servers, peers, events / 2),
    transactionalOutboxVariant(servers, peers, quick ? 1000 : 5000),
  ];
}

async function latencyOf(world: RelayWorld, front: Front): Promise<readonly Latency[]> {
  const { servers, quick, progress } = world;
  const stores = await prepareEngineStores(servers, 0);
  const latencies: Latency[] = [];
  const shape = { rate: RATE, seconds: quick ? 4 : 15 };
  for (const way of [
    { id: 'pg', title: `engine over pg, ${RATE} writes/s`, open: openAs },
    { id: 'data-api', title: `engine over the Data API front, ${RATE} writes/s`, open: front.open },
  ]) {
    progress(way.title);
    const latency = await attempt(world, way.title, () => measureLatency(stores, { ...shape, ...way }));
    if (latency !== undefined) latencies.push(latency);
  }
  return latencies;
}

async function captureOf(world: RelayWorld): Promise<readonly CaptureLine[]> {
  const { quick, progress: say } = world;
  const lines = await attempt(world, 'capture', async () => {
    const { benchCapture } = await import('../capture/bench-capture.ts');
    const size = quick ? { scale: 1, connections: 4, pairs: 1, roundMs: 1500 } : { pairs: 3, roundMs: 4000 };
    const { settings } = await benchCapture({ ...size, say });
    return settings.map(({ setting, on, off, ratio }) => ({
      setting,
      tpsOff: off.tps,
      tpsOn: on.tps,
      ratio,
      addedP50: on.p50 - off.p50,
      addedP99: on.p99 - off.p99,
    }));
  });
  return lines ?? [];
}

/** Without Python, or where the emulator does not start, the rest is measured all the same. */
async function lambdaOf(front: Front, world: RelayWorld): Promise<LambdaService | undefined> {
  world.progress('starting the AWS emulator');
  return attempt(world, 'Lambda', () => startLambda(front));
}
