/**
 * What a watch over target reads proves (guide phase 4: "confirm zero fallback triggers for 24 hours"): reads answered since the
 * weight was set, added up from minute buckets, judged as gates. Without reads nothing was proved.
 */
import { type GateDecision, judgeGate } from './gate.ts';

export type ReadCounts = Readonly<Record<string, number>>;

export interface WatchStart {
  /** ISO time. */
  readonly at: string;
  /** What the bucket of that minute already held. */
  readonly before: ReadCounts;
}

export interface Bucket {
  /** Minute, `2026-01-05T12:00`. */
  readonly id: string;
  readonly value: ReadCounts;
}

export function countsSince(start: WatchStart, buckets: readonly Bucket[]): ReadCounts {
  const first = start.at.slice(0, 16);
  const sums: Record<string, number> = {};
  for (const { id, value } of buckets) {
    if (id < first) continue;
    for (const [name, count] of Object.entries(value)) {
      sums[name] = (sums[name] ?? 0) + count - (id === first ? (start.before[name] ?? 0) : 0);
    }
  }
  return sums;
}

export interface Watch {
  /** Prefix of the gates: `canary` or `full`. */
  readonly name: string;
  readonly start: WatchStart;
  readonly counts: ReadCounts;
  /** Of the breaker since the weight was set. */
  readonly openings: number;
  readonly forMs: number;
  /** Reads that the target must have answered. */
  readonly minimumReads: number;
  readonly guide?: string | undefined;
}

/** `harm`: what ends a watch at once. `proof`: what it has to gather. */
export interface WatchGates {
  readonly harm: readonly GateDecision[];
  readonly proof: readonly GateDecision[];
}

export function judgeWatch(watch: Watch, now: Date): WatchGates {
  const { name, counts, openings } = watch;
  const none = (gate: string, value: number, unit: string, source: string, details: readonly string[]) =>
    judgeGate(
      { gate: `${name}-${gate}`, value, threshold: 0, comparison: 'equals', unit, source, measuredAt: now, details },
      now,
    );
  const why = ['Timeout', 'Open', 'Error'].flatMap((kind) => {
    const count = counts[`fallback${kind}`] ?? 0;
    return count === 0 ? [] : [`${count} by ${kind.toLowerCase()}`];
  });
  return {
    harm: [
      none('breaker-openings', openings, 'openings', 'breaker document', []),
      none('fallbacks', counts.fallbacks ?? 0, 'reads', 'read counters', why),
      none('errors', counts.errors ?? 0, 'reads', 'read counters', []),
    ],
    proof: [
      judgeGate(
        {
          gate: `${name}-time`,
          value: Math.max(0, now.getTime() - Date.parse(watch.start.at)),
          threshold: watch.forMs,
          comparison: 'at least',
          unit: 'ms',
          source: 'run',
          measuredAt: now,
          guide: watch.guide,
        },
        now,
      ),
      judgeGate(
        {
          gate: `${name}-reads`,
          value: counts.target ?? 0,
          threshold: watch.minimumReads,
          comparison: 'at least',
          unit: 'reads answered by the target',
          source: 'read counters',
          measuredAt: now,
          details: ['reads have to come through the read route; without any, nothing was proved'],
        },
        now,
      ),
    ],
  };
}
