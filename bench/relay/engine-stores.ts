/** A legacy database with a captured backlog and an empty target, as the product's own installation leaves them; each run gets a copy. */
import { randomBytes } from 'node:crypto';
import { createMemoryDocuments } from '../../lib/adapters/memory/documents.ts';
import { createMemoryFlags } from '../../lib/adapters/memory/flags.ts';
import { SILENT_LOG } from '../../lib/adapters/memory/log.ts';
import { createMemoryObjects } from '../../lib/adapters/memory/objects.ts';
import { createMemoryQueues } from '../../lib/adapters/memory/queues.ts';
import { createMemoryWorkflow } from '../../lib/adapters/memory/workflow.ts';
import { createPgStore } from '../../lib/adapters/pg/sql-store.ts';
import { systemClock } from '../../lib/adapters/system-clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { STORES, type StoreName } from '../../lib/domain/direction.ts';
import { loadPlan, planHash } from '../../lib/plan/plan.ts';
import { ROLE_PURPOSES, type RolePurpose } from '../../lib/plan/stores.ts';
import type { Metrics } from '../../lib/ports/metrics.ts';
import type { Databases, SqlStore } from '../../lib/ports/sql.ts';
import { createRoles, roleNames } from '../../lib/sql/install/roles.ts';
import { type BenchServers, type Urls, withClient } from '../servers.ts';
import { ORDERS_TABLE, orderRow, TENANTS } from './orders.ts';

export interface RelaySettings {
  readonly shards: number;
  readonly batchRows: number;
}

export interface EngineStores {
  readonly events: number;
  readonly roles: Readonly<Record<RolePurpose, string>>;
  /** Two databases of this run only. */
  copy(): Promise<EngineCopy>;
}

export interface EngineCopy {
  readonly urls: Urls;
  drop(): Promise<void>;
}

const PASSWORD = 'bench-only';
const LIMITS = { applyMs: 60_000, backfillMs: 60_000, readMs: 60_000 };
export const DEFAULT_SETTINGS: RelaySettings = { shards: 2, batchRows: 1000 };

/** @param events even; 0 for stores with capture on and nothing captured. */
export async function prepareEngineStores(servers: BenchServers, events: number): Promise<EngineStores> {
  const roles = roleNames(`bench${randomBytes(4).toString('hex')}`);
  const templates = { legacy: await servers.create('legacy'), target: await servers.create('target') };
  const urls = { legacy: templates.legacy.url, target: templates.target.url };
  for (const store of STORES) {
    await withClient(urls[store], async (client) => {
      await client.query(ORDERS_TABLE);
      for (const { text } of createRoles({
        database: templates[store].name,
        schemas: ['public'],
        owners: ['postgres'],
        limits: LIMITS,
        logins: loginsOf(roles),
      }))
        await client.query(text);
    });
  }
  const databases = openAs(urls, roles);
  const deps = benchDeps(databases, DEFAULT_SETTINGS);
  await installSchemas(deps);
  await installCapture(await loadMigration(deps), 'forward');
  for (let tenant = 0; tenant < TENANTS; tenant++)
    await turnOn(deps, 'forward', { tenant: `t${tenant}`, stage: 'dualwrite', copied: true, why: 'benchmark' });
  await databases.close();
  await withClient(urls.legacy, async (client) => {
    await client.query(`INSERT INTO public.orders SELECT ${orderRow(1)} FROM generate_series(1, ${events / 2}) AS i`);
    await client.query(`UPDATE public.orders SET version = 2, status = 'paid'`);
    await client.query('VACUUM ANALYZE');
  });
  return {
    events,
    roles,
    copy: async () => {
      const copies = {
        legacy: await servers.create('legacy', templates.legacy.name),
        target: await servers.create('target', templates.target.name),
      };
      return {
        urls: { legacy: copies.legacy.url, target: copies.target.url },
        drop: async () => {
          for (const store of STORES) await servers.drop(store, copies[store].name);
        },
      };
    },
  };
}

/** Everything of AWS in memory: what is measured is the engine and the databases. */
export function benchDeps(
  databases: Databases,
  { shards, batchRows }: RelaySettings,
  metrics: Metrics = { record: () => {}, flush: async () => {} },
): Deps {
  const plan = loadPlan(
    `name: bench
environment: dev
legacy: { driver: pg, urlEnv: LEGACY, tls: disable }
target: { driver: pg, urlEnv: TARGET, tls: disable }
tenants: { column: tenant_id }
relay: { shards: ${shards}, batchRows: ${batchRows} }
tables:
  orders: { updatedAtColumn: updated_at }
`,
    'bench.yaml',
  );
  return {
    plan,
    planHash: planHash(plan),
    databases,
    documents: createMemoryDocuments(),
    flags: createMemoryFlags(),
    queues: createMemoryQueues(),
    workflow: createMemoryWorkflow(systemClock),
    objects: createMemoryObjects(),
    metrics,
    protection: { set: async () => {} },
    clock: systemClock,
    log: SILENT_LOG,
    wakeRelay: async () => {},
    newId: () => randomBytes(16).toString('hex'),
  };
}

/** Sessions of Crossfade's own roles, as in production. `connect` decides how they are reached. */
export function openAs(
  urls: Urls,
  roles: EngineStores['roles'],
  connect: (url: string) => SqlStore = (connectionString) => createPgStore({ connectionString }),
): Databases {
  const opened = new Map<string, SqlStore>();
  return {
    // As lib/adapters/databases.ts has it for `pg`.
    pageBytes: 8 * 1024 * 1024,
    open: (store, purpose) => {
      const key = `${store}/${purpose}`;
      const session = opened.get(key) ?? connect(urlAs(urls, roles, store, purpose));
      opened.set(key, session);
      return session;
    },
    close: async () => {
      for (const session of opened.values()) await session.close();
    },
  };
}

export function urlAs(urls: Urls, roles: EngineStores['roles'], store: StoreName, purpose: RolePurpose): string {
  const url = new URL(urls[store]);
  url.username = roles[purpose];
  url.password = PASSWORD;
  return url.toString();
}

function loginsOf(roles: EngineStores['roles']) {
  // Object.fromEntries forgets that every purpose is there.
  return Object.fromEntries(
    ROLE_PURPOSES.map((purpose) => [purpose, { role: roles[purpose], password: PASSWORD }]),
  ) as Parameters<typeof createRoles>[0]['logins'];
}
