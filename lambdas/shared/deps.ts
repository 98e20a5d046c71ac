/** What use cases reach the world through, built once a container from the environment and the `plan.json` beside the bundle. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createStackProtection } from '../../lib/adapters/cloudformation/protection.ts';
import { openDatabases } from '../../lib/adapters/databases.ts';
import { createPowertoolsLog, type PowertoolsLog } from '../../lib/adapters/logger/powertools-log.ts';
import { openSystem } from '../../lib/adapters/system.ts';
import { systemClock } from '../../lib/adapters/system-clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { ENV } from '../../lib/contracts/env-names.ts';
import { planHash } from '../../lib/plan/hash.ts';
import type { Plan } from '../../lib/plan/plan.ts';
import { requireEnv } from './require-env.ts';

export interface LambdaDeps extends Deps {
  readonly log: PowertoolsLog;
}

let built: LambdaDeps | undefined;

/** @throws {Error} when the bundle has no plan. */
export function loadDeps(): LambdaDeps {
  built ??= buildDeps(readPlan(), new URL('./', import.meta.url));
  return built;
}

export function buildDeps(plan: Plan, bundle: URL): LambdaDeps {
  const log = createPowertoolsLog(`crossfade-${plan.name}`);
  const system = openSystem({ plan: plan.name, flagPollMs: plan.flags.poll, addressOf: requireEnv, log });
  return {
    plan,
    planHash: planHash(plan),
    databases: openDatabases(plan, {
      bundle,
      proxyHosts: { legacy: process.env[ENV.legacyProxyHost], target: process.env[ENV.targetProxyHost] },
    }),
    get documents() {
      return system.documents;
    },
    get queues() {
      return system.queues;
    },
    get workflow() {
      return system.workflow;
    },
    get objects() {
      return system.objects;
    },
    get metrics() {
      return system.metrics;
    },
    protection: createStackProtection((process.env[ENV.stacks] ?? '').split(',').filter((name) => name !== '')),
    flags: system.flags,
    wakeRelay: system.wakeRelay,
    clock: systemClock,
    log,
    newId: randomUUID,
  };
}

function readPlan(): Plan {
  // Written at deployment from the plan that was checked then; see the construct that bundles the functions.
  return JSON.parse(readFileSync(new URL('./plan.json', import.meta.url), 'utf8')) as Plan;
}
