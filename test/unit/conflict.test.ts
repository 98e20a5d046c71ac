import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CONFLICT_MEANINGS,
  CONFLICT_REASONS,
  type Conflict,
  decideColumn,
  TIME_ORDERS,
} from '../../lib/domain/conflict.ts';
import { STORES } from '../../lib/domain/direction.ts';

const conflicts: fc.Arbitrary<Conflict> = fc.record({
  authoritative: fc.constantFrom(...STORES),
  targetOwns: fc.boolean(),
  targetTime: fc.constantFrom(...TIME_ORDERS),
});

test('whoever is authoritative wins every column that the target does not own, whatever the clocks say', () => {
  fc.assert(
    fc.property(conflicts, (conflict) => {
      const { winner } = decideColumn({ ...conflict, targetOwns: false });

      expect(winner).toBe(conflict.authoritative);
    }),
  );
});

test('the target wins what it owns, before and after the switchover', () => {
  fc.assert(
    fc.property(conflicts, (conflict) => {
      expect(decideColumn({ ...conflict, targetOwns: true })).toEqual({ winner: 'target', reason: 'target-owns' });
    }),
  );
});

test('every decision has a reason that a person can read, and every reason is reached', () => {
  const reached = new Set<string>();
  for (const authoritative of STORES)
    for (const targetOwns of [true, false])
      for (const targetTime of TIME_ORDERS) reached.add(decideColumn({ authoritative, targetOwns, targetTime }).reason);

  expect([...reached].sort()).toEqual([...CONFLICT_REASONS].sort());
  expect(Object.keys(CONFLICT_MEANINGS).sort()).toEqual([...CONFLICT_REASONS].sort());
});

test.each([
  ['equal', 'timestamps-collide'],
  ['newer', 'target-is-newer'],
  ['older', 'legacy-is-newer'],
  ['unknown', 'legacy-is-authoritative'],
] as const)('legacy wins where the target says %s, because %s', (targetTime, reason) => {
  expect(decideColumn({ authoritative: 'legacy', targetOwns: false, targetTime })).toEqual({
    winner: 'legacy',
    reason,
  });
});
