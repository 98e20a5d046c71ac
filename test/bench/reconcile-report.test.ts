import { expect, it } from 'vitest';
import type { Measured } from '../../bench/measure.ts';
import { type GrowthPoint, slopeOf } from '../../bench/reconcile/growth.ts';
import { changeRows, plantedIds, scatter } from '../../bench/reconcile/planted.ts';
import { renderReport } from '../../bench/reconcile/report.ts';
import { fastestOf, judge, type ReconcileResult } from '../../bench/reconcile/result.ts';
import { checkFound, type State } from '../../bench/reconcile/states.ts';

/** A variant that took this long for a million rows, of it `within` after its process had started. */
const took = (id: string, ms: number, within = ms): Measured => ({
  id,
  title: `the ${id}`,
  runs: [{ events: 1_000_000, ms, withinMs: within, nodeCpuMs: ms / 10, serverCpuMs: ms }],
  failure: null,
});

const point = (rows: number, differingChunks: number, ms: number): GrowthPoint => ({
  rows,
  differingChunks,
  ms,
  smallHeapMb: rows > 125_000 ? 84 : 80,
});

const DRAINED = [
  took('limit/hash', 1000),
  took('fast/equal', 1500, 1300),
  took('fast/drifted', 2000, 1800),
  took('exact/equal', 4000, 3800),
  took('reladiff-best/equal', 5400),
  took('reladiff-tuned/equal', 7000),
  took('reladiff-tuned/drifted', 6000),
  took('pg_comparator-fnv/equal', 3300),
  took('pg_comparator-fnv/drifted', 3500),
];

function aResult(changes: Partial<ReconcileResult> = {}): ReconcileResult {
  const measured = {
    drained: DRAINED,
    engine: [
      {
        id: 'fast/equal',
        rows: 1_000_000,
        chunks: 200,
        differingChunks: 0,
        found: 0,
        ms: 1300,
        startMs: 200,
        maxRssMb: 121,
        waitMs: 0,
      },
    ],
    growth: {
      byRows: [point(125_000, 0, 225), point(250_000, 0, 350), point(500_000, 0, 600), point(1_000_000, 0, 1100)],
      byChunks: [point(1_000_000, 0, 1100), point(1_000_000, 100, 1300), point(1_000_000, 200, 1500)],
    },
    deployed: [
      {
        way: 'lambda' as const,
        id: 'lambda/equal',
        title: 'in Lambda',
        rows: 1_000_000,
        startMs: 1800,
        planMs: 1000,
        compareMs: 4000,
        settleMs: 0,
        calls: 22,
        items: 20,
        traffic: { requests: 163, requestBytes: 250_000, answerBytes: 90_000 },
      },
    ],
    backfill: [took('backfill/engine', 10_000), took('backfill/bare', 8000)],
    further: [],
    ...changes,
  };
  return {
    suite: 'reconcile',
    at: '2026-01-05T10:00:00.000Z',
    quick: false,
    seconds: 700,
    machine: {
      cpu: 'a CPU',
      cores: 2,
      memoryGiB: 24,
      kernel: '6.1',
      node: 'v24.0.0',
      postgres: '15.18',
      dataIn: 'memory',
      loadBefore: 0.4,
      loadAfter: 3.1,
    },
    settings: { fsync: 'off' },
    rows: 1_000_000,
    skipped: ['pg_comparator: not installed: apt-get download failed: no such program'],
    verdicts: judge(measured),
    ...measured,
  };
}

const outcomesOf = (result: ReconcileResult) =>
  new Map(result.verdicts.map(({ what, value, outcome }) => [what, [value?.toFixed(2), outcome]]));
const lineOf = (report: string, start: string) => report.split('\n').find((line) => line.startsWith(start)) ?? '';

it('holds the engine to the fastest setting of a peer', () => {
  expect(fastestOf(DRAINED, 'reladiff', 'equal')).toBe('reladiff-best/equal');
  expect(fastestOf(DRAINED, 'reladiff', 'changed')).toBeUndefined();
});

it('counts the start of the process beside peers, and leaves it out beside the limit', () => {
  const outcomes = outcomesOf(aResult());

  expect(outcomes.get('fast, equal / reladiff')).toEqual(['3.60', 'passed']);
  expect(outcomes.get('fast, equal / pg_comparator')).toEqual(['2.20', 'passed']);
  expect(outcomes.get('time of fast, equal / the limit')).toEqual(['1.30', 'passed']);
});

it('tells floors that are missed from goals that are reached', () => {
  const outcomes = outcomesOf(aResult());

  expect(outcomes.get('fast, drifted / reladiff')).toEqual(['3.00', 'missed']);
  expect(outcomes.get('fast, drifted / pg_comparator')).toEqual(['1.75', 'goal reached']);
  expect(outcomes.get('exact, equal / reladiff')).toEqual(['1.35', 'missed']);
  expect(outcomes.get('backfill / own statements in a bare loop')).toEqual(['0.80', 'passed']);
  expect(outcomes.get('backfill / COPY into COPY')).toEqual([undefined, 'not measured']);
});

