import { describe, expect, it } from 'vitest';
import { compareTables } from '../../lib/demo/proof/compare-tables.ts';
import { createAuthority } from '../../lib/demo/traffic/authority.ts';
import { drawIntent } from '../../lib/demo/traffic/intents.ts';
import { createLedger } from '../../lib/demo/traffic/ledger.ts';
import { createRandom, seedOf } from '../../lib/demo/traffic/random.ts';
import { signGet } from '../../lib/demo/traffic/sigv4.ts';
import { withinLimit } from '../../lib/demo/within-limit.ts';
import { wordsOf } from '../../lib/demo/words.ts';

describe('the ledger', () => {
  it('keeps the state of the greatest revision, in whatever order answers arrive', () => {
    const ledger = createLedger();

    ledger.acknowledge([{ table: 'stock', key: 'k', state: 'second', rows: 0, revision: 2 }]);
    ledger.acknowledge([{ table: 'stock', key: 'k', state: 'first', rows: 0, revision: 1 }]);

    expect(ledger.entry('stock', 'k')?.state).toBe('second');
    expect(ledger.acknowledged).toBe(2);
  });

  it('lets either state hold after a commit without an answer, until the next one is answered', () => {
    const ledger = createLedger();
    ledger.acknowledge([{ table: 'orders', key: 'k', state: 'a', rows: 1 }]);

    ledger.doubt([{ table: 'orders', key: 'k', state: 'b', rows: 0 }]);
    expect(ledger.entry('orders', 'k')).toMatchObject({ state: 'a', doubtful: ['b'] });

    ledger.acknowledge([{ table: 'orders', key: 'k', state: 'c', rows: 0 }]);
    expect(ledger.entry('orders', 'k')).toMatchObject({ state: 'c', doubtful: [] });
  });

  it('counts the rows that inserts and deletes leave', () => {
    const ledger = createLedger();

    ledger.acknowledge([
      { table: 'visits', key: 'a', state: '1', rows: 1 },
      { table: 'visits', key: 'b', state: '1', rows: 1 },
      { table: 'visits', key: 'a', state: null, rows: -1 },
    ]);

    expect(ledger.growthOf('visits')).toBe(1);
  });
});

describe('choices', () => {
  it('are the same for the same seed', () => {
    const draws = (seed: number) => {
      const random = createRandom(seedOf(seed, 0));
      const own = { worker: 0, workers: 3, orders: [], visits: [] };
      return Array.from({ length: 50 }, () => drawIntent(random, own).name);
    };

    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
  });
});

describe('an application that is refused by a fence', () => {
  it('goes where the routing says', async () => {
    const authority = createAuthority({ readRouting: async () => 'target', sleep: async () => {} });

    await authority.refused('legacy');

    expect(authority.store).toBe('target');
  });

  it('tries the other store when the routing has not heard of it yet, and comes back when that one refuses too', async () => {
    const authority = createAuthority({ readRouting: async () => 'legacy', sleep: async () => {} });

    await authority.refused('legacy');
    expect(authority.store).toBe('target');

    await authority.refused('target');
    expect(authority.store).toBe('legacy');
  });

  it('asks once for workers that are refused together', async () => {
    let asked = 0;
    const authority = createAuthority({
      readRouting: async () => {
        asked += 1;
        return undefined;
      },
      sleep: async () => {},
    });

    await Promise.all([authority.refused('legacy'), authority.refused('legacy'), authority.refused('legacy')]);

    expect(asked).toBe(1);
  });
});

describe('two ordered streams', () => {
  it('are compared by key bytes: missing, extra and different rows are told apart', async () => {
    const compared = await compareTables(
      rows({ a: '1', b: '1', c: '1', é: '1' }),
      rows({ a: '1', b: '2', bb: '1', é: '1' }),
    );

    expect(compared).toEqual({
      legacyRows: 4,
      targetRows: 4,
      same: 2,
      missing: 1,
      extra: 1,
      different: 1,
      examples: ['different b', 'extra bb', 'missing c'],
    });
  });

  it('are all missing when the target is empty', async () => {
    const compared = await compareTables(rows({ a: '1' }), rows({}));

    expect(compared).toMatchObject({ missing: 1, extra: 0, same: 0 });
  });
});

it('signs as the published example of Signature Version 4 (get-vanilla-query-order-key-case)', () => {
  const { headers, target } = signGet({
    host: 'example.amazonaws.com',
    path: '/',
    query: { Param2: 'value2', Param1: 'value1' },
    region: 'us-east-1',
    service: 'service',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
    now: new Date('2015-08-30T12:36:00Z'),
  });

  expect(target).toBe('/?Param1=value1&Param2=value2');
  expect(headers.authorization).toContain('Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500');
});

it('says which phase took too long', async () => {
  await expect(withinLimit('Phase 9', 0.001, new Promise(() => {}))).rejects.toThrow(
    'Phase 9 took longer than its limit',
  );
});

it('splits a command line into its words', () => {
  expect(wordsOf('start cutover --reason "slow reads"')).toEqual(['start', 'cutover', '--reason', 'slow reads']);
});

async function* rows(
  states: Readonly<Record<string, string>>,
): AsyncGenerator<{ key: string; state: string }, void, void> {
  for (const [key, state] of Object.entries(states)) yield { key, state };
}
