/** The benchmark itself, as small as it goes: that it runs, and that its checks of the end state hold, not what it says. */
import { expect, it } from 'vitest';
import { runRelaySuite } from '../../bench/relay/suite.ts';

it('measures the yardstick, the bare loop and the engine on real servers', async () => {
  const told: string[] = [];

  const result = await runRelaySuite({
    quick: true,
    parts: ['raw', 'bare', 'engine'],
    events: 2_000,
    progress: (line) => told.push(line),
  });

  expect(result.skipped).toEqual([]);
  expect(result.drained.map(({ id, runs }) => [id, runs.length])).toEqual([
    ['raw/1x1000', 1],
    ['raw/2x1000', 1],
    ['bare/1x1000', 1],
    ['bare/2x1000', 1],
    ['engine/2x1000', 1],
  ]);
  const beside = result.verdicts.find(({ what }) => what.includes('bare loop'));
  expect(beside?.value).toBeGreaterThan(0);
  expect(beside?.outcome).toBe('reported');
  expect(told).toHaveLength(6);
}, 60_000);
