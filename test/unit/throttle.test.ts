/** The throttle of the backfill as a rule: it slows down at once, recovers step by step, says why, and never forgets to come back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CALM_LOOKS,
  describeThrottle,
  FULL_RATE,
  factorOf,
  type Reading,
  type Readings,
  stepThrottle,
  THROTTLE_FACTORS,
  THROTTLE_SIGNALS,
  type ThrottleLimits,
  type ThrottleSignal,
  type ThrottleState,
  weighDuration,
} from '../../lib/domain/throttle.ts';

const LIMITS: ThrottleLimits = {
  statement: 2_000,
  replicationLag: 10_000,
  connections: 80,
  vacuum: 1,
  deadRows: 20,
  wal: 128,
};
const CALM: Readings = {
  statement: 20,
  replicationLag: 0,
  connections: 10,
  vacuum: 0,
  deadRows: 1,
  wal: 3,
};
const NOW = '2026-01-05T12:00:00.000Z';

function look(state: ThrottleState, readings: Partial<Readings> = {}, times = 1): ThrottleState {
  let next = state;
  for (let each = 0; each < times; each++) next = stepThrottle(next, { ...CALM, ...readings }, LIMITS, NOW);
  return next;
}

describe('one signal', () => {
  const slow: readonly [ThrottleSignal, Reading, number, string][] = [
    ['statement', 3_000, 1 / 8, 'statements of the copy take 3000 ms, limit 2000'],
    ['replicationLag', 12_000, 0, 'replicas lag by 12000 ms, limit 10000'],
    ['connections', 85, 1 / 8, 'connections in use: 85 %, limit 80'],
    ['vacuum', 2, 1 / 2, 'vacuum works on 2 tables that are written, limit 1'],
    ['deadRows', 21, 1 / 4, 'dead rows: 21 %, limit 20'],
    ['wal', 140, 1 / 8, 'the target writes WAL at 140 MiB/s, limit 128'],
  ];
  it.each(slow)('%s at %s goes down to its own floor and says why', (signal, value, floor, reason) => {
    const pressed = look(FULL_RATE, { [signal]: value }, 10);

    expect(factorOf(pressed)).toBe(floor);
    expect(pressed.reasons).toEqual([reason]);
    expect(describeThrottle(pressed)).toContain(reason);
    expect(pressed.since).toBe(NOW);
  });
});

it('goes down by a step a look, and by two from twice the limit on', () => {
  expect(factorOf(look(FULL_RATE, { replicationLag: 11_000 }))).toBe(1 / 2);
  expect(factorOf(look(FULL_RATE, { replicationLag: 20_000 }))).toBe(1 / 4);
});

it('comes back by a step after three calm looks, and forgets why at full rate', () => {
  const slow = look(FULL_RATE, { replicationLag: 11_000 }, 2);

  const factors = [0, 1, 2, 3, 4, 5, 6].map((looks) => factorOf(look(slow, {}, looks)));

  expect(factors).toEqual([1 / 4, 1 / 4, 1 / 4, 1 / 2, 1 / 2, 1 / 2, 1]);
  expect(look(slow, {}, 4).reasons[0]).toBe('recovering from: replicas lag by 11000 ms, limit 10000');
  expect(look(slow, {}, 6)).toEqual(FULL_RATE);
});

it('stays where it is between four fifths of a limit and the limit', () => {
  const slow = look(FULL_RATE, { replicationLag: 11_000 });

  expect(factorOf(look(slow, { replicationLag: 9_000 }, 50))).toBe(1 / 2);
});

it('is not held at a pause by a signal that only asks for half the rate', () => {
  const paused = look(FULL_RATE, { replicationLag: 60_000 }, 5);

  expect(factorOf(paused)).toBe(0);
  expect(factorOf(look(paused, { vacuum: 1 }, 4 * CALM_LOOKS))).toBe(1 / 2);
});

it('takes half the rate while a signal cannot be read, and full rate where the store has no such thing', () => {
  const unreadable = look(FULL_RATE, { replicationLag: 'unreadable' }, 20);

  expect(factorOf(unreadable)).toBe(1 / 2);
  expect(unreadable.reasons[0]).toContain('grant pg_monitor');
  expect(look(FULL_RATE, { replicationLag: 'absent', wal: 'absent', statement: 'absent' }, 20)).toEqual(FULL_RATE);
});

it('does not watch a signal whose limit is none', () => {
  const unwatched = { ...LIMITS, replicationLag: null };

  expect(stepThrottle(FULL_RATE, { ...CALM, replicationLag: 1e9 }, unwatched, NOW)).toEqual(FULL_RATE);
});

it('takes one slow statement for no trend, and a slow time for one', () => {
  const mean = (samples: readonly number[]) =>
    samples.reduce<number | null>((before, sample) => weighDuration(before, sample), null) ?? 0;

  expect(mean([20, 20, 20, 5_000])).toBeLessThan(2_000);
  expect(mean([20, 20, 20, 5_000, 5_000, 5_000])).toBeGreaterThan(2_000);
});

const reading: fc.Arbitrary<Reading> = fc.oneof(
  fc.double({ min: 0, max: 100_000, noNaN: true }),
  fc.constantFrom('absent' as const, 'unreadable' as const),
);
const readings = fc.record(
  Object.fromEntries(THROTTLE_SIGNALS.map((signal) => [signal, reading])) as Record<
    ThrottleSignal,
    fc.Arbitrary<Reading>
  >,
);

describe('under any readings', () => {
  it('moves by at most two steps down and one up, names a reason when it slows, and has none at full rate', () => {
    fc.assert(
      fc.property(fc.array(readings, { maxLength: 40 }), (looks) => {
        let state = FULL_RATE;
        for (const each of looks) {
          const next = stepThrottle(state, each, LIMITS, NOW);
          expect(next.level - state.level).toBeGreaterThanOrEqual(-1);
          expect(next.level - state.level).toBeLessThanOrEqual(2);
          expect(THROTTLE_FACTORS[next.level]).toBeDefined();
          expect(next.reasons.length > 0).toBe(next.level > 0);
          expect(next.since === null).toBe(next.level === 0);
          state = next;
        }
      }),
    );
  });

  it('is back at full rate after twelve calm looks, whatever was before', () => {
    fc.assert(
      fc.property(fc.array(readings, { maxLength: 40 }), (looks) => {
        const before = looks.reduce((state, each) => stepThrottle(state, each, LIMITS, NOW), FULL_RATE);

        expect(look(before, {}, 4 * CALM_LOOKS)).toEqual(FULL_RATE);
      }),
    );
  });
});
