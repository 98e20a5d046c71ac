/**
 * One relay worker as a process of its own, so that it can be killed: runs the forward relay, and consumes its own retry queue
 * as the retry function would. Input: CHAOS, a JSON object { urls, roles, plan, seconds }. Ends by itself after `seconds`.
 */
import type { MemoryQueues } from '../../lib/adapters/memory/queues.ts';
import { systemClock } from '../../lib/adapters/system-clock.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import { SqlError } from '../../lib/ports/sql.ts';
import { memoryDeps, openAs, planText } from '../support/memory-deps.ts';
import { deliverLate } from './late-delivery.ts';
import type { RelayInput } from './stage.ts';

// The parent wrote it.
const input = JSON.parse(process.env.CHAOS ?? '{}') as RelayInput;
const opened = openAs(input.urls, input.roles);
const databases = input.delays === undefined ? opened : deliverLate(opened, input.delays);
const deps = memoryDeps(loadPlan(planText(input.plan), 'chaos.yaml'), databases, systemClock);
// What the relays say, for whoever looks into a failed seed.
if (process.env.CHAOS_LOG === '1')
  Object.assign(deps.log, {
    warn: (message: string, fields: object) =>
      console.error(new Date().toISOString(), process.pid, message, JSON.stringify(fields)),
  });
const until = new Date(Date.now() + input.seconds * 1_000);

await Promise.all([relay(), consumeRetries()]);
process.exit(0);

async function relay(): Promise<void> {
  while (Date.now() < until.getTime()) {
    try {
      await runRelay(deps, 'forward', { until });
    } catch (error) {
      // As the schedule would: a run that could not even read the catalogues is followed by the next one.
      if (!(error instanceof SqlError)) throw error;
      await systemClock.sleep(100);
    }
  }
}

async function consumeRetries(): Promise<void> {
  // The memory queues show what waits; here it comes at once, whatever its delay.
  const queues = deps.queues as MemoryQueues;
  while (Date.now() < until.getTime()) {
    const taken = queues.receive('forward');
    if (taken === undefined) {
      await systemClock.sleep(50);
      continue;
    }
    try {
      const outcome = await retryEvent(await loadMigration(deps), taken.message, 1, Math.random());
      if (outcome.kind === 'later') taken.retry();
      else taken.done();
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      taken.retry();
      await systemClock.sleep(100);
    }
  }
}
