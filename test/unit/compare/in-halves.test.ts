/** Answers over the Data API's limit are asked for in halves: everything once, in order, and nothing that no halving mends. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inHalves } from '../../../lib/application/reconcile/in-halves.ts';
import { SqlError, type SqlErrorKind } from '../../../lib/ports/sql.ts';

/** Refuses answers over `limit`, where each item answers with as much as itself. */
function aStore(limit: number, kind: SqlErrorKind = 'limit') {
  const asked: (readonly number[])[] = [];
  const ask = async (items: readonly number[]) => {
    asked.push(items);
    if (items.reduce((sum, size) => sum + size, 0) > limit) throw new SqlError('too much', { kind });
    return items.map((size) => `row of ${size}`);
  };
  return { asked, ask };
}

describe('an answer over the limit', () => {
  it('is put together from halves: every item once, in order, no answer over the limit', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 });

    await fc.assert(
      fc.asyncProperty(sizes, async (items) => {
        const { ask } = aStore(50);

        expect(await inHalves(items, ask)).toEqual(items.map((size) => `row of ${size}`));
      }),
    );
  });

  it('costs one question where it is within the limit, and none without items', async () => {
    const small = aStore(100);

    await inHalves([10, 20, 30], small.ask);
    expect(small.asked).toEqual([[10, 20, 30]]);
    expect(await inHalves([], small.ask)).toEqual([]);
    expect(small.asked).toHaveLength(1);
  });

  it('of one item alone is an error: there is nothing left to halve', async () => {
    const { asked, ask } = aStore(10);

    await expect(inHalves([5, 11], ask)).rejects.toThrow('too much');
    expect(asked).toEqual([[5, 11], [5], [11]]);
  });

  it('is not what other errors mean: they are thrown at once', async () => {
    const { asked, ask } = aStore(10, 'transient');

    await expect(inHalves([5, 6], ask)).rejects.toThrow('too much');
    expect(asked).toHaveLength(1);
  });
});
