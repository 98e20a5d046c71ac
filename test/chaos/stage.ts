/** Two durable servers that may be killed, a proxy in front of each, relays as processes: what the chaos tests play on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { systemClock } from '../../lib/adapters/system-clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { STORES, type StoreName } from '../../lib/domain/direction.ts';
import { createDatabase, databaseUrl } from '../../lib/local/databases.ts';
import { type PostgresServer, removePostgresFolder, startPostgres } from '../../lib/local/postgres.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import type { Purpose } from '../../lib/ports/sql.ts';
import { roleNames } from '../../lib/sql/install/roles.ts';
import { memoryDeps, openAs, planText } from '../support/memory-deps.ts';
import { makeRoles } from '../support/migration.ts';
import type { Delays } from './late-delivery.ts';
import { tapWire, type WireTap } from './wire-tap.ts';

export interface RelayInput {
  readonly urls: Readonly<Record<StoreName, string>>;
  readonly roles: Readonly<Record<Purpose, string>>;
  readonly plan: string;
  readonly seconds: number;
  /** Makes deliveries late: each step of one waits, now and then, for up to `maxMs`. */
  readonly delays?: Delays | undefined;
}

export interface RelayWorker {
  /** SIGKILL, and another one in its place. */
  killAndReplace(): Promise<void>;
  stop(): Promise<void>;
}

export interface Stage {
  readonly servers: Readonly<Record<StoreName, PostgresServer>>;
  readonly taps: Readonly<Record<StoreName, WireTap>>;
  /** Past the proxies, as superuser. */
  readonly urls: Readonly<Record<StoreName, string>>;
  /** Past the proxies, as Crossfade's roles. */
  readonly deps: Deps;
  startRelay(): RelayWorker;
  /** SIGKILL to every process of the server, and its restart with what it had on disk. */
  killServer(store: StoreName): Promise<void>;
  /** One query as superuser in a session of its own: a session kept open would die with its server. */
  query<Row extends pg.QueryResultRow>(store: StoreName, sql: string): Promise<readonly Row[]>;
  stop(): Promise<void>;
}

const SECONDS = 600;

/** fsync stays on: a server that loses what it acknowledged would prove nothing. */
export async function setStage(spec: {
  readonly plan: string;
  readonly sql: Readonly<Record<StoreName, string>>;
  readonly tenants: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
}): Promise<Stage> {
  const root = mkdtempSync(join(tmpdir(), 'crossfade-chaos-'));
  const folderOf = (store: StoreName) => join(root, store);
  const start = (store: StoreName) =>
    startPostgres({
      major: store === 'legacy' ? 15 : 17,
      folder: folderOf(store),
      fsync: true,
      settings: { max_connections: '60', ...spec.settings },
    });
  const [legacy, target] = await Promise.all([start('legacy'), start('target')]);
  const servers = { legacy, target };
  const taps = { legacy: await tapWire(legacy.port), target: await tapWire(target.port) };
  const urls = { legacy: await createDatabase(legacy.url, 'chaos'), target: await createDatabase(target.url, 'chaos') };
  const query: Stage['query'] = async (store, sql) => {
    const client = new pg.Client({ connectionString: urls[store] });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const plan = loadPlan(planText(spec.plan), 'chaos.yaml');
  const roles = roleNames(`c${randomBytes(4).toString('hex')}`);
  for (const store of STORES) {
    const admin = new pg.Client({ connectionString: urls[store] });
    await admin.connect();
    await admin.query(spec.sql[store]);
    await makeRoles(admin, urls[store], plan, roles);
    await admin.end();
  }
  const databases = openAs(urls, roles);
  const deps = memoryDeps(plan, databases, systemClock);
  await installSchemas(deps);
  const migration = await loadMigration(deps);
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', ...spec.tenants])
    await turnOn(deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
  const through = (store: StoreName) => {
    const url = new URL(databaseUrl(servers[store].url, 'chaos'));
    url.port = String(taps[store].port);
    return url.toString();
  };
  const input: RelayInput = {
    urls: { legacy: through('legacy'), target: through('target') },
    roles,
    plan: spec.plan,
    seconds: SECONDS,
  };
  const workers: RelayWorker[] = [];
  return {
    servers,
    taps,
    urls,
    deps,
    query,
    startRelay: () => {
      const worker = startWorker(input);
      workers.push(worker);
      return worker;
    },
    killServer: async (store) => {
      await servers[store].kill('SIGKILL');
      await servers[store].restart();
    },
    stop: async () => {
      for (const worker of workers) await worker.stop();
      await databases.close().catch(() => undefined);
      for (const store of STORES) await taps[store].stop();
      await Promise.all(STORES.map((store) => servers[store].stop()));
      for (const store of STORES) removePostgresFolder(folderOf(store));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

export function startWorker(input: RelayInput): RelayWorker {
  const launch = () =>
    spawn(process.execPath, [fileURLToPath(new URL('./relay-process.ts', import.meta.url))], {
      env: { ...process.env, CHAOS: JSON.stringify(input) },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  let child = launch();
  return {
    killAndReplace: async () => {
      await kill(child);
      child = launch();
    },
    stop: () => kill(child),
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
