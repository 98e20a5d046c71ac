/** Metrics by PutMetricData at the end of an invocation. Metrics never fail the work that they measure. */
import { type CloudWatchClient, type MetricDatum, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { METRIC_NAMESPACE, METRICS, type MetricName } from '../../contracts/metrics.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';

export interface CloudWatchMetricsOptions {
  readonly client: CloudWatchClient;
  /** Name of the plan: dimension `plan` of every metric. */
  readonly plan: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

/** Limits of PutMetricData: data a request, distinct values a datum. */
const DATA_A_REQUEST = 500;
const VALUES_A_DATUM = 150;

/** Metrics are sent once an invocation, behind the work; one that cannot be sent must not keep the next invocation waiting. */
const PATIENCE_MS = 5_000;

interface Series {
  readonly name: MetricName;
  readonly dimensions: Readonly<Record<string, string>>;
  /** Value to how often it was recorded: keeps percentiles, costs one datum. */
  readonly counts: Map<number, number>;
}

export function createCloudWatchMetrics({ client, plan, clock, log }: CloudWatchMetricsOptions): Metrics {
  let series = new Map<string, Series>();
  return {
    record: (name, value, dimensions = {}) => {
      if (!Number.isFinite(value)) return;
      const key = JSON.stringify([name, Object.entries(dimensions).toSorted()]);
      const recorded = series.get(key) ?? { name, dimensions, counts: new Map<number, number>() };
      recorded.counts.set(value, (recorded.counts.get(value) ?? 0) + 1);
      series.set(key, recorded);
    },
    flush: async () => {
      const data = [...series.values()].flatMap((recorded) => toData(recorded, plan, clock.now()));
      series = new Map();
      for (let from = 0; from < data.length; from += DATA_A_REQUEST) {
        try {
          await client.send(
            new PutMetricDataCommand({
              Namespace: METRIC_NAMESPACE,
              MetricData: data.slice(from, from + DATA_A_REQUEST),
            }),
            { abortSignal: AbortSignal.timeout(PATIENCE_MS) },
          );
        } catch (error) {
          log.warn('metrics could not be sent to CloudWatch and are lost', {
            reason: error instanceof Error ? error.message : String(error),
            data: data.length - from,
          });
          return;
        }
      }
    },
  };
}

function toData({ name, dimensions, counts }: Series, plan: string, Timestamp: Date): readonly MetricDatum[] {
  const values = [...counts];
  const pages = Array.from({ length: Math.ceil(values.length / VALUES_A_DATUM) }, (_, page) =>
    values.slice(page * VALUES_A_DATUM, (page + 1) * VALUES_A_DATUM),
  );
  return pages.map((page) => ({
    MetricName: METRICS[name].name,
    Unit: METRICS[name].unit,
    Timestamp,
    Dimensions: Object.entries({ plan, ...dimensions }).map(([Name, Value]) => ({ Name, Value })),
    ...onlyValue(page),
  }));
}

/** A single value goes as such; CloudWatch and everything that imitates it understands that form best. */
function onlyValue(page: readonly (readonly [number, number])[]): Pick<MetricDatum, 'Value' | 'Values' | 'Counts'> {
  const [first] = page;
  if (page.length === 1 && first?.[1] === 1) return { Value: first[0] };
  return { Values: page.map(([value]) => value), Counts: page.map(([, count]) => count) };
}
