import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isOpen, parseDailyWindow } from '../../lib/plan/daily-window.ts';
import { nearest } from '../../lib/plan/nearest.ts';
import { DURATION_UNITS, formatDuration, MILLISECONDS, parseDuration } from '../../lib/plan/units.ts';

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['72h', 259_200_000],
    ['1.5h', 5_400_000],
    ['0.07s', 70],
    ['7d', 604_800_000],
    ['0s', 0],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test('read back what was written, for every number of milliseconds', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 4_000_000_000 }),
        (milliseconds) => parseDuration(formatDuration(milliseconds)) === milliseconds,
      ),
    );
  });

  test('are their number times their unit', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 100_000 }),
        fc.constantFrom(...DURATION_UNITS),
        (amount, unit) => parseDuration(`${amount}${unit}`) === amount * MILLISECONDS[unit],
      ),
    );
  });

  test('are refused without a unit, or with one that is not among them', () => {
    fc.assert(
      fc.property(fc.nat(), fc.stringMatching(/^[a-zA-Z ]{0,6}$/), (amount, unit) => {
        fc.pre(!(DURATION_UNITS as readonly string[]).includes(unit));
        expect(() => parseDuration(`${amount}${unit}`)).toThrow(/expected a duration with its unit/);
      }),
    );
  });
});

describe('a daily window', () => {
  const night = parseDailyWindow('22:00-06:00 Europe/Berlin');

  test.each([
    ['2026-01-15T20:59:00Z', false],
    ['2026-01-15T21:00:00Z', true],
    ['2026-01-16T04:59:00Z', true],
    ['2026-01-16T05:00:00Z', false],
    ['2026-07-15T20:00:00Z', true],
    ['2026-07-16T04:00:00Z', false],
  ])('follows the clock of its zone, in summer too: %s is inside: %s', (now, expected) => {
    expect(isOpen(night, new Date(now))).toBe(expected);
  });

  test('by day ends on the day it began', () => {
    const noon = parseDailyWindow('12:00-13:30 UTC');

    expect([11, 12, 13, 14].map((hour) => isOpen(noon, new Date(Date.UTC(2026, 0, 15, hour, 15))))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe('advice for a mistyped name', () => {
  test.each([
    ['chunk_rows', '; did you mean chunkRows?'],
    ['chunkRosw', '; did you mean chunkRows?'],
    ['chunkrow', '; did you mean chunkRows?'],
    ['banana', ''],
    ['x', ''],
  ])('%s%s', (written, expected) => {
    expect(nearest(written, ['chunkRows', 'cycle', 'window'])).toBe(expected);
  });
});
