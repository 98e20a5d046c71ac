/** The fakes keep the contracts of what they stand for: they are the only mocks of those ports. */
import { describe, expect, test } from 'vitest';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createMemoryDocuments } from '../../lib/adapters/memory/documents.ts';
import { createMemoryFlags } from '../../lib/adapters/memory/flags.ts';
import { createMemoryMetrics } from '../../lib/adapters/memory/metrics.ts';
import { createMemoryObjects } from '../../lib/adapters/memory/objects.ts';
import { createMemoryQueues } from '../../lib/adapters/memory/queues.ts';
import { createMemoryWorkflow } from '../../lib/adapters/memory/workflow.ts';
import { describeDocumentStore } from './documents.contract.ts';
import { describeFlags } from './flags.contract.ts';
import { describeObjectStore } from './objects.contract.ts';
import { describeRetryQueues } from './queues.contract.ts';
import { describeWorkflow, PASSED } from './workflow.contract.ts';

describeDocumentStore('in memory', async () => createMemoryDocuments());

describeFlags('in memory', async () => {
  const flags = createMemoryFlags();
  return { flags, other: flags };
});

describeObjectStore('in memory', async () => createMemoryObjects());

describeRetryQueues('in memory', async () => {
  const queues = createMemoryQueues();
  return {
    queues,
    receiveAll: async (direction) => queues.waiting(direction).map(({ message }) => message),
    bury: async (direction, message) => {
      await queues.send(direction, [message], 0);
      queues.receive(direction)?.bury();
    },
  };
});

describeWorkflow('in memory', async () => {
  const workflow = createMemoryWorkflow(createVirtualClock());
  return {
    workflow,
    settle: async (arn) => {
      const machine = workflow.started.find((started) => started.arn === arn)?.machine;
      if (machine === 'baseline') workflow.succeed(arn, PASSED);
      if (machine === 'backfill') workflow.fail(arn, 'Crossfade.Test: it was asked to');
    },
    openTask: async () => {
      const token = `token-${Math.random()}`;
      workflow.openTask(token);
      return { token, arn: 'arn:of:the:task' };
    },
    inputOf: async (arn) => workflow.started.find((started) => started.arn === arn)?.input ?? { plan: 'none' },
  };
});

describe('the virtual clock', () => {
  test('sleepers wake in order, each at its own moment, when time is moved past them', async () => {
    const clock = createVirtualClock();
    const start = clock.now().getTime();
    const woken: [string, number][] = [];
    const sleep = async (name: string, ms: number) => {
      await clock.sleep(ms);
      woken.push([name, clock.now().getTime() - start]);
    };
    const all = [sleep('late', 300), sleep('early', 100), sleep('never', 900)];

    await clock.advance(500);

    expect(woken).toEqual([
      ['early', 100],
      ['late', 300],
    ]);
    expect([clock.now().getTime() - start, clock.sleepers]).toEqual([500, 1]);
    await clock.advance(500);
    await Promise.all(all);
  });

  test('a sleeper that sleeps again wakes again within the same advance', async () => {
    const clock = createVirtualClock();
    let ticks = 0;
    const loop = (async () => {
      for (; ticks < 5; ticks += 1) await clock.sleep(10);
    })();

    await clock.advance(100);
    await loop;

    expect(ticks).toBe(5);
  });

  test('an aborted sleep ends early', async () => {
    const clock = createVirtualClock();
    const controller = new AbortController();
    const sleeping = clock.sleep(60_000, controller.signal);

    controller.abort();
    await sleeping;

    expect(clock.sleepers).toBe(0);
  });

  test('with auto-advance a sleep takes no time and moves the clock', async () => {
    const clock = createVirtualClock({ autoAdvance: true });
    const start = clock.now().getTime();

    await clock.sleep(72 * 3_600_000);

    expect(clock.now().getTime() - start).toBe(72 * 3_600_000);
  });
});

test('recorded metrics are flushed once', async () => {
  const metrics = createMemoryMetrics();
  metrics.record('delivered', 3, { direction: 'forward' });

  await metrics.flush();
  await metrics.flush();

  expect(metrics.flushed).toEqual([{ name: 'delivered', value: 3, dimensions: { direction: 'forward' } }]);
});
