import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DriftRule, judgeDrift, type LoggedCycle } from '../../../lib/domain/drift-gate.ts';

const HOUR = 3_600_000;
const RULE: DriftRule = {
  forMs: 72 * HOUR,
  driftPercent: 0.001,
  minimumRows: 100_000,
  cycleMs: HOUR,
  missedCycle: 'restart',
};
const START = Date.parse('2026-01-01T00:00:00.000Z');
const at = (hour: number) => new Date(START + hour * HOUR);

function aCycle(hour: number, overrides: Partial<LoggedCycle> = {}): LoggedCycle {
  return {
    startedAt: at(hour).toISOString(),
    endedAt: new Date(at(hour).getTime() + 60_000).toISOString(),
    scopeKind: 'full',
    tenants: ['*', 'acme', 'globex'],
    rows: 1_000_000,
    drift: 0,
    complete: true,
    failed: false,
    ...overrides,
  };
}

const hourly = (from: number, to: number, overrides: Partial<LoggedCycle> = {}) =>
  Array.from({ length: to - from + 1 }, (_, index) => aCycle(from + index, overrides));
const judge = (cycles: readonly LoggedCycle[], hour: number, rule: Partial<DriftRule> = {}, distinct?: number) =>
  judgeDrift(cycles, { ...RULE, ...rule }, ['acme'], at(hour), distinct);

