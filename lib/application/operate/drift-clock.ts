/**
 * The drift clock in short, from the cycle log: how long cycles have been clean without a break. It informs; the gate of
 * `cutover` is what decides, with every key counted once (design §4).
 */
import type { CycleDocument } from '../../contracts/documents.ts';
import type { OperatingNumbers } from './deployed-plan.ts';

export interface DriftClock {
  /** Cycles on record that were looked at. */
  readonly cycles: number;
  readonly last: {
    readonly startedAt: string;
    readonly endedAt: string;
    readonly rows: number;
    readonly drift: number;
    readonly driftPercent: number;
    readonly upperBoundPercent: number;
    readonly mode: string;
    readonly scopeKind: string;
    readonly clean: boolean;
  } | null;
  /** Consecutive clean cycles up to now. */
  readonly cleanCycles: number;
  /** ISO start of the first of them; null: the last cycle was not clean, or there is none. */
  readonly cleanSince: string | null;
  readonly cleanForMs: number;
  readonly neededMs: number;
  readonly limitPercent: number;
  /** Whether a full pass is among the clean cycles: the gate asks for one. */
  readonly hasFullPass: boolean;
  readonly complete: boolean;
  /** Time since the last cycle is more than two cycles: the clock does not run on silence. */
  readonly silent: boolean;
  /** Consecutive cycles above the alert's limit, newest first. */
  readonly cyclesAboveAlert: number;
}

/** @param newestFirst cycles of the log, newest first. */
export function readDriftClock(
  newestFirst: readonly CycleDocument[],
  numbers: OperatingNumbers,
  now: Date,
): DriftClock {
  const isClean = (cycle: CycleDocument) =>
    cycle.complete && !cycle.failed && cycle.driftPercent < numbers.driftGate.percent;
  const broken = newestFirst.findIndex((cycle) => !isClean(cycle));
  const clean = broken < 0 ? newestFirst : newestFirst.slice(0, broken);
  const calm = newestFirst.findIndex((cycle) => cycle.driftPercent <= numbers.driftAlert.percent);
  const last = newestFirst[0];
  const cleanSince = clean.at(-1)?.startedAt ?? null;
  const cleanForMs = cleanSince === null ? 0 : Math.max(0, now.getTime() - Date.parse(cleanSince));
  const silent = last !== undefined && now.getTime() - Date.parse(last.endedAt) > 2 * numbers.cycleMs;
  const hasFullPass = clean.some((cycle) => cycle.scopeKind === 'full');
  return {
    cycles: newestFirst.length,
    last: last === undefined ? null : { ...pickLast(last), clean: isClean(last) },
    cleanCycles: clean.length,
    cleanSince,
    cleanForMs,
    neededMs: numbers.driftGate.forMs,
    limitPercent: numbers.driftGate.percent,
    hasFullPass,
    complete: cleanSince !== null && cleanForMs >= numbers.driftGate.forMs && hasFullPass && !silent,
    silent,
    cyclesAboveAlert: calm < 0 ? newestFirst.length : calm,
  };
}

function pickLast({
  startedAt,
  endedAt,
  rows,
  drift,
  driftPercent,
  upperBoundPercent,
  mode,
  scopeKind,
}: CycleDocument) {
  return { startedAt, endedAt, rows, drift, driftPercent, upperBoundPercent, mode, scopeKind };
}
