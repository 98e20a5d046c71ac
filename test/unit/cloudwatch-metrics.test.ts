import type { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { expect, test } from 'vitest';
import { createCloudWatchMetrics } from '../../lib/adapters/cloudwatch/metrics.ts';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createMemoryLog } from '../../lib/adapters/memory/log.ts';

function metricsOver(send: (command: PutMetricDataCommand, options: { abortSignal: AbortSignal }) => Promise<unknown>) {
  const log = createMemoryLog();
  // The only method that is used.
  const client = { send } as unknown as CloudWatchClient;
  return { log, metrics: createCloudWatchMetrics({ client, plan: 'shop', clock: createVirtualClock(), log }) };
}

test('a thousand batches of the relay are one request with one datum a metric', async () => {
  const sent: PutMetricDataCommand[] = [];
  const { metrics } = metricsOver(async (command) => sent.push(command));

  for (let batch = 0; batch < 1_000; batch += 1) {
    metrics.record('writeLatency', batch % 40, { store: 'target' });
    metrics.record('delivered', 1_000, { direction: 'forward' });
  }
  await metrics.flush();

  const data = sent.flatMap(({ input }) => input.MetricData ?? []);
  expect(sent).toHaveLength(1);
  expect(data.map(({ MetricName, Values }) => [MetricName, Values?.length])).toEqual([
    ['WriteLatency', 40],
    ['EventsDelivered', 1],
  ]);
});

test('a CloudWatch that cannot be reached costs a line in the log, and is asked once with a limit', async () => {
  const signals: AbortSignal[] = [];
  const { metrics, log } = metricsOver((_command, { abortSignal }) => {
    signals.push(abortSignal);
    return Promise.reject(new Error('connect ETIMEDOUT'));
  });
  // More than one request's worth: 700 series.
  for (let series = 0; series < 700; series += 1) metrics.record('reads', 1, { store: `s${series}` });

  await metrics.flush();
  await metrics.flush();

  expect(signals).toHaveLength(1);
  expect(signals[0]).toBeInstanceOf(AbortSignal);
  expect(log.lines).toMatchObject([{ level: 'warn', fields: { data: 700 } }]);
});
