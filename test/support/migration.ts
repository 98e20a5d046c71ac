/** A migration between two real databases (PostgreSQL 15 and 17) with everything of AWS in memory: what tests of use cases start from. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { systemClock } from '../../lib/adapters/system-clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { loadMigration, type Migration } from '../../lib/application/migration.ts';
import { relationOf } from '../../lib/application/read-tables.ts';
import { STORES } from '../../lib/domain/direction.ts';
import { loadPlan, type Plan } from '../../lib/plan/plan.ts';
import type { Clock } from '../../lib/ports/clock.ts';
import { createRoles, roleNames } from '../../lib/sql/install/roles.ts';
import { memoryDeps, openAs, planText, ROLE_PASSWORD } from './memory-deps.ts';
import { freshDatabase } from './postgres.ts';

export interface MigrationSpec {
  /** YAML of `tenants`, `tables` and whatever else the test is about. */
  readonly plan: string;
  readonly legacySql: string;
  /** Default: as legacy. */
  readonly targetSql?: string;
  readonly clock?: Clock;
}

export interface TestMigration {
  readonly deps: Deps;
  readonly plan: Plan;
  /** Superusers: what applications and rogue writers do. Text in, rows out. */
  readonly legacy: pg.Client;
  readonly target: pg.Client;
  /** Login names of Crossfade's roles in both stores. */
  readonly roles: ReturnType<typeof roleNames>;
  /** Reads the catalogues afresh. */
  load(): Promise<Migration>;
  close(): Promise<void>;
}

export async function aMigration(spec: MigrationSpec): Promise<TestMigration> {
  const plan = loadPlan(planText(spec.plan), 'test.yaml');
  const urls = { legacy: await freshDatabase('legacy'), target: await freshDatabase('target') };
  const clients = {
    legacy: new pg.Client({ connectionString: urls.legacy }),
    target: new pg.Client({ connectionString: urls.target }),
  };
  const roles = roleNames(`t${randomBytes(5).toString('hex')}`);
  for (const store of STORES) {
    await clients[store].connect();
    await clients[store].query(store === 'legacy' ? spec.legacySql : (spec.targetSql ?? spec.legacySql));
    await makeRoles(clients[store], urls[store], plan, roles);
  }
  const databases = openAs(urls, roles);
  const deps = memoryDeps(plan, databases, spec.clock ?? systemClock);
  return {
    deps,
    plan,
    legacy: clients.legacy,
    target: clients.target,
    roles,
    load: () => loadMigration(deps),
    close: async () => {
      await databases.close();
      for (const store of STORES) await clients[store].end();
    },
  };
}

export async function makeRoles(
  admin: pg.Client,
  url: string,
  plan: Plan,
  roles: ReturnType<typeof roleNames>,
): Promise<void> {
  const schemas = [...new Set(Object.keys(plan.tables).map((name) => relationOf(name)[0]))];
  const logins = Object.fromEntries(
    Object.entries(roles).map(([purpose, role]) => [purpose, { role, password: ROLE_PASSWORD }]),
  );
  const limits = { applyMs: plan.targetTimeout, backfillMs: plan.backfill.statementTimeout, readMs: 5_000 };
  const database = decodeURIComponent(new URL(url).pathname.slice(1));
  // Object.fromEntries forgets that every purpose is there.
  for (const { text } of createRoles({
    database,
    schemas,
    owners: ['postgres'],
    limits,
    logins: logins as Parameters<typeof createRoles>[0]['logins'],
  })) {
    await admin.query(text);
  }
}
