/** The benchmark itself, as small as it goes: that it runs, and that its checks of what was found hold, not what it says. */
import { expect, it } from 'vitest';
import { runReconcileSuite } from '../../bench/reconcile/suite.ts';

it('finds every planted row and no other, in every form, and copies every row', async () => {
  const result = await runReconcileSuite({
    quick: true,
    parts: ['limit', 'engine', 'backfill'],
    rows: 2_000,
    progress: () => {},
  });

  const failures = [...result.drained, ...result.backfill].filter(({ failure }) => failure !== null);
  expect(failures.map(({ id, failure }) => [id, failure])).toEqual([]);
  expect(result.engine.map(({ id, found }) => [id, found])).toEqual([
    ['fast/equal', 0],
    ['fast/drifted', 140],
    ['fast/changed', 20],
    ['exact/equal', 0],
    ['exact/drifted', 140],
    ['md5/equal', 0],
    ['md5/drifted', 140],
  ]);
  const beside = result.verdicts.find(({ what }) => what.includes('bare loop'));
  expect(beside?.value).toBeGreaterThan(0);
  expect(beside?.outcome).toBe('reported');
}, 120_000);
