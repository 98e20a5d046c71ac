import { type Drained, stopwatch, type Variant } from '../measure.ts';
import type { Peers } from '../npm-peers.ts';
import { type BenchServers, readOne, withClient } from '../servers.ts';
import { type OrderJson, openUpserter } from './single-upsert.ts';
import { checkEndState, END_STATE, type EndState, orderRow, VERSIONED_TABLE } from './versions.ts';

/** What is used of pg-boss 12.38.0. */
interface Boss {
  on(event: 'error', handler: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string): Promise<void>;
  insert(name: string, jobs: readonly { data: OrderJson }[]): Promise<unknown>;
  work(
    name: string,
    options: object,
    handler: (jobs: readonly { data: OrderJson }[]) => Promise<void>,
  ): Promise<string>;
}
interface BossModule {
  readonly PgBoss: new (options: object) => Boss;
}

const QUEUE = 'orders';
const WORKERS = 4;
const BATCH = 1000;
const IN_FLIGHT = 10;

/** At the settings that were the fastest of those published: four workers, batches of 1000, ten upserts in flight a worker. */
export function bossVariant(servers: BenchServers, peers: Peers, events: number): Variant {
  let template: string | undefined;
  return {
    id: 'pg-boss',
    title: `pg-boss ${peers.versions['pg-boss']}, work x${WORKERS}, batch ${BATCH}, ${IN_FLIGHT} upserts in flight`,
    run: async () => {
      const module = (await peers.load('pg-boss')) as BossModule;
      template ??= await prepare(servers, module, events);
      const legacy = await servers.create('legacy', template);
      const target = await servers.create('target');
      await withClient(target.url, (client) => client.query(VERSIONED_TABLE));
      const drained = await drain(module, legacy.url, target.url, events);
      checkEndState(await readOne<EndState>(target.url, END_STATE), events / 2);
      await servers.drop('legacy', legacy.name);
      await servers.drop('target', target.name);
      return drained;
    },
  };
}

async function open({ PgBoss }: BossModule, connectionString: string): Promise<Boss> {
  const boss = new PgBoss({ connectionString, supervise: false, schedule: false, max: 12 });
  boss.on('error', () => undefined);
  await boss.start();
  return boss;
}

async function prepare(servers: BenchServers, module: BossModule, events: number): Promise<string> {
  const { url, name } = await servers.create('legacy');
  const boss = await open(module, url);
  await boss.createQueue(QUEUE);
  await withClient(url, async (client) => {
    for (const version of [1, 2])
      for (let from = 1; from <= events / 2; from += BATCH) {
        const { rows } = await client.query<{ row: OrderJson }>(
          `SELECT to_json(r) AS row FROM (SELECT ${orderRow(version)} FROM generate_series(${from}, ${Math.min(from + BATCH - 1, events / 2)}) AS i) AS r`,
        );
        await boss.insert(
          QUEUE,
          rows.map(({ row }) => ({ data: row })),
        );
      }
    await boss.stop({ graceful: false });
    await client.query('VACUUM ANALYZE');
  });
  return name;
}

async function drain(module: BossModule, legacyUrl: string, targetUrl: string, events: number): Promise<Drained> {
  const target = openUpserter(targetUrl, WORKERS * IN_FLIGHT);
  const boss = await open(module, legacyUrl);
  let done = 0;
  const ended = Promise.withResolvers<Drained>();
  const read = stopwatch();
  for (let worker = 0; worker < WORKERS; worker++)
    await boss.work(
      QUEUE,
      { batchSize: BATCH, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
      async (jobs) => {
        const queue = [...jobs];
        const lane = async () => {
          for (let job = queue.pop(); job !== undefined; job = queue.pop()) await target.upsert(job.data);
        };
        await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
        done += jobs.length;
        if (done === events) ended.resolve(read(events));
      },
    );
  const drained = await ended.promise;
  await boss.stop({ graceful: true });
  await target.close();
  return drained;
}
