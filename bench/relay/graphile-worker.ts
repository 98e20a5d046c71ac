import { type Drained, stopwatch, type Variant } from '../measure.ts';
import type { Peers } from '../npm-peers.ts';
import { type BenchServers, readOne, withClient } from '../servers.ts';
import { type OrderJson, openUpserter } from './single-upsert.ts';
import { checkEndState, END_STATE, type EndState, orderRow, VERSIONED_TABLE } from './versions.ts';

/** What is used of graphile-worker 0.18.0. */
interface Graphile {
  runMigrations(options: object): Promise<void>;
  run(options: object): Promise<{ stop(): Promise<void> }>;
}

const CONCURRENCY = 24;
const ADDED_AT_ONCE = 1000;

/** At the settings that were the fastest of those published: 24 jobs at once out of a local queue of 500. */
export function graphileVariant(servers: BenchServers, peers: Peers, events: number): Variant {
  let template: string | undefined;
  return {
    id: 'graphile-worker',
    title: `graphile-worker ${peers.versions['graphile-worker']}, concurrency ${CONCURRENCY}, local queue 500`,
    run: async () => {
      const module = (await peers.load('graphile-worker')) as Graphile & { readonly default?: Graphile };
      const graphile = module.default ?? module;
      template ??= await prepare(servers, graphile, events);
      const legacy = await servers.create('legacy', template);
      const target = await servers.create('target');
      await withClient(target.url, (client) => client.query(VERSIONED_TABLE));
      const drained = await drain(graphile, legacy.url, target.url, events);
      checkEndState(await readOne<EndState>(target.url, END_STATE), events / 2);
      await servers.drop('legacy', legacy.name);
      await servers.drop('target', target.name);
      return drained;
    },
  };
}

async function prepare(servers: BenchServers, graphile: Graphile, events: number): Promise<string> {
  const { url, name } = await servers.create('legacy');
  await graphile.runMigrations({ connectionString: url, logger: silent(await loadLogger(graphile)) });
  await withClient(url, async (client) => {
    for (const version of [1, 2])
      for (let from = 1; from <= events / 2; from += ADDED_AT_ONCE)
        await client.query(
          `SELECT count(graphile_worker.add_job('order', to_json(r))) FROM (SELECT ${orderRow(version)} FROM generate_series(${from}, ${Math.min(from + ADDED_AT_ONCE - 1, events / 2)}) AS i) AS r`,
        );
    await client.query('VACUUM ANALYZE');
  });
  return name;
}

async function drain(graphile: Graphile, legacyUrl: string, targetUrl: string, events: number): Promise<Drained> {
  const target = openUpserter(targetUrl, CONCURRENCY);
  let done = 0;
  const ended = Promise.withResolvers<Drained>();
  const read = stopwatch();
  const runner = await graphile.run({
    connectionString: legacyUrl,
    maxPoolSize: CONCURRENCY + 4,
    noHandleSignals: true,
    logger: silent(await loadLogger(graphile)),
    preset: {
      worker: {
        concurrentJobs: CONCURRENCY,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
    taskList: {
      order: async (payload: OrderJson) => {
        await target.upsert(payload);
        done++;
        if (done === events) ended.resolve(read(events));
      },
    },
  });
  const drained = await ended.promise;
  await runner.stop();
  await target.close();
  return drained;
}

interface LoggerMaker {
  new (factory: () => () => void): object;
}

async function loadLogger(graphile: Graphile): Promise<LoggerMaker> {
  return (graphile as Graphile & { readonly Logger: LoggerMaker }).Logger;
}

function silent(Logger: LoggerMaker): object {
  return new Logger(() => () => {});
}