describe('the drift gate', () => {
  it('passes after 72 hours of clean cycles, with the bound on what may still hide', () => {
    const judgement = judge(hourly(0, 72), 72);

    expect(judgement).toMatchObject({ pass: true, reasons: [], ratePercent: 0, rows: 1_000_000, cleanMs: 72 * HOUR });
    expect(judgement.upperBoundPercent).toBeCloseTo(0.0003, 5);
  });

  it('says how long the clock has run', () => {
    expect(judge(hourly(0, 41), 41).reasons).toEqual(['the clock has run 41h of 72h, since 2026-01-01T00:00:00.000Z']);
  });

  it('refuses without evidence', () => {
    const judgement = judge([], 10);

    expect(judgement).toMatchObject({ pass: false, ratePercent: null, measuredAt: null });
    expect(judgement.reasons).toEqual(['no cycle on record covers the scope; run: npx crossfade start reconcile']);
  });

  it('starts again at a cycle that does not pass by itself, even when the rate over the window would', () => {
    const cycles = [...hourly(0, 40), aCycle(41, { drift: 10 }), ...hourly(42, 80)];

    const judgement = judge(cycles, 80);

    expect(judgement.pass).toBe(false);
    expect(judgement.since).toBe(at(42).toISOString());
  });

  it('lets drift below the rate pass, and counts a key that drifts in every cycle once', () => {
    const cycles = hourly(0, 72, { drift: 5 });

    expect(judge(cycles, 72).pass).toBe(false);
    expect(judge(cycles, 72, {}, 5)).toMatchObject({ pass: true, drift: 5, ratePercent: 0.0005 });
  });

  it('adds up keys that drift in different cycles', () => {
    const cycles = hourly(0, 72, { drift: 1 });

    expect(judge(cycles, 72, {}, 73)).toMatchObject({ pass: false, drift: 73 });
  });

  it('allows no drift at all with too few rows', () => {
    const small = hourly(0, 72, { rows: 99_999 });

    expect(judge(small, 72).pass).toBe(true);
    expect(judge([...small.slice(0, 72), aCycle(72, { rows: 99_999, drift: 1 })], 72).pass).toBe(false);
  });

  it('wants a full pass in the window', () => {
    const judgement = judge([aCycle(0), ...hourly(1, 80, { scopeKind: 'window' })], 80);

    expect(judgement.pass).toBe(false);
    expect(judgement.reasons).toContain('no full pass lies in the window; run: npx crossfade start reconcile');
  });

  it.each([
    ['failed', { failed: true }],
    ['did not read every chunk', { complete: false }],
  ])('restarts in prod at a cycle that %s, and elsewhere leaves its time out', (_, broken) => {
    const cycles = [...hourly(0, 39), aCycle(40, broken), ...hourly(41, 72)];

    expect(judge(cycles, 72)).toMatchObject({ pass: false, cleanMs: 31 * HOUR });
    expect(judge(cycles, 72, { missedCycle: 'pause' })).toMatchObject({ pass: false, cleanMs: 70 * HOUR });
    expect(judge([...cycles, aCycle(73), aCycle(74)], 74, { missedCycle: 'pause' }).pass).toBe(true);
  });

  it('restarts in prod when cycles were missed, and elsewhere leaves their time out', () => {
    const cycles = [...hourly(0, 30), ...hourly(34, 80)];

    expect(judge(cycles, 80)).toMatchObject({ pass: false, cleanMs: 46 * HOUR });
    expect(judge(cycles, 80, { missedCycle: 'pause' })).toMatchObject({ pass: true, cleanMs: 76 * HOUR });
  });

  it('does not run on silence: a passed gate closes again when cycles stop', () => {
    const cycles = hourly(0, 80);

    expect(judge(cycles, 82).pass).toBe(true);
    expect(judge(cycles, 84).pass).toBe(false);
    expect(judge(cycles, 84, { missedCycle: 'pause' }).reasons).toEqual([
      'no cycle has ended well for 3h; one is due every 1h; run: npx crossfade start reconcile',
    ]);
  });

  it('does not take a long cycle for a missed one', () => {
    const cycles = Array.from({ length: 25 }, (_, index) =>
      aCycle(index * 3, { endedAt: at(index * 3 + 2.5).toISOString() }),
    );

    expect(judge(cycles, 74).pass).toBe(true);
  });

  it('ignores clean cycles of other tenants, but not what they found', () => {
    const others = hourly(0, 72, { tenants: ['*', 'globex'] });

    expect(judge(others, 72).cycles).toBe(0);
    expect(judge([...hourly(0, 72), aCycle(71.5, { tenants: ['*', 'globex'], rows: 10, drift: 3 })], 72).pass).toBe(
      false,
    );
  });

  it('takes unsettled rows and rows set aside for neither clean nor drift', () => {
    const tables = [{ table: 'orders', rows: 1_000_000, unsettled: 4, setAside: 6 }];
    const cycles = [...hourly(0, 40), aCycle(41, { tables }), ...hourly(42, 80)];

    const judgement = judge(cycles, 80);

    expect(judgement).toMatchObject({ pass: false, drift: 0, ratePercent: 0, since: at(42).toISOString() });
    expect(judge(cycles.slice(0, 42), 41).reasons.join()).toContain(
      'left 10 of 1000000 rows unsettled, set aside or long in flight',
    );
    expect(judge(cycles, 80, { missedCycle: 'pause' })).toMatchObject({ pass: true, drift: 0 });
  });

  it('adds them to the drift when it asks whether a cycle and a window pass', () => {
    const unproven = (drift: number, rows: number) => hourly(0, 72, { drift, unproven: rows });

    expect(judge(unproven(0, 9), 72).pass).toBe(true);
    expect(judge(unproven(5, 4), 72, {}, 5).pass).toBe(true);
    expect(judge(unproven(5, 5), 72, {}, 5).cycles).toBe(0);
    expect(judge(unproven(5, 4), 72, {}, 6)).toMatchObject({ pass: false, drift: 6 });
    expect(judge(hourly(0, 72, { rows: 99_999, unproven: 1 }), 72).pass).toBe(false);
  });

  it('does not run on full passes over nothing', () => {
    expect(judge(hourly(0, 80, { rows: 0 }), 80)).toMatchObject({ pass: false, cycles: 0, cleanMs: 0 });
    expect(judge([...hourly(0, 72), ...hourly(73, 80, { rows: 0 })], 80).pass).toBe(false);
    expect(judge([...hourly(0, 60), ...hourly(61, 80, { rows: 0, scopeKind: 'window' })], 80).pass).toBe(true);
  });

  it('rows that are neither never help, are no drift, and fit under the limit in every window that passes (properties)', () => {
    const cycles = fc.array(
      fc.record({
        drift: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 12 })),
        unproven: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 12 })),
      }),
      { minLength: 73, maxLength: 110 },
    );
    let passed = 0;
    fc.assert(
      fc.property(cycles, fc.boolean(), (drawn, restarts) => {
        const log = drawn.map((cycle, hour) => aCycle(hour, cycle));
        const settled = log.map((cycle) => ({ ...cycle, unproven: 0 }));
        const missedCycle = restarts ? 'restart' : 'pause';

        const judgement = judge(log, log.length - 1, { missedCycle });

        const without = judge(settled, log.length - 1, { missedCycle });
        expect(judgement.cleanMs).toBeLessThanOrEqual(without.cleanMs);
        const inWindow = log.filter(({ startedAt }) => judgement.since !== null && startedAt >= judgement.since);
        expect(judgement.drift).toBe(inWindow.reduce((sum, { drift }) => sum + drift, 0));
        if (!judgement.pass) return;
        passed += 1;
        const counted = inWindow.filter(({ drift, unproven = 0 }) => drift + unproven < 10);
        if (restarts) expect(counted).toEqual(inWindow);
        // 10 of 1 000 000 rows are the limit.
        const worst = Math.max(...counted.map(({ unproven = 0 }) => unproven));
        expect(judgement.drift + worst).toBeLessThan(10);
      }),
      { numRuns: 300, seed: 7 },
    );
    expect(passed).toBeGreaterThan(0);
  });

  it('never passes before its time, with a dirty cycle in its window, or on silence (properties)', () => {
    const cycles = fc.array(
      fc.record({
        gap: fc.double({ min: 0.1, max: 2.02, noNaN: true }),
        drift: fc.oneof({ weight: 99, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 30 })),
        failed: fc.oneof({ weight: 99, arbitrary: fc.constant(false) }, fc.constant(true)),
        scopeKind: fc.constantFrom('full' as const, 'window' as const),
      }),
      { minLength: 60, maxLength: 140 },
    );
    let passed = 0;
    fc.assert(
      fc.property(cycles, fc.double({ min: 0, max: 6, noNaN: true }), fc.boolean(), (drawn, wait, restarts) => {
        let hour = 0;
        const log = drawn.map(({ gap, ...cycle }) => {
          hour += gap;
          return aCycle(hour, { ...cycle, rows: 1_000_000 });
        });
        const now = hour + wait;
        const judgement = judge(log, now, { missedCycle: restarts ? 'restart' : 'pause' });
        if (!judgement.pass) {
          expect(judgement.reasons).not.toEqual([]);
          return;
        }
        expect(judgement.cleanMs).toBeGreaterThanOrEqual(RULE.forMs);
        expect(wait).toBeLessThanOrEqual(2.1);
        const inWindow = log.filter((cycle) => cycle.startedAt >= (judgement.since ?? ''));
        expect(inWindow.some((cycle) => cycle.scopeKind === 'full')).toBe(true);
        // 10 of 1 000 000 rows are the limit.
        expect(inWindow.every((cycle) => cycle.drift < 10)).toBe(true);
        passed += 1;
        if (restarts) expect(inWindow.some((cycle) => cycle.failed)).toBe(false);
      }),
      { numRuns: 500, seed: 42 },
    );
    expect(passed).toBeGreaterThan(5);
  });
});
