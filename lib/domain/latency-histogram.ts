/** Latencies in few numbers, so that percentiles survive from one function call to the next. Buckets grow by a fifth: a percentile is at most 20 % too high. */
const GROWTH = 1.2;
/** Milliseconds of the first bucket. */
const FIRST = 0.1;
/** The last one holds everything above 0.1 × 1.2^79, about 3 minutes. */
const BUCKETS = 80;

/** Count of latencies by bucket number; empty buckets are absent. */
export type LatencyHistogram = Readonly<Record<string, number>>;

export function addLatency(histogram: LatencyHistogram, milliseconds: number): LatencyHistogram {
  const bucket = Math.min(
    BUCKETS - 1,
    Math.max(0, Math.ceil(Math.log(Math.max(milliseconds, FIRST) / FIRST) / Math.log(GROWTH) - 1e-9)),
  );
  return { ...histogram, [bucket]: (histogram[bucket] ?? 0) + 1 };
}

/** Upper bound of the bucket in which the percentile lies, in milliseconds; null: nothing was measured. */
export function percentileOf(histogram: LatencyHistogram, percent: number): number | null {
  const counts = Object.entries(histogram)
    .map(([bucket, count]) => [Number(bucket), count] as const)
    .sort(([a], [b]) => a - b);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  let passed = 0;
  for (const [bucket, count] of counts) {
    passed += count;
    if (passed >= (total * percent) / 100) return Math.round(FIRST * GROWTH ** bucket * 100) / 100;
  }
  return null;
}
