/** Crossfade over the servers of a run: its roles, its sessions, and everything of AWS in memory, so that the engine and the databases are measured. */
import { randomBytes } from 'node:crypto';
import { createMemoryDocuments } from '../lib/adapters/memory/documents.ts';
import { createMemoryFlags } from '../lib/adapters/memory/flags.ts';
import { SILENT_LOG } from '../lib/adapters/memory/log.ts';
import { createMemoryObjects } from '../lib/adapters/memory/objects.ts';
import { createMemoryQueues } from '../lib/adapters/memory/queues.ts';
import { createMemoryWorkflow } from '../lib/adapters/memory/workflow.ts';
import { createPgStore } from '../lib/adapters/pg/sql-store.ts';
import { systemClock } from '../lib/adapters/system-clock.ts';
import type { Deps } from '../lib/application/deps.ts';
import { installCapture, installSchemas } from '../lib/application/install/install.ts';
import { loadMigration } from '../lib/application/migration.ts';
import { turnOn } from '../lib/application/tenants/exposure.ts';
import { STORES, type StoreName } from '../lib/domain/direction.ts';
import { loadPlan, planHash } from '../lib/plan/plan.ts';
import { ROLE_PURPOSES, type RolePurpose } from '../lib/plan/stores.ts';
import type { Metrics } from '../lib/ports/metrics.ts';
import type { Databases, SqlStore } from '../lib/ports/sql.ts';
import { createRoles, roleNames } from '../lib/sql/install/roles.ts';
import { type BenchServers, type Urls, withClient } from './servers.ts';

/** Login names by purpose; of the servers of one run. */
export type BenchRoles = Readonly<Record<RolePurpose, string>>;

export interface Copy {
  readonly urls: Urls;
  drop(): Promise<void>;
}

const PASSWORD = 'bench-only';
const LIMITS = { applyMs: 60_000, backfillMs: 60_000, readMs: 120_000 };
const NO_METRICS: Metrics = { record: () => {}, flush: async () => {} };

export function newRoles(): BenchRoles {
  return roleNames(`bench${randomBytes(4).toString('hex')}`);
}

/** A new database on each server, with Crossfade's roles and the tables of `ddl`. */
export async function createStores(
  servers: BenchServers,
  roles: BenchRoles,
  ddl: string,
): Promise<{ readonly urls: Urls; readonly names: Urls }> {
  const created = { legacy: await servers.create('legacy'), target: await servers.create('target') };
  for (const store of STORES)
    await withClient(created[store].url, async (client) => {
      await client.query(ddl);
      const grants = {
        database: created[store].name,
        schemas: ['public'],
        owners: ['postgres'],
        limits: LIMITS,
        logins: loginsOf(roles),
      };
      for (const { text } of createRoles(grants)) await client.query(text);
    });
  return {
    urls: { legacy: created.legacy.url, target: created.target.url },
    names: { legacy: created.legacy.name, target: created.target.name },
  };
}

/** Schemas and capture as the product's own installation leaves them, and every tenant on. */
export async function installEngine(deps: Deps, tenants: readonly string[]): Promise<void> {
  await installSchemas(deps);
  await installCapture(await loadMigration(deps), 'forward');
  for (const tenant of tenants)
    await turnOn(deps, 'forward', { tenant, stage: 'dualwrite', copied: true, why: 'benchmark' });
}

export async function copyStores(servers: BenchServers, templates: Urls): Promise<Copy> {
  const copies = {
    legacy: await servers.create('legacy', templates.legacy),
    target: await servers.create('target', templates.target),
  };
  return {
    urls: { legacy: copies.legacy.url, target: copies.target.url },
    drop: async () => {
      for (const store of STORES) await servers.drop(store, copies[store].name);
    },
  };
}

/** @param sections of the plan beside its name and stores, as YAML. */
export function benchDeps(databases: Databases, sections: string, metrics: Metrics = NO_METRICS): Deps {
  const plan = loadPlan(
    `name: bench
environment: dev
legacy: { driver: pg, urlEnv: LEGACY, tls: disable }
target: { driver: pg, urlEnv: TARGET, tls: disable }
${sections}`,
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
  roles: BenchRoles,
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

export function urlAs(urls: Urls, roles: BenchRoles, store: StoreName, purpose: RolePurpose): string {
  const url = new URL(urls[store]);
  url.username = roles[purpose];
  url.password = PASSWORD;
  return url.toString();
}

function loginsOf(roles: BenchRoles) {
  // Object.fromEntries forgets that every purpose is there.
  return Object.fromEntries(
    ROLE_PURPOSES.map((purpose) => [purpose, { role: roles[purpose], password: PASSWORD }]),
  ) as Parameters<typeof createRoles>[0]['logins'];
}
