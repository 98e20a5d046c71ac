import { expect, it } from 'vitest';
import { reconcileSuite } from '../../bench/reconcile/suite.ts';
import { relaySuite } from '../../bench/relay/suite.ts';
import { renderUsage } from '../../bench/usage.ts';

it('names every suite, every part of it and every option, in lines that a terminal has room for', () => {
  const usage = renderUsage({ relay: relaySuite, reconcile: reconcileSuite });

  for (const part of [...relaySuite.parts, ...reconcileSuite.parts])
    expect(usage).toMatch(new RegExp(`^  ${part} `, 'm'));
  for (const option of ['quick', 'only', 'events', 'rows', 'rounds', 'json', 'help'])
    expect(usage).toContain(`--${option}`);
  expect(Math.max(...usage.split('\n').map((line) => line.length))).toBeLessThanOrEqual(140);
});
