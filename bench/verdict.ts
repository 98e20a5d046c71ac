/** How what was measured stands to what was asked for; the same words in every suite. */
import { type Drained, type Measured, rateOf } from './measure.ts';

export const OUTCOMES = ['goal reached', 'passed', 'missed', 'reported', 'not measured'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Verdict {
  readonly what: string;
  readonly value: number | null;
  readonly unit: '' | '/s' | 'ms';
  /** Worse than this is missed; null: reported only. */
  readonly floor: number | null;
  readonly goal: number | null;
  readonly outcome: Outcome;
}

export function verdict(
  what: string,
  value: number | null,
  unit: Verdict['unit'],
  floor: number | null,
  goal: number | null = null,
): Verdict {
  const outcome = (): Outcome => {
    if (value === null) return 'not measured';
    if (floor === null) return 'reported';
    if (value < floor) return 'missed';
    return goal !== null && value >= goal ? 'goal reached' : 'passed';
  };
  return { what, value, unit, floor, goal, outcome: outcome() };
}

/** As {@link verdict}, where less is better. */
export function atMost(
  what: string,
  value: number | null,
  unit: Verdict['unit'],
  limit: number,
  goal: number | null = null,
): Verdict {
  const outcome = (): Outcome => {
    if (value === null) return 'not measured';
    if (value > limit) return 'missed';
    return goal !== null && value <= goal ? 'goal reached' : 'passed';
  };
  return { what, value, unit, floor: limit, goal, outcome: outcome() };
}

/** What is asked for is asked of a full run. */
export function unjudged(verdict: Verdict): Verdict {
  return { ...verdict, outcome: verdict.value === null ? 'not measured' : 'reported' };
}

export function medianRate(drained: readonly Measured[], id: string): number | null {
  const runs = drained.find((measured) => measured.id === id)?.runs ?? [];
  return runs.length === 0 ? null : median(runs.map(rateOf));
}

/**
 * Median over the rounds of one's rate to the other's: both were run in turns, so what disturbed a round disturbed both.
 * @param rate of a run of the first; of the other it is always the whole of it.
 */
export function ratioOf(
  drained: readonly Measured[],
  id: string,
  other: string,
  rate: (run: Drained) => number = rateOf,
): number | null {
  const runsOf = (wanted: string): readonly Drained[] => drained.find((measured) => measured.id === wanted)?.runs ?? [];
  const others = runsOf(other);
  const ratios = runsOf(id).flatMap((run, round) => {
    const beside = others[round];
    return beside === undefined ? [] : [rate(run) / rateOf(beside)];
  });
  return ratios.length === 0 ? null : median(ratios);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
