/** What use cases need, with everything of AWS in memory. Without the test runner, so that a process of its own can use it too. */
import { randomBytes } from 'node:crypto';
import { createMemoryDocuments } from '../../lib/adapters/memory/documents.ts';
import { createMemoryFlags } from '../../lib/adapters/memory/flags.ts';
import { SILENT_LOG } from '../../lib/adapters/memory/log.ts';
import { createMemoryMetrics } from '../../lib/adapters/memory/metrics.ts';
import { createMemoryObjects } from '../../lib/adapters/memory/objects.ts';
import { createMemoryQueues } from '../../lib/adapters/memory/queues.ts';
import { createMemoryWorkflow } from '../../lib/adapters/memory/workflow.ts';
import { createPgStore } from '../../lib/adapters/pg/sql-store.ts';
import type { Deps } from '../../lib/application/deps.ts';
import type { StoreName } from '../../lib/domain/direction.ts';
import { type Plan, planHash } from '../../lib/plan/plan.ts';
import type { Clock } from '../../lib/ports/clock.ts';
import type { Databases, Purpose, SqlStore } from '../../lib/ports/sql.ts';

export const ROLE_PASSWORD = 'test-only';

/** A whole plan around `tenants`, `tables` and whatever else a test is about. */
export function planText(rest: string): string {
  return `name: test\nenvironment: dev\nlegacy: { driver: pg, urlEnv: LEGACY, tls: disable }\ntarget: { driver: pg, urlEnv: TARGET, tls: disable }\n${rest}`;
}

export function memoryDeps(plan: Plan, databases: Databases, clock: Clock): Deps {
  return {
    plan,
    planHash: planHash(plan),
    databases,
    documents: createMemoryDocuments(),
    flags: createMemoryFlags(),
    queues: createMemoryQueues(),
    workflow: createMemoryWorkflow(clock),
    objects: createMemoryObjects(),
    metrics: createMemoryMetrics(),
    protection: { set: async () => {} },
    clock,
    log: SILENT_LOG,
    wakeRelay: async () => {},
    newId: () => randomBytes(16).toString('hex'),
  };
}

/** Sessions of Crossfade's own roles; `urls` are those of superusers. */
export function openAs(urls: Readonly<Record<StoreName, string>>, roles: Readonly<Record<Purpose, string>>): Databases {
  const opened = new Map<string, SqlStore>();
  return {
    pageBytes: 700_000,
    open: (store, purpose) => {
      const key = `${store}/${purpose}`;
      const url = new URL(urls[store]);
      url.username = roles[purpose];
      url.password = ROLE_PASSWORD;
      const session = opened.get(key) ?? createPgStore({ connectionString: url.toString() });
      opened.set(key, session);
      return session;
    },
    close: async () => {
      for (const session of opened.values()) await session.close();
    },
  };
}
