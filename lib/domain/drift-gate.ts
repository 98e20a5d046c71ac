/**
 * The drift clock (design §4; guide phase 3: "< 0.001 % for 72 consecutive hours"), judged from the cycle log alone:
 * rate = drift rows found before repair ÷ rows covered in the window, each key counted once; the window holds a full pass;
 * every cycle in it passes by itself; with too few rows drift means zero; silence and failures never count as clean.
 */
import { percentOf, upperBoundPercent } from './drift-bound.ts';

/** What the clock needs of a cycle; `CycleDocument` has it all. */
export interface LoggedCycle {
  readonly startedAt: string;
  readonly endedAt: string;
  readonly scopeKind: 'full' | 'window' | 'sample' | 'keys';
  readonly tenants: readonly string[];
  readonly rows: number;
  readonly drift: number;
  readonly complete: boolean;
  readonly failed: boolean;
}

export interface DriftRule {
  readonly forMs: number;
  readonly driftPercent: number;
  readonly minimumRows: number;
  /** Interval of cycles; a gap of more than two is a missed cycle. */
  readonly cycleMs: number;
  /** What a missed or failed cycle does to the clock. */
  readonly missedCycle: 'restart' | 'pause';
}

export interface DriftJudgement {
  readonly pass: boolean;
  readonly reasons: readonly string[];
  /** Time that counts as clean, up to now; may be longer than the window. */
  readonly cleanMs: number;
  /** Start of the first cycle in the window, ISO; null when there is none. */
  readonly since: string | null;
  readonly cycles: number;
  /** Rows covered, each counted once: those of the largest full pass. */
  readonly rows: number;
  readonly drift: number;
  /** Null when nothing was covered. */
  readonly ratePercent: number | null;
  readonly upperBoundPercent: number;
  /** End of the newest cycle that counts. */
  readonly measuredAt: string | null;
  /** In effect: 0 with fewer than `minimumRows`. */
  readonly thresholdPercent: number;
}

/**
 * @param cycles the log in any order. Cycles that do not cover the scope neither help nor, while they are clean, harm.
 * @param distinctDrift distinct keys found drifting in the window, where that is known: without it each cycle's rows are added up.
 */
export function judgeDrift(
  cycles: readonly LoggedCycle[],
  rule: DriftRule,
  scope: readonly string[],
  now: Date,
  distinctDrift?: number,
): DriftJudgement {
  const run = cleanRun(cycles, rule, scope, now);
  const covering = run.cycles;
  const newest = covering.at(-1);
  const fullRows = covering.filter((cycle) => cycle.scopeKind === 'full').map((cycle) => cycle.rows);
  const rows = Math.max(0, ...(fullRows.length > 0 ? fullRows : covering.map((cycle) => cycle.rows)));
  const summed = covering.reduce((sum, cycle) => sum + cycle.drift, 0);
  const worst = Math.max(0, ...covering.map((cycle) => cycle.drift));
  const drift = distinctDrift === undefined ? summed : Math.max(worst, Math.min(summed, distinctDrift));
  const rate = covering.length === 0 ? null : percentOf(drift, rows);
  const tooFew = rows < rule.minimumRows;
  const thresholdPercent = tooFew ? 0 : rule.driftPercent;
  const reasons = [...run.reasons];
  if (newest !== undefined) {
    if (fullRows.length === 0) reasons.push('no full pass lies in the window; run: npx crossfade start reconcile');
    if (run.cleanMs < rule.forMs) {
      reasons.push(`the clock has run ${span(run.cleanMs)} of ${span(rule.forMs)}, since ${covering[0]?.startedAt}`);
    }
    if (rate !== null && !isClean(drift, rate, tooFew, rule)) {
      reasons.push(
        tooFew
          ? `${drift} rows drifted in the window; with ${rows} rows, fewer than ${rule.minimumRows}, none may`
          : `${drift} of ${rows} rows drifted in the window: ${rate.toPrecision(3)} % is not below ${rule.driftPercent} %`,
      );
    }
  }
  return {
    pass: reasons.length === 0,
    reasons,
    cleanMs: run.cleanMs,
    since: covering[0]?.startedAt ?? null,
    cycles: covering.length,
    rows,
    drift,
    ratePercent: rate,
    upperBoundPercent: upperBoundPercent(drift, rows),
    measuredAt: newest?.endedAt ?? null,
    thresholdPercent,
  };
}

/** Whether one cycle passes by itself. */
export function passesAlone(cycle: LoggedCycle, rule: DriftRule): boolean {
  return cycle.complete && !cycle.failed && hasLittleDrift(cycle, rule);
}

