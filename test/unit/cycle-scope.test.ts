import fc from 'fast-check';
/** What a cycle compares, as pure rules: the wish, the tables that are due, the size of a fan-out. */
import { describe, expect, it } from 'vitest';
import { callsAtOnce, chooseScope, dueTables, itemsPerCall } from '../../lib/domain/cycle-scope.ts';

const NUMBERS = { window: 3_600_000, limit: 5000, dryRunLimit: 2000 };
const HOUR = 3_600_000;
const MINUTE = 60_000;

describe('the scope that a wish means', () => {
  it.each([
    [{}, { kind: 'full', windowMs: null, limit: null }],
    [{ limit: 2000 }, { kind: 'window', windowMs: HOUR, limit: 2000 }],
    [{ windowMs: 2 * HOUR }, { kind: 'window', windowMs: 2 * HOUR, limit: 5000 }],
    [
      { scopeKind: 'full', limit: 100 },
      { kind: 'full', windowMs: null, limit: 100 },
    ],
    [{ scopeKind: 'sample' }, { kind: 'sample', windowMs: null, limit: 5000 }],
    [{ keys: ['[1]'] }, { kind: 'keys', windowMs: null, limit: null }],
    [{ scopeKind: 'due' }, { kind: 'due', windowMs: null, limit: null }],
    [{ dryRun: true }, { kind: 'full', windowMs: null, limit: 2000 }],
    [
      { dryRun: true, limit: 2000 },
      { kind: 'window', windowMs: HOUR, limit: 2000 },
    ],
    [
      { dryRun: true, scopeKind: 'full' },
      { kind: 'full', windowMs: null, limit: null },
    ],
  ] as const)('%j is %j', (wish, chosen) => {
    expect(chooseScope({ limit: null, dryRun: false, ...wish }, NUMBERS)).toEqual(chosen);
  });
});

describe('the tables that are due', () => {
  const rule = { cycleMs: HOUR, fullEveryMs: 24 * HOUR, every: { orders: 5 * MINUTE, lines: null } };
  const now = 100 * HOUR;
  const mark = (ageMs: number, fullAgeMs = ageMs) => ({ at: now - ageMs, fullAt: now - fullAgeMs });

  it('are all of them, fully, when nothing was ever compared', () => {
    expect(dueTables({}, rule, now)).toEqual([
      { table: 'orders', full: true },
      { table: 'lines', full: true },
    ]);
  });

  it('are the busy ones more often than the others', () => {
    const marks = { orders: mark(5 * MINUTE - 100), lines: mark(5 * MINUTE) };

    expect(dueTables(marks, rule, now)).toEqual([{ table: 'orders', full: false }]);
  });

  it('are none when the schedule fires before their time', () => {
    expect(dueTables({ orders: mark(MINUTE), lines: mark(MINUTE) }, rule, now)).toEqual([]);
  });

  it('are compared fully together when one of them needs it', () => {
    const marks = { orders: mark(5 * MINUTE, HOUR), lines: mark(HOUR, 24 * HOUR) };

    expect(dueTables(marks, rule, now).map(({ full }) => full)).toEqual([true, true]);
  });
});

describe('the fan-out', () => {
  it('gives a call as many chunks as the plan says, in spans of at most 50 000 rows', () => {
    expect(itemsPerCall({ chunkRows: 5000, chunksPerBatch: 10 }, 10_000, 10)).toBe(1);
    expect(itemsPerCall({ chunkRows: 50_000, chunksPerBatch: 10 }, 10_000, 10)).toBe(10);
    expect(itemsPerCall({ chunkRows: 100, chunksPerBatch: 3 }, 10_000, 10)).toBe(1);
  });

  it('gives every call that may run its turns where there are enough items', () => {
    const size = { chunkRows: 50_000, chunksPerBatch: 10 };
    const sizes = fc.record({
      chunkRows: fc.integer({ min: 10, max: 1_000_000 }),
      chunksPerBatch: fc.integer({ min: 1, max: 1_000 }),
    });
    const counts = [fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 1_000 })] as const;

    expect(itemsPerCall(size, 20, 10)).toBe(1);
    expect(itemsPerCall(size, 100, 10)).toBe(5);
    fc.assert(
      fc.property(sizes, ...counts, (of, items, calls) => {
        const started = Math.ceil(items / itemsPerCall(of, items, calls));
        expect(started).toBeGreaterThanOrEqual(Math.min(items, calls * 2));
      }),
    );
  });

  it('keeps a call far below its 300 seconds, whatever the plan says', () => {
    expect(itemsPerCall({ chunkRows: 50_000, chunksPerBatch: 1_000 }, 1_000_000, 10)).toBe(10);
    expect(itemsPerCall({ chunkRows: 1_000_000, chunksPerBatch: 1_000 }, 1_000_000, 10)).toBe(1);
  });

  it('takes no more than half of the smaller pool', () => {
    expect(callsAtOnce(10, { legacy: 100, target: 120 })).toBe(10);
    expect(callsAtOnce(10, { legacy: 20, target: 24 })).toBe(5);
    expect(callsAtOnce(10, { legacy: 1, target: 2 })).toBe(1);
  });
});
