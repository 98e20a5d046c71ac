import { METRICS, type MetricName } from '../../contracts/metrics.ts';
import type { Metrics } from '../../ports/metrics.ts';

export interface RecordedMetric {
  readonly name: MetricName;
  readonly value: number;
  readonly dimensions: Readonly<Record<string, string>>;
}

export interface MemoryMetrics extends Metrics {
  /** Recorded and flushed. */
  readonly flushed: readonly RecordedMetric[];
  /** Recorded, flushed or not. */
  readonly all: readonly RecordedMetric[];
}

export function createMemoryMetrics(): MemoryMetrics {
  const all: RecordedMetric[] = [];
  const flushed: RecordedMetric[] = [];
  return {
    all,
    flushed,
    record: (name, value, dimensions = {}) => {
      if (!(name in METRICS)) throw new RangeError(`${name} is not in lib/contracts/metrics.ts`);
      all.push({ name, value, dimensions });
    },
    flush: async () => {
      flushed.push(...all.slice(flushed.length));
    },
  };
}