/** What an unfinished cycle has found counts, what it has not found does not. */
function hasLittleDrift(cycle: LoggedCycle, rule: DriftRule): boolean {
  return isClean(cycle.drift, percentOf(cycle.drift, cycle.rows), cycle.rows < rule.minimumRows, rule);
}

function isClean(drift: number, ratePercent: number, tooFew: boolean, rule: DriftRule): boolean {
  return drift === 0 || (!tooFew && ratePercent < rule.driftPercent);
}

interface CleanRun {
  readonly cycles: readonly LoggedCycle[];
  readonly cleanMs: number;
  readonly reasons: readonly string[];
}

/** The newest unbroken run of clean cycles, and the time in it that was watched. */
function cleanRun(cycles: readonly LoggedCycle[], rule: DriftRule, scope: readonly string[], now: Date): CleanRun {
  const inOrder = cycles.toSorted((a, b) => a.startedAt.localeCompare(b.startedAt));
  const relevant = inOrder.filter((cycle) => covers(cycle, scope) || !passesAlone(cycle, rule));
  let run: Watched[] = [];
  let cleanMs = 0;
  let paused = false;
  let broken: string | null = null;
  for (const cycle of relevant) {
    const failed = cycle.failed || !cycle.complete;
    if (!hasLittleDrift(cycle, rule)) {
      broken = `the cycle of ${cycle.startedAt} found ${cycle.drift} drifted of ${cycle.rows} rows`;
      [run, cleanMs, paused] = [[], 0, false];
      continue;
    }
    if (failed) {
      if (rule.missedCycle === 'restart') {
        broken = `the cycle of ${cycle.startedAt} ${cycle.failed ? 'failed' : 'did not read every chunk'}`;
        [run, cleanMs, paused] = [[], 0, false];
      } else paused = true;
      continue;
    }
    const last = run.at(-1)?.cycle;
    // A long cycle is not a missed one: silence is counted from its end.
    const silentMs = last === undefined ? 0 : Date.parse(cycle.startedAt) - Date.parse(last.endedAt);
    if (silentMs > 2 * rule.cycleMs && rule.missedCycle === 'restart') {
      broken = `no cycle began for ${span(silentMs)} before ${cycle.startedAt}`;
      [run, cleanMs] = [[], 0];
    } else if (last !== undefined && silentMs <= 2 * rule.cycleMs && !paused) {
      cleanMs += Math.max(0, Date.parse(cycle.startedAt) - Date.parse(last.startedAt));
    }
    paused = false;
    run.push({ cycle, cleanMs });
  }
  const last = run.at(-1)?.cycle;
  if (last === undefined) {
    return {
      cycles: [],
      cleanMs: 0,
      reasons: [
        broken === null
          ? 'no cycle on record covers the scope; run: npx crossfade start reconcile'
          : `the clock stands still: ${broken}, and no clean cycle has ended since`,
      ],
    };
  }
  const silentMs = now.getTime() - Date.parse(last.endedAt);
  // The cycle after it may be under way, for as long as this one took.
  const patienceMs = 2 * rule.cycleMs + (Date.parse(last.endedAt) - Date.parse(last.startedAt));
  if (silentMs > patienceMs) {
    const reason = `no cycle has ended well for ${span(silentMs)}; one is due every ${span(rule.cycleMs)}; run: npx crossfade start reconcile`;
    const counted = rule.missedCycle === 'restart' ? 0 : cleanMs;
    return { cycles: inWindow(run, cleanMs, rule), cleanMs: counted, reasons: [reason] };
  }
  const total = paused ? cleanMs : cleanMs + Math.max(0, now.getTime() - Date.parse(last.startedAt));
  return { cycles: inWindow(run, total, rule), cleanMs: total, reasons: [] };
}

/** The shortest end of the run that is as long as the window, or all of it. */
function inWindow(run: readonly Watched[], totalMs: number, rule: DriftRule): readonly LoggedCycle[] {
  const first = run.findLastIndex((watched) => totalMs - watched.cleanMs >= rule.forMs);
  return run.slice(Math.max(0, first)).map(({ cycle }) => cycle);
}

interface Watched {
  readonly cycle: LoggedCycle;
  /** Clean time when it began. */
  readonly cleanMs: number;
}

function covers(cycle: LoggedCycle, scope: readonly string[]): boolean {
  return scope.every((tenant) => cycle.tenants.includes(tenant));
}

/** `41h`, `12m`, `30s`: the largest unit that leaves two digits or more, else the next one. */
function span(milliseconds: number): string {
  const units = [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const;
  const [unit, size] = units.find(([, length]) => milliseconds >= 2 * length || milliseconds === length) ?? ['ms', 1];
  return `${Math.floor(milliseconds / size)}${unit}`;
}
