import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idleFor, longestGap, lookAgain, lookEvery } from '../../lib/domain/idle-clock.ts';
import { addLatency, type LatencyHistogram, percentileOf } from '../../lib/domain/latency-histogram.ts';

const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms);

describe('idle clock', () => {
  it('runs over looks that are close together', () => {
    const first = lookAgain(null, { idle: true, now: at(0), maxGapMs: 100 });
    const second = lookAgain(first, { idle: true, now: at(90), maxGapMs: 100 });

    expect(idleFor(second)).toBe(90);
    expect(second?.looks).toBe(2);
  });

  it('starts anew after a gap, and stops when something was there', () => {
    const first = lookAgain(null, { idle: true, now: at(0), maxGapMs: 100 });

    expect(idleFor(lookAgain(first, { idle: true, now: at(101), maxGapMs: 100 }))).toBe(0);
    expect(lookAgain(first, { idle: false, now: at(50), maxGapMs: 100 })).toBeNull();
  });

  it('never claims more time than has passed since the last gap or visit', () => {
    const looks = fc.array(fc.record({ after: fc.integer({ min: 0, max: 300 }), idle: fc.boolean() }), {
      minLength: 1,
      maxLength: 30,
    });

    fc.assert(
      fc.property(looks, (steps) => {
        let clock = null;
        let now = 0;
        let quietSince: number | null = null;
        for (const { after, idle } of steps) {
          now += after;
          quietSince = !idle ? null : quietSince === null || after > 100 ? now : quietSince;
          clock = lookAgain(clock, { idle, now: at(now), maxGapMs: 100 });
        }
        expect(idleFor(clock)).toBe(quietSince === null ? 0 : now - quietSince);
      }),
    );
  });

  it('is looked at twenty times at least, and not more often than each second', () => {
    expect(lookEvery(24 * 3_600_000)).toBe(300_000);
    expect(lookEvery(1_000)).toBe(1_000);
    expect(longestGap(1_000)).toBeGreaterThan(lookEvery(1_000));
  });
});

describe('latency histogram', () => {
  it('gives a percentile at most a fifth above the exact one', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 200 }), (latencies) => {
        const histogram = latencies.reduce<LatencyHistogram>(addLatency, {});
        const exact = latencies.toSorted((a, b) => a - b)[Math.ceil(latencies.length * 0.99) - 1] ?? 0;
        const found = percentileOf(histogram, 99) ?? 0;

        expect(found).toBeGreaterThanOrEqual(exact * 0.99);
        expect(found).toBeLessThanOrEqual(exact * 1.21);
      }),
    );
  });

  it('has no percentile of nothing', () => {
    expect(percentileOf({}, 50)).toBeNull();
  });
});
