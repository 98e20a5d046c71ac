/** The off-peak window as a step waits for it. */
import { nextOpening } from '../../plan/plan.ts';
import type { Deps } from '../deps.ts';

/** A closed window is looked at this often at least, so that a halt or a changed plan takes hold. */
const MOST_SECONDS = 300;

/** @returns 0 while it is open or where the plan has none. */
export function secondsUntilOpen({ clock, plan }: Pick<Deps, 'clock' | 'plan'>): number {
  const { offPeak } = plan.backfill;
  if (offPeak === undefined) return 0;
  const left = (nextOpening(offPeak, clock.now()).getTime() - clock.now().getTime()) / 1000;
  return Math.min(MOST_SECONDS, Math.ceil(left));
}

export function describeWindow({ clock, plan }: Pick<Deps, 'clock' | 'plan'>): string {
  const { offPeak } = plan.backfill;
  if (offPeak === undefined) return 'open at any time';
  return `opens at ${nextOpening(offPeak, clock.now()).toISOString()} (${offPeak.zone})`;
}
