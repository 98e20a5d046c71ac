/** What a run of the suite leaves: everything that was measured, and how it stands to what was asked for. */
import type { Measured } from '../measure.ts';
import type { SuiteResult } from '../suite.ts';
import { atMost, medianRate, ratioOf, type Verdict, verdict } from '../verdict.ts';
import type { Latency } from './latency.ts';

export interface RelayResult extends SuiteResult {
  readonly suite: 'relay';
  readonly events: number;
  readonly drained: readonly Measured[];
  readonly latencies: readonly Latency[];
  readonly capture: readonly CaptureLine[];
}

/** Legacy's transactions a second under the TPC-B script, with capture against without. */
export interface CaptureLine {
  readonly setting: string;
  readonly tpsOff: number;
  readonly tpsOn: number;
  readonly ratio: number;
  /** Milliseconds that capture added to a transaction. */
  readonly addedP50: number;
  readonly addedP99: number;
}

/** Two workers, batches of 1000: what floors are held against. */
export const MAIN = { shards: 2, batchRows: 1000 };
const ENGINE = `engine/${MAIN.shards}x${MAIN.batchRows}`;
const BARE = `bare/${MAIN.shards}x${MAIN.batchRows}`;

type Parts = Pick<RelayResult, 'drained' | 'latencies' | 'capture'>;

/** Floors and goals of issue 4. */
export function judge({ drained, latencies, capture }: Parts): readonly Verdict[] {
  const ratio = (what: string, other: string, floor: number | null, goal: number | null = null) =>
    verdict(what, ratioOf(drained, ENGINE, other), '', floor, goal);
  const captured = (setting: string) => capture.find((line) => line.setting === setting)?.ratio ?? null;
  const p99 = (id: string) => latencies.find((latency) => latency.id === id)?.p99 ?? null;
  return [
    ratio('engine / own statements in a bare loop', BARE, 0.7),
    ratio('engine / raw loop without row versions', 'raw/2x1000', null),
    ratio('engine / native logical replication', 'native', null),
    ratio('engine / graphile-worker', 'graphile-worker', 1.5, 2.5),
    ratio('engine / pg-boss', 'pg-boss', 1.5, 2.5),
    ratio('engine / pg-transactional-outbox', 'pg-transactional-outbox', 10),
    verdict('engine through the Data API front', medianRate(drained, 'data-api'), '/s', null, null),
    verdict('engine in Lambda, through the Data API front', medianRate(drained, 'lambda'), '/s', 3000, null),
    atMost('commit to visible at 500 writes/s, pg, p99', p99('pg'), 'ms', 2000),
    atMost('commit to visible at 500 writes/s, Data API, p99', p99('data-api'), 'ms', 2000),
    verdict('legacy TPS with capture / without, durable', captured('durable'), '', 0.75, null),
    verdict('legacy TPS with capture / without, fsync off', captured('fsync off'), '', 0.6, null),
  ];
}