it('compares CPU, which other work on the machine hardly changes', () => {
  const outcomes = outcomesOf(aResult());

  expect(outcomes.get('CPU of the fastest pg_comparator / of fast, equal')).toEqual(['2.20', 'reported']);
});

it('judges no peer that was not measured', () => {
  const outcomes = outcomesOf(aResult({ drained: DRAINED.filter(({ id }) => !id.startsWith('pg_comparator')) }));

  expect(outcomes.get('fast, equal / pg_comparator')).toEqual([undefined, 'not measured']);
});

it('compares memory over every size that was measured', () => {
  const large = { title: '10000000 rows', rows: 10_000_000, drained: [], engine: [], deployed: [], smallHeapMb: 120 };

  const outcomes = outcomesOf(aResult({ further: [large] }));

  expect(outcomes.get('memory of the largest table / of the smallest')).toEqual(['1.50', 'missed']);
});

it('finds the slope of a line, and says how well it fits', () => {
  const straight = slopeOf([point(0, 0, 100), point(0, 10, 150), point(0, 20, 200)], (at) => at.differingChunks);
  const bent = slopeOf([point(0, 0, 100), point(0, 10, 100), point(0, 20, 400)], (at) => at.differingChunks);

  expect(straight).toEqual({ perUnit: 5, at0: 100, fit: 1 });
  expect(bent?.fit).toBeCloseTo(0.75);
  expect(slopeOf([point(0, 0, 100)], (at) => at.differingChunks)).toBeUndefined();
});

it('prints rates, slopes, what production costs, and what could not be installed', () => {
  const report = renderReport(aResult());

  expect(lineOf(report, 'the fast/equal')).toMatch(/666 667 +666 667 +1 +1\.65 +0\.15 +█+$/);
  expect(report).toContain('1000.0 ms a million rows, 100 ms before the first, R² 1.000');
  expect(report).toContain('2.0 ms a chunk of 1 000 rows that differs');
  expect(lineOf(report, 'in Lambda')).toMatch(/1 800 +1 000 +4 000 +0 +22 +163 +200 000$/);
  expect(report).toContain('  pg_comparator: not installed: apt-get download failed: no such program');
  expect(renderReport(aResult({ quick: true }))).toContain('quick: too few rows for a judgement');
});

it('says what the Data API and functions cost beside what they are held against', () => {
  const [inFunctions] = aResult().deployed;
  if (inFunctions === undefined) throw new RangeError('no such line');
  const inOneProcess = { ...inFunctions, startMs: null, planMs: null, settleMs: null, calls: 0, items: 0 };
  const overPg = { ...inOneProcess, way: 'pg', id: 'pg/equal', compareMs: 1300 } as const;
  const overDataApi = { ...inOneProcess, way: 'data-api', id: 'data-api/equal', compareMs: 1430 } as const;
  const result = aResult({ deployed: [overPg, overDataApi, inFunctions] });

  const report = renderReport(result);

  expect(lineOf(report, 'data-api/equal:')).toMatch(
    /1\.10 × pg\/equal: 130 ms more: 163 statements, one round trip each, 250 kB asked and 90 kB answered as JSON, 0\.8 ms each/,
  );
  const inWords = lineOf(report, 'lambda/equal:');
  expect(inWords).toMatch(/3\.50 × data-api\/equal: 3 570 ms more: 1 000 ms to list 20 items/);
  expect(inWords).toMatch(/each of 20 calls \(1\.0 items\).+; 1 800 ms of start-up before it, once a container$/);
  const outcomes = outcomesOf(result);
  expect(outcomes.get('time of data-api/equal / pg/equal, 1000000 rows')).toEqual(['1.10', 'reported']);
  expect(outcomes.get('time of lambda/equal / data-api/equal, 1000000 rows')).toEqual(['3.50', 'reported']);
});

it('plants 20 missing, 20 extra and 100 changed rows, scattered, and no row twice', () => {
  const { missing, extra, changed } = plantedIds(1_000_000);
  const all = [...missing, ...extra, ...changed];

  expect([missing.length, extra.length, changed.length]).toEqual([20, 20, 100]);
  expect(new Set(all).size).toBe(140);
  expect(new Set(all.map((id) => Math.floor((id - 1) / 5000))).size).toBeGreaterThan(80);
  expect(new Set(scatter(200, 200)).size).toBe(200);
  expect(changeRows([])).toContain('WHERE false');
});

it('refuses a result that misses a planted row, names an equal one or names one twice', () => {
  const planted = { missing: [1], extra: [2], changed: [3] };
  // Only what was planted is looked at.
  const state = { planted } as unknown as State;
  const check = (ids: readonly number[]) => () => checkFound(state, { ids, what: 'it' });

  expect(check([3, 2, 1])).not.toThrow();
  expect(check([1, 2])).toThrow('it found 2 of 3 planted rows: 1 not found, 0 that are equal, 0 twice');
  expect(check([1, 2, 3, 4])).toThrow('1 that are equal');
  expect(check([1, 2, 3, 3])).toThrow('1 twice');
});
