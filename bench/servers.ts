/** The two PostgreSQL servers that every variant of a run uses, with the settings of the published peer measurements where they matter. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { STORES, type StoreName } from '../lib/domain/direction.ts';
import { createDatabase, dropDatabase } from '../lib/local/databases.ts';
import { type PostgresServer, removePostgresFolder, startPostgres } from '../lib/local/postgres.ts';
import type { Major } from '../lib/local/postgres-programs.ts';
import { watchServers } from './server-cpu.ts';

/** One URL a store; of a superuser unless said otherwise. */
export type Urls = Readonly<Record<StoreName, string>>;

export interface BenchServers {
  readonly urls: Urls;
  readonly settings: Readonly<Record<string, string>>;
  /** Where data lie: on a disk that others use too, it is mostly the disk that is measured. */
  readonly dataIn: 'memory' | 'disk';
  /** Creates a database on one server, as a copy of `template` when given. */
  create(store: StoreName, template?: string): Promise<{ readonly url: string; readonly name: string }>;
  drop(store: StoreName, name: string): Promise<void>;
  stop(): Promise<void>;
}

const SETTINGS = {
  max_connections: '200',
  shared_buffers: '1GB',
  work_mem: '64MB',
  max_wal_size: '8GB',
  random_page_cost: '1.1',
  jit: 'off',
  // For native logical replication; the others pay its larger WAL too.
  wal_level: 'logical',
  // A subscription's worker that was turned away waits this long: 5 s would be measured as slowness.
  wal_retrieve_retry_interval: '100ms',
};
/** Both the major that the peers' published numbers come from. */
const MAJORS: Readonly<Record<StoreName, Major>> = { legacy: 15, target: 15 };

export interface BenchServerOptions {
  /** fsync and full_page_writes on. */
  readonly durable?: boolean | undefined;
  /** For quick runs. */
  readonly small?: boolean | undefined;
  readonly majors?: Readonly<Record<StoreName, Major>> | undefined;
  /** Over those of every suite. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

export async function startBenchServers({
  durable = false,
  small = false,
  majors = MAJORS,
  settings: wanted = {},
}: BenchServerOptions = {}): Promise<BenchServers> {
  const memory = durable ? undefined : useMemory();
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-bench-'));
  const folders = { legacy: join(folder, 'legacy'), target: join(folder, 'target') };
  const settings = { ...SETTINGS, ...(small ? { shared_buffers: '128MB', max_wal_size: '1GB' } : {}), ...wanted };
  const start = (store: StoreName) =>
    startPostgres({ major: majors[store], folder: folders[store], fsync: durable, settings });
  const [legacy, target] = await Promise.all([start('legacy'), start('target')]);
  const servers: Readonly<Record<StoreName, PostgresServer>> = { legacy, target };
  watchServers(STORES.map((store) => servers[store].identity().pid));
  return {
    urls: { legacy: legacy.url, target: target.url },
    dataIn: memory === undefined ? 'disk' : 'memory',
    settings: { ...settings, fsync: durable ? 'on' : 'off', full_page_writes: durable ? 'on' : 'off' },
    create: async (store, template) => {
      const name = `bench_${randomBytes(5).toString('hex')}`;
      return { name, url: await createDatabase(servers[store].url, name, template) };
    },
    drop: (store, name) => dropDatabase(servers[store].url, name),
    stop: async () => {
      watchServers([]);
      await Promise.all(STORES.map((store) => servers[store].stop()));
      for (const store of STORES) removePostgresFolder(folders[store]);
      rmSync(folder, { recursive: true, force: true });
      memory?.leave();
    },
  };
}

/** A file system in memory, as Linux has one. */
const MEMORY_FOLDER = '/dev/shm';
const NEEDED_BYTES = 6 * 2 ** 30;

/** Servers choose their folders by TMPDIR, and look there again when they are removed. Undefined where there is no such place. */
function useMemory(): { leave(): void } | undefined {
  const { TMPDIR: before } = process.env;
  try {
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    if (bavail * bsize < NEEDED_BYTES) return undefined;
  } catch {
    return undefined;
  }
  process.env.TMPDIR = MEMORY_FOLDER;
  return {
    leave: () => {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    },
  };
}

/** Runs `work` with a session that ends afterwards. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The first row, which a query that counts always has. */
export async function readOne<Row extends object>(url: string, sql: string): Promise<Row> {
  const [row] = await withClient(url, async (client) => (await client.query<Row>(sql)).rows);
  if (row === undefined) throw new RangeError(`no row for: ${sql}`);
  return row;
}
