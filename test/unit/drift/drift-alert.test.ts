import { expect, it } from 'vitest';
import { type AlertedCycle, findDriftAlerts } from '../../../lib/domain/drift-alert.ts';

const RULE = { driftPercent: 0.01, cycles: 3 };

/** Percent of all tables together and of a small one. */
function aCycle(all: number, small: number | null = 0, overrides: Partial<AlertedCycle> = {}): AlertedCycle {
  const drift = { missing: 0, extra: 0, different: (small ?? 0) * 100 };
  return {
    driftPercent: all,
    failed: false,
    scopeKind: 'full',
    tables: small === null ? [] : [{ table: 'currencies', rows: 10_000, drift }],
    ...overrides,
  };
}

const firing = (newestFirst: readonly AlertedCycle[]) => findDriftAlerts(newestFirst, RULE);

it('fires when all tables together were above the limit for so many cycles, and tells it once', () => {
  const above = [aCycle(1), aCycle(1), aCycle(1)];

  expect(firing(above.slice(1))).toEqual({ firing: [], began: [] });
  expect(firing(above)).toEqual({ firing: [null], began: [null] });
  expect(firing([aCycle(1), ...above])).toEqual({ firing: [null], began: [] });
});

it('tells the next episode again, after a calm cycle', () => {
  const log = [aCycle(1), aCycle(1), aCycle(1), aCycle(0), aCycle(1), aCycle(1), aCycle(1)];

  expect(firing(log)).toEqual({ firing: [null], began: [null] });
});

it('fires for a small table that all together hide', () => {
  expect(firing([aCycle(0, 1), aCycle(0, 1), aCycle(0, 1)])).toEqual({
    firing: ['currencies'],
    began: ['currencies'],
  });
});

it('counts the cycles of a table by themselves: those of others neither count nor calm', () => {
  const others = aCycle(0, null);

  expect(firing([aCycle(0, 1), others, aCycle(0, 1), others, aCycle(0, 1)]).began).toEqual(['currencies']);
  expect(firing([others, aCycle(0, 1), aCycle(0, 1), aCycle(0, 1)])).toEqual({ firing: ['currencies'], began: [] });
});

it('counts what a cycle had found before it failed, and leaves it to the next one to tell', () => {
  const died = aCycle(1, 1, { failed: true });

  expect(firing([died, aCycle(1), aCycle(1)]).firing).toEqual([null]);
  expect(firing([aCycle(1), died, aCycle(1)])).toEqual({ firing: [null], began: [null] });
  expect(firing([aCycle(0, 1), died, aCycle(0, 1)]).firing).toEqual(['currencies']);
});

it.each(['sample', 'keys'] as const)(
  'is neither raised nor calmed by a %s cycle, nor by one that failed',
  (scopeKind) => {
    const chosen = (all: number) => aCycle(all, 0, { scopeKind });

    expect(firing([chosen(100), chosen(100), chosen(100)]).firing).toEqual([]);
    expect(firing([aCycle(1), chosen(0), aCycle(1), aCycle(0, 0, { failed: true }), aCycle(1)]).firing).toEqual([null]);
  },
);
