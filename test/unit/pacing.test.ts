/** The rate limit where it binds, and the window's clock (guide phase 3: rate_limit_qps, off-peak windows). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Pace, paceNext } from '../../lib/domain/pacing.ts';
import { type DailyWindow, isOpen, nextOpening, openShare, parseDailyWindow } from '../../lib/plan/daily-window.ts';

describe('the rate', () => {
  it('never lets more than rate × time + 1 batches begin in any window, whatever the pauses and however slow the batches', () => {
    const gaps = fc.array(fc.oneof(fc.nat(5), fc.nat(100), fc.nat(20_000)), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), gaps, (batchesPerSecond, waits) => {
        let pace: Pace = { batchesPerSecond, lastMs: null };
        let now = 0;
        const starts: number[] = [];
        for (const gap of waits) {
          now += gap;
          const next = paceNext(pace, now);
          pace = next.pace;
          now += next.waitMs;
          starts.push(now);
        }
        for (const [first, from] of starts.entries()) {
          for (const [place, to] of starts.entries()) {
            if (place < first) continue;
            const most = ((to - from) / 1000) * batchesPerSecond + 1;
            expect(place - first + 1).toBeLessThanOrEqual(most + 1e-6);
          }
        }
      }),
    );
  });
});

const at = (iso: string) => new Date(iso);

describe('the window', () => {
  const night = parseDailyWindow('22:00-06:00 Europe/Berlin');

  it('opens at the zone’s own hour in winter and in summer', () => {
    expect(nextOpening(night, at('2026-01-05T12:00:00Z'))).toEqual(at('2026-01-05T21:00:00Z'));
    expect(nextOpening(night, at('2026-07-05T12:00:00Z'))).toEqual(at('2026-07-05T20:00:00Z'));
  });

  it('opens by the clock of then where it is changed in between', () => {
    const early = parseDailyWindow('04:00-06:00 Europe/Berlin');

    expect(nextOpening(early, at('2026-03-28T12:00:00Z'))).toEqual(at('2026-03-29T02:00:00Z'));
    expect(nextOpening(early, at('2026-10-24T12:00:00Z'))).toEqual(at('2026-10-25T03:00:00Z'));
  });

  it('leaves out the day on which the clock leaps over all of it', () => {
    const leapt = parseDailyWindow('02:10-02:40 Europe/Berlin');

    expect(nextOpening(leapt, at('2026-03-28T12:00:00Z'))).toEqual(at('2026-03-30T00:10:00Z'));
  });

  it('is open for its share of a day, over midnight too', () => {
    expect(openShare(night)).toBeCloseTo(8 / 24);
    expect(openShare(parseDailyWindow('01:00-13:00 UTC'))).toBeCloseTo(1 / 2);
  });

  it('opens at the first open minute from any moment in any zone', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'];
    const windows: fc.Arbitrary<DailyWindow> = fc
      .record({ fromMinute: fc.nat(1439), length: fc.integer({ min: 60, max: 1439 }), zone: fc.constantFrom(...zones) })
      .map(({ fromMinute, length, zone }) => ({ fromMinute, toMinute: (fromMinute + length) % 1440, zone }))
      .filter(({ fromMinute, toMinute }) => fromMinute !== toMinute);
    const moments = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2026, 11, 31) });
    fc.assert(
      fc.property(windows, moments, (window, ms) => {
        const now = new Date(ms);
        const opening = nextOpening(window, now);

        expect(isOpen(window, opening)).toBe(true);
        expect(opening.getTime()).toBeGreaterThanOrEqual(ms);
        // Every quarter of an hour before it is closed.
        for (let time = ms; time < opening.getTime(); time += 900_000)
          expect(isOpen(window, new Date(time))).toBe(false);
      }),
      { numRuns: 60 },
    );
  });
});
