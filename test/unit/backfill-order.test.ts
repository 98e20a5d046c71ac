/** Tables at once as their foreign keys allow, and no more workers than there are places. */
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { runInOrder } from '../../lib/application/backfill/in-order.ts';
import { createSlots } from '../../lib/application/backfill/slots.ts';

const tables = [
  { name: 'a', needs: [] },
  { name: 'b', needs: ['a'] },
  { name: 'c', needs: [] },
  { name: 'd', needs: ['b', 'c', 'd'] },
];

it('begins a table when what it needs has ended, and others meanwhile', async () => {
  const log: string[] = [];

  const results = await runInOrder(tables, 2, async ({ name }) => {
    log.push(`+${name}`);
    for (let each = 0; each < (name === 'c' ? 10 : 2); each++) await turn();
    log.push(`-${name}`);
    return name;
  });

  expect(results).toEqual(['a', 'b', 'c', 'd']);
  expect(log.slice(0, 2)).toEqual(['+a', '+c']);
  expect(log.indexOf('+b')).toBeGreaterThan(log.indexOf('-a'));
  expect(log.indexOf('+d')).toBeGreaterThan(Math.max(log.indexOf('-b'), log.indexOf('-c')));
});

it('gets through circles in the order that was given', async () => {
  const order: string[] = [];
  const circle = [
    { name: 'a', needs: ['b'] },
    { name: 'b', needs: ['a'] },
  ];

  await runInOrder(circle, 4, async ({ name }) => void order.push(name));

  expect(order).toEqual(['a', 'b']);
});

it('lets what has begun end, begins nothing more, and throws the first failure', async () => {
  const begun: string[] = [];

  const running = runInOrder(tables, 1, async ({ name }) => {
    begun.push(name);
    if (name === 'a') throw new Error('a failed');
  });

  await expect(running).rejects.toThrow('a failed');
  expect(begun).toEqual(['a']);
});

it('never has more at work than there are places, and forgets nobody', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(4), { maxLength: 30 }), async (places, works) => {
      const slots = createSlots(places);
      let atWork = 0;
      let most = 0;
      const ends = await Promise.all(
        works.map(async (turns, place) => {
          const free = await slots.take();
          atWork += 1;
          most = Math.max(most, atWork);
          for (let each = 0; each < turns; each++) await turn();
          atWork -= 1;
          free();
          free();
          return place;
        }),
      );
      expect(ends).toEqual(works.map((_, place) => place));
      expect(most).toBeLessThanOrEqual(places);
    }),
    { numRuns: 40 },
  );
});
