import { expect, it } from 'vitest';
import { type Measured, measureInTurns, type Variant } from '../../bench/measure.ts';
import { renderReport } from '../../bench/relay/report.ts';
import { judge, type RelayResult } from '../../bench/relay/result.ts';
import { ratioOf } from '../../bench/verdict.ts';

/** A variant that was measured at these rates. */
const at = (id: string, ...rates: number[]): Measured => ({
  id,
  title: `the ${id}`,
  runs: rates.map((rate) => ({ events: rate, ms: 1000, nodeCpuMs: rate / 100, serverCpuMs: rate / 20 })),
  failure: null,
});

const LATENCY = { id: 'pg', title: 'over pg', wished: 500, written: 499, writes: 7485, p50: 12, p99: 80, max: 140 };

function aResult(changes: Partial<RelayResult> = {}): RelayResult {
  const measured = {
    drained: [
      at('bare/2x1000', 20_000, 10_000, 21_000),
      at('engine/2x1000', 18_000, 9_000, 19_000),
      at('graphile-worker', 8_000, 4_000, 9_000),
      at('pg-boss', 4_000, 2_000, 4_500),
    ],
    latencies: [LATENCY],
    capture: [{ setting: 'durable', tpsOff: 4000, tpsOn: 2800, ratio: 0.7, addedP50: 0.4, addedP99: 1.1 }],
    ...changes,
  };
  return {
    suite: 'relay',
    at: '2026-01-05T10:00:00.000Z',
    quick: false,
    seconds: 412,
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
    settings: { fsync: 'off', jit: 'off' },
    events: 100_000,
    skipped: ['Lambda: the AWS emulator is not installed'],
    ...measured,
    verdicts: judge(measured),
    ...changes,
  };
}

const lineOf = (report: string, start: string) => report.split('\n').find((line) => line.startsWith(start)) ?? '';

it('compares within rounds, so that one slow round does not change a ratio', () => {
  const drained = [at('a', 100, 10, 100), at('b', 200, 20, 200)];

  expect(ratioOf(drained, 'a', 'b')).toBe(0.5);
});

it('has no ratio to what was not measured', () => {
  expect(ratioOf([at('a', 100)], 'a', 'b')).toBeNull();
  expect(ratioOf([at('a', 100), at('b')], 'a', 'b')).toBeNull();
});

it('tells a floor that was missed from a goal that was reached', () => {
  const outcomes = new Map(aResult().verdicts.map(({ what, outcome }) => [what, outcome]));

  expect(outcomes.get('engine / own statements in a bare loop')).toBe('passed');
  expect(outcomes.get('engine / graphile-worker')).toBe('passed');
  expect(outcomes.get('engine / pg-boss')).toBe('goal reached');
  expect(outcomes.get('legacy TPS with capture / without, durable')).toBe('missed');
  expect(outcomes.get('engine / pg-transactional-outbox')).toBe('not measured');
});

it('holds latency under its limit instead of above a floor', () => {
  const slow = aResult({ latencies: [{ ...LATENCY, p99: 2_500 }] });

  const outcome = slow.verdicts.find(({ what }) => what.includes('500 writes/s, pg'))?.outcome;

  expect(outcome).toBe('missed');
});

it('prints median, best and number of runs, and what could not be measured', () => {
  const report = renderReport(aResult());

  expect(lineOf(report, 'the engine/2x1000')).toMatch(/18 000 +19 000 +3 +60 +10 +█+$/);
  expect(lineOf(report, 'over pg')).toMatch(/12 +80 +140 +7 485 +499$/);
  expect(lineOf(report, 'engine / pg-boss')).toMatch(/4\.50 +1\.50 +2\.50 +goal reached$/);
  expect(report).toContain('load 0.4 before, 3.1 after');
  expect(report).toContain('  Lambda: the AWS emulator is not installed');
});

it('says that a quick run is no judgement', () => {
  expect(renderReport(aResult({ quick: true }))).toContain('quick: too few events for a judgement');
});

it('runs variants in turns, there and back, and goes on without one that fails', async () => {
  const order: string[] = [];
  const variant = (id: string, fails = false): Variant => ({
    id,
    title: id,
    run: async () => {
      order.push(id);
      if (fails) throw new Error('its end state is wrong');
      return { events: 1, ms: 1 };
    },
  });

  const measured = await measureInTurns([variant('a'), variant('b', true), variant('c')], {
    rounds: 2,
    deadline: Number.POSITIVE_INFINITY,
    progress: () => {},
  });

  expect(order).toEqual(['a', 'b', 'c', 'c', 'a']);
  expect(measured.map(({ runs, failure }) => [runs.length, failure])).toEqual([
    [2, null],
    [0, 'its end state is wrong'],
    [2, null],
  ]);
});
