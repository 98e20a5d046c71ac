/** Metrics per store; names and dimensions in lib/contracts/metrics.ts. Never carries tenants or keys as dimensions. */
import type { MetricName } from '../contracts/metrics.ts';

export interface Metrics {
  record(name: MetricName, value: number, dimensions?: Readonly<Record<string, string>>): void;
  /** Hands what was recorded to the outside; called at the end of an invocation. */
  flush(): Promise<void>;
}
