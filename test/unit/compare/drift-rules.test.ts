import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inPages } from '../../../lib/domain/chunk.ts';
import { fingerprintFor } from '../../../lib/domain/digest.ts';
import { driftKindOf, judgeRow, type RowSight, standOf } from '../../../lib/domain/drift.ts';
import { firesDriftAlert } from '../../../lib/domain/drift-alert.ts';
import { upperBoundPercent } from '../../../lib/domain/drift-bound.ts';
import { forecastSeconds, type Pace, paceNext } from '../../../lib/domain/pacing.ts';

const sight = (legacy: string | null, target: string | null, inFlight = false): RowSight => ({
  rowKey: '[1]',
  tenant: 'acme',
  legacy,
  target,
  inFlight,
  setAside: null,
  version: null,
});

describe('judging a row', () => {
  it('is drift only when it stood still, different, through two reads without an open event', () => {
    const different = sight('a', 'b');

    expect(judgeRow(undefined, different)).toBe('moving');
    expect(judgeRow(standOf(different), different)).toBe('drift');
  });

  it('is not drift while an event is open, nor in the first read after it', () => {
    expect(judgeRow(standOf(sight('a', 'b')), sight('a', 'b', true))).toBe('in-flight');
    expect(judgeRow(standOf(sight('a', 'b', true)), sight('a', 'b'))).toBe('moving');
  });

  it('still moves when either side changed between the reads', () => {
    expect(judgeRow(standOf(sight('a', 'b')), sight('c', 'b'))).toBe('moving');
    expect(judgeRow(standOf(sight('a', 'b')), sight('a', 'c'))).toBe('moving');
  });

  it('has converged when both stores agree, also on having no such row', () => {
    expect(judgeRow(standOf(sight('a', 'b')), sight('c', 'c'))).toBe('converged');
    expect(judgeRow(standOf(sight('a', null)), sight(null, null))).toBe('converged');
  });

  it('is missing, extra or different as the receiver stands, whichever store that is', () => {
    expect(driftKindOf(sight('a', null), 'legacy')).toBe('missing');
    expect(driftKindOf(sight(null, 'a'), 'legacy')).toBe('extra');
    expect(driftKindOf(sight('a', 'b'), 'legacy')).toBe('different');
    expect(driftKindOf(sight('a', null), 'target')).toBe('extra');
    expect(driftKindOf(sight(null, 'a'), 'target')).toBe('missing');
  });
});

describe('the 95 % upper bound', () => {
  it('is about 3/n for none of n, and everything when nothing was compared', () => {
    expect(upperBoundPercent(0, 300_000)).toBeCloseTo(0.001, 4);
    expect(upperBoundPercent(0, 0)).toBe(100);
  });

  it('knows the textbook values of Clopper and Pearson', () => {
    expect(upperBoundPercent(1, 100)).toBeCloseTo(4.656, 3);
    expect(upperBoundPercent(10, 100)).toBeCloseTo(16.372, 2);
    expect(upperBoundPercent(0, 300)).toBeCloseTo(0.9936, 4);
  });

  it('is never below what was seen, and grows with it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 1, max: 1_000_000 }), (found, more) => {
        const rows = found + more;
        const bound = upperBoundPercent(found, rows);
        expect(bound).toBeGreaterThanOrEqual((100 * found) / rows);
        expect(upperBoundPercent(found + 1, rows)).toBeGreaterThanOrEqual(Math.min(100, bound) - 1e-9);
      }),
    );
  });
});

describe('chunks', () => {
  it('come in pages that lose nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 7 }), (items, size) => {
        const pages = inPages(items, size);
        expect(pages.flat()).toEqual(items);
        expect(pages.every((page) => page.length > 0 && page.length <= size)).toBe(true);
      }),
    );
  });
});

describe('the form of a digest', () => {
  const plain = { hashesAlike: true, blindColumns: [], isWindow: false };
  const documents = { ...plain, blindColumns: ['data (jsonb)'] };
  const formOf = (...asked: Parameters<typeof fingerprintFor>) => fingerprintFor(...asked).form;

  it('is fast only where both servers hash alike', () => {
    expect(fingerprintFor('checksum', 'fast', plain)).toEqual({ form: 'fast', columns: 'all' });
    expect(formOf('checksum', 'fast', { ...plain, hashesAlike: false })).toBe('exact');
    expect(formOf('checksum', 'auto', { ...plain, hashesAlike: false })).toBe('exact');
    expect(formOf('checksum', 'md5', { ...plain, hashesAlike: false })).toBe('md5');
  });

  it('is by itself exact for a table with documents, and fast in windows', () => {
    expect(formOf('checksum', 'auto', plain)).toBe('fast');
    expect(formOf('checksum', 'auto', documents)).toBe('exact');
    expect(formOf('checksum', 'auto', { ...documents, isWindow: true })).toBe('fast');
  });

  it('is fast for documents too where that is asked for by name', () => {
    expect(formOf('checksum', 'fast', documents)).toBe('fast');
  });

  it('compares critical columns by value even when only rows are counted', () => {
    expect(fingerprintFor('count', 'auto', plain)).toEqual({ form: 'exact', columns: 'critical' });
  });
});

describe('the pace of a backfill', () => {
  it('never lets more batches through than the rate, however long each takes, and never bursts after a pause', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 2, maxLength: 60 }),
        (batchesPerSecond, works) => {
          let now = 0;
          let pace: Pace = { batchesPerSecond, lastMs: null };
          const starts: number[] = [];
          for (const work of works) {
            const next = paceNext(pace, now);
            pace = next.pace;
            now += next.waitMs;
            starts.push(now);
            now += work;
          }
          const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
          expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1000 / batchesPerSecond - 1e-6);
        },
      ),
    );
  });

  it('does not wait when the work is slower than the rate', () => {
    expect(paceNext({ batchesPerSecond: 10, lastMs: 0 }, 500).waitMs).toBe(0);
    expect(paceNext({ batchesPerSecond: 10, lastMs: 0 }, 30).waitMs).toBe(70);
  });

  it('forecasts the time between the first and the last batch', () => {
    expect(forecastSeconds(101, 50)).toBe(2);
    expect(forecastSeconds(1, 50)).toBe(0);
  });
});

describe('the drift alert', () => {
  const rule = { driftPercent: 0.01, cycles: 3 };
  const cycle = (driftPercent: number, failed = false) => ({ driftPercent, failed });

  it('fires when so many cycles in a row are above the limit, and not before', () => {
    expect(firesDriftAlert([cycle(1), cycle(1), cycle(1)], rule)).toBe(true);
    expect(firesDriftAlert([cycle(1), cycle(1)], rule)).toBe(false);
    expect(firesDriftAlert([cycle(1), cycle(0.01), cycle(1), cycle(1)], rule)).toBe(false);
  });

  it('is not calmed by a cycle that failed', () => {
    expect(firesDriftAlert([cycle(1), cycle(0, true), cycle(1), cycle(1)], rule)).toBe(true);
  });
});
