/** The drift clock as the gate of `cutover` judges it (lib/domain/drift-clocks.ts), with the last cycle beside it. Pure. */
import type { CycleDocument, DriftDocument } from '../../contracts/documents.ts';
import { findDriftAlerts } from '../../domain/drift-alert.ts';
import type { ClocksRule, SubjectClock } from '../../domain/drift-clocks.ts';
import {
  type DriftJudgement,
  hasLittleDrift,
  isMeasure,
  isProven,
  passesAlone,
  unprovenOf,
} from '../../domain/drift-gate.ts';
import { judgeLog } from '../gates/judge-log.ts';

export interface LastCycle
  extends Pick<
    CycleDocument,
    'startedAt' | 'endedAt' | 'rows' | 'drift' | 'driftPercent' | 'upperBoundPercent' | 'mode' | 'scopeKind'
  > {
  readonly coveragePercent: number | null;
  readonly durationMs: number;
  /** Rows that would not stand still or are set aside: neither clean nor drift. */
  readonly unproven: number;
  /** Whether it passes by itself. */
  readonly clean: boolean;
}

/** Everything together; `pass`, `reasons` and `cleanMs` are of all clocks, which the gate asks for. */
export interface DriftClock extends DriftJudgement {
  readonly neededMs: number;
  /** The plan's threshold; `thresholdPercent` is the one in effect, 0 with few rows. */
  readonly limitPercent: number;
  readonly last: LastCycle | null;
  readonly alertFiring: boolean;
  /** Tables whose own drift is above the alert's limit. */
  readonly alertTables: readonly string[];
  /** When the next cycle is due, and when the clock counts it as missed; null before the first one. */
  readonly nextDueAt: string | null;
  readonly missedAt: string | null;
  /** When the gate can pass at the earliest, if every cycle until then is clean; null while no clock runs. */
  readonly earliestAt: string | null;
  /** Drifted rows of one full pass at which the clock starts again. */
  readonly restartsAtRows: number;
  readonly missedCycle: ClocksRule['missedCycle'];
}

export interface DriftClocksView {
  readonly clock: DriftClock;
  /** Worst first. */
  readonly tables: readonly SubjectClock[];
  readonly tenants: readonly SubjectClock[];
}

export interface ClockRules {
  readonly driftGate: ClocksRule;
  readonly driftAlert: { readonly driftPercent: number; readonly cycles: number };
}

/**
 * @param newestFirst cycles of the log.
 * @param scope tenants that are copied: cycles before that do not cover them.
 */
export function readDriftClocks(
  newestFirst: readonly CycleDocument[],
  differences: readonly DriftDocument[],
  { driftGate, driftAlert }: ClockRules,
  scope: readonly string[],
  now: Date,
): DriftClocksView {
  const last = newestFirst[0];
  const judged = judgeLog({ cycles: newestFirst, differences }, driftGate, scope, now);
  const { overall, tables, tenants } = judged;
  const { firing } = findDriftAlerts(newestFirst, driftAlert);
  const latest = newestFirst.find((cycle) => isMeasure(cycle));
  const due = latest === undefined ? null : Date.parse(latest.startedAt) + driftGate.cycleMs;
  return {
    clock: {
      ...overall,
      pass: judged.pass,
      reasons: judged.reasons,
      cleanMs: judged.cleanMs,
      neededMs: driftGate.forMs,
      limitPercent: driftGate.driftPercent,
      last: last === undefined ? null : lastOf(last, driftGate),
      alertFiring: firing.length > 0,
      alertTables: firing.filter((table) => table !== null),
      nextDueAt: toIso(due),
      missedAt: toIso(missedFrom(newestFirst, driftGate)),
      earliestAt: toIso(earliest(newestFirst, [overall, ...tables, ...tenants], driftGate, now)),
      restartsAtRows: restartsAt(overall.rows, driftGate),
      missedCycle: driftGate.missedCycle,
    },
    tables,
    tenants,
  };
}

function toIso(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString();
}

/** As the gate counts silence: from the latest end of what it goes on from. A failed cycle that only pauses watched nothing. */
function missedFrom(cycles: readonly CycleDocument[], rule: ClocksRule): number | null {
  const watching = cycles.filter(
    (cycle) => isMeasure(cycle) && (rule.missedCycle === 'restart' || markOf(cycle, rule) === 'clean'),
  );
  if (watching.length === 0) return null;
  return Math.max(...watching.map(({ endedAt }) => Date.parse(endedAt))) + 2 * rule.cycleMs;
}

/** Each clock needs the rest of its time; drift that is too much for the window has to leave it first. */
function earliest(
  cycles: readonly CycleDocument[],
  clocks: readonly DriftJudgement[],
  rule: ClocksRule,
  now: Date,
): number | null {
  if (clocks.some(({ cycles: count }) => count === 0)) return null;
  const rest = Math.max(...clocks.map(({ cleanMs }) => Math.max(0, rule.forMs - cleanMs)));
  const isTooMuch = clocks.some(({ drift, ratePercent, thresholdPercent }) =>
    thresholdPercent === 0 ? drift > 0 : ratePercent !== null && ratePercent >= thresholdPercent,
  );
  const drifted = cycles.filter(({ drift }) => drift > 0).map(({ endedAt }) => Date.parse(endedAt));
  const leaves = isTooMuch ? Math.max(0, ...drifted) + rule.forMs : 0;
  return Math.max(now.getTime() + rest, leaves);
}

function restartsAt(rows: number, rule: ClocksRule): number {
  return rows < rule.minimumRows ? 1 : Math.max(1, Math.ceil((rule.driftPercent * rows) / 100));
}

function lastOf(cycle: CycleDocument, rule: ClocksRule): LastCycle {
  const { startedAt, endedAt, rows, drift, driftPercent, upperBoundPercent, mode, scopeKind } = cycle;
  return {
    startedAt,
    endedAt,
    rows,
    drift,
    driftPercent,
    upperBoundPercent,
    coveragePercent: cycle.coveragePercent ?? null,
    durationMs: cycle.durationMs ?? Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)),
    mode,
    scopeKind,
    unproven: unprovenOf(cycle),
    clean: passesAlone(cycle, rule),
  };
}

/** What a cycle did to the clock, for lists and pictures of it. */
export type CycleMark = 'clean' | 'drifted' | 'failed' | 'partial';

export function markOf(cycle: CycleDocument, rule: ClocksRule): CycleMark {
  if (cycle.scopeKind !== 'keys' && !hasLittleDrift(cycle, rule)) return 'drifted';
  if (!isMeasure(cycle)) return 'partial';
  return cycle.complete && !cycle.failed && isProven(cycle, rule) ? 'clean' : 'failed';
}
