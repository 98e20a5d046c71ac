import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GUIDE_NUMBERS } from '../../../lib/application/operate/deployed-plan.ts';
import { readDriftClocks } from '../../../lib/application/operate/drift-clock.ts';
import { aCycle, NOON } from '../../cli/support/records.ts';

const MINUTE = 60_000;
const at = (minutes: number, ms = 0) => new Date(Date.parse(NOON) + minutes * MINUTE + ms).toISOString();

test('a cycle that begins when status says it is still in time goes on with the clock, and one behind that starts it again', () => {
  // Starts at most an hour apart, some longer than that, so that a later cycle may end before an earlier one.
  const steps = fc.array(fc.record({ gap: fc.integer({ min: 1, max: 60 }), takes: fc.integer({ min: 0, max: 200 }) }), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(steps, (drawn) => {
      let from = 0;
      const cycles = drawn.map(({ gap, takes }) => {
        from += gap;
        return aCycle({ startedAt: at(from), endedAt: at(from + takes), drift: 0, driftPercent: 0 });
      });
      const newestFirst = cycles.toReversed();
      const later = new Date(at(100_000));
      const judge = (log: typeof cycles) => readDriftClocks(log, [], GUIDE_NUMBERS, [], later).clock;
      const { missedAt } = judge(newestFirst);
      const next = (ms: number) => {
        const startedAt = new Date(Date.parse(missedAt ?? '') + ms).toISOString();
        return aCycle({ startedAt, endedAt: startedAt, drift: 0, driftPercent: 0 });
      };

      expect(judge([next(0), ...newestFirst]).cycles).toBe(cycles.length + 1);
      expect(judge([next(1), ...newestFirst]).cycles).toBe(1);
    }),
  );
});
