/**
 * The write protocol in thousands of histories: workers that die, repeat, come late or only seem to fail, at every step. A history
 * that fails prints its seed and its trace; `CROSSFADE_SEED=<seed> npx vitest run test/simulation` plays it alone, and
 * `CROSSFADE_HISTORIES=<count>` plays more of each kind.
 */
import { describe, expect, it } from 'vitest';
import { play } from './history.ts';
import { PROFILE_NAMES, type ProfileName } from './profiles.ts';
import { CORRECT } from './rules.ts';

const HISTORIES = Number(process.env.CROSSFADE_HISTORIES ?? 4_000);
const ONLY = process.env.CROSSFADE_SEED;

/** Kinds of step and verdict that histories must contain, or their silence would mean nothing. */
const SEEN: readonly (readonly [ProfileName, readonly RegExp[]])[] = [
  ['order', [/: applied/, /: superseded/, /k0: newer/, /crashes/, /answer is lost/, /redrive/, /aborts xid/]],
  ['tenants', [/is suppressed/, /: covered/, /: door/, /k\d: refused/, /way back of \w is verified/, /erased/]],
  ['purge', [/purges to the floor [^1]/, /purges the outbox/, /k\d: refused/]],
  ['deferrable', [/is older than/, /loses its value/]],
  ['epoch', [/restore: legacy is what it was/, /recovery: opens the door/, /recovery: compares/]],
  [
    'switchover',
    [
      /switchover to reverse: target takes writes/,
      /switchover to forward: legacy takes writes/,
      /applies seq \d+ to legacy/,
    ],
  ],
];

describe('the write protocol', () => {
  it.each(PROFILE_NAMES)('holds in every history of kind "%s"', { timeout: 600_000 }, (profile) => {
    const seeds = ONLY === undefined ? Array.from({ length: HISTORIES }, (_, seed) => seed) : [Number(ONLY)];

    const failing = seeds.find((seed) => play(seed, profile, CORRECT).violation !== undefined);

    expect(failing === undefined ? '' : report(failing, profile)).toBe('');
  });

  it.each(SEEN)('is put to the test in histories of kind "%s"', (profile, kinds) => {
    const steps = Array.from({ length: 400 }, (_, seed) => play(seed, profile, CORRECT, true).trace).flat();

    expect(kinds.filter((kind) => !steps.some((step) => kind.test(step)))).toEqual([]);
  });

  it('plays a history again, step by step, from its seed', () => {
    const [one, again] = [play(7, 'everything', CORRECT, true), play(7, 'everything', CORRECT, true)];

    expect(again).toEqual(one);
    expect(one.trace.length).toBeGreaterThan(20);
  });
});

function report(seed: number, profile: ProfileName): string {
  const { violation, trace } = play(seed, profile, CORRECT, true);
  return [`seed ${seed} of "${profile}": ${violation}`, `replay: CROSSFADE_SEED=${seed}`, ...trace].join('\n');
}
