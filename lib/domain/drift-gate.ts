/**
 * The drift clock (design §4; guide phase 3: "< 0.001 % for 72 consecutive hours"), judged from the cycle log alone:
 * rate = drift rows found before repair ÷ rows covered in the window, each key counted once; the window holds a full pass;
 * every cycle in it passes by itself; with too few rows drift means zero; silence and failures never count as clean. Rows that
 * would not stand still or are set aside are neither clean nor drift: a cycle passes when it would with all of them drifted.
 * Tables and tenants have clocks of their own by the same rule (drift-clocks.ts). Choices in between: docs/adr/027.
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
  /** How rows were compared; `count` proves nothing of what most columns hold. */
  readonly mode?: string | undefined;
  /** Rows by table, where cycles differ in the tables that they compare. */
  readonly tables?: readonly LoggedTable[] | undefined;
  /** Rows that are neither clean nor drift, where `tables` do not say it. */
  readonly unproven?: number | undefined;
  /** It is one table's or tenant's share of a cycle that compared rows: none of its own is nothing unusual. */
  readonly isShare?: boolean | undefined;
  /** It compared a table or tenant as it is no longer; `scopeKind` is a sample's. */
  readonly isOther?: boolean | undefined;
}

export interface LoggedTable {
  readonly table: string;
  readonly rows: number;
  /** Rows that would not stand still, rows whose events are set aside, and rows that have been in flight for too long. */
  readonly unsettled?: number | undefined;
  readonly setAside?: number | undefined;
  readonly late?: number | undefined;
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
  /** Rows covered, each counted once: of every table, those of its largest full pass. */
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
 * @param cycles the log in any order. The clock runs on full and window cycles that cover the scope; others cannot make it run,
 * but what they find counts.
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
  const fullPasses = covering.filter((cycle) => cycle.scopeKind === 'full');
  const rows = rowsCovered(fullPasses.length > 0 ? fullPasses : covering);
  const since = covering[0]?.startedAt ?? null;
  // Whoever found it, and whatever was looked for: each row that drifted in the window counts.
  const seen = since === null ? [] : cycles.filter((cycle) => Date.parse(cycle.startedAt) >= Date.parse(since));
  const summed = seen.reduce((sum, cycle) => sum + cycle.drift, 0);
  const worst = Math.max(0, ...seen.map((cycle) => cycle.drift));
  const drift = distinctDrift === undefined ? summed : Math.max(worst, Math.min(summed, distinctDrift));
  // The same rows in each cycle, for all that is known: their keys are not kept.
  const unproven = Math.max(0, ...covering.map(unprovenOf));
  const rate = covering.length === 0 ? null : percentOf(drift, rows);
  const tooFew = rows < rule.minimumRows;
  const thresholdPercent = tooFew ? 0 : rule.driftPercent;
  const reasons = [...run.reasons];
  if (newest !== undefined) {
    if (fullPasses.length === 0) reasons.push('no full pass lies in the window; run: npx crossfade start reconcile');
    if (run.cleanMs < rule.forMs) {
      reasons.push(`the clock has run ${span(run.cleanMs)} of ${span(rule.forMs)}, since ${since}`);
    }
    if (rate !== null && !isClean(drift, rate, tooFew, rule)) {
      reasons.push(
        tooFew
          ? `${drift} rows drifted in the window; with ${rows} rows, fewer than ${rule.minimumRows}, none may`
          : `${drift} of ${rows} rows drifted in the window: ${rate.toPrecision(3)} % is not below ${rule.driftPercent} %`,
      );
    } else if (!isClean(drift + unproven, percentOf(drift + unproven, rows), tooFew, rule)) {
      reasons.push(
        `${drift} of ${rows} rows drifted in the window and up to ${unproven} were unsettled, set aside or long in flight, neither clean nor drift; together they are not within ${thresholdPercent} %`,
      );
    }
  }
  return {
    pass: reasons.length === 0,
    reasons,
    cleanMs: run.cleanMs,
    since,
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
  return cycle.complete && !cycle.failed && hasLittleDrift(cycle, rule) && isProven(cycle, rule);
}

/** Rows of a cycle that are neither clean nor drift. */
export function unprovenOf({ unproven, tables = [] }: Pick<LoggedCycle, 'unproven' | 'tables'>): number {
  return (
    unproven ?? tables.reduce((sum, { unsettled = 0, setAside = 0, late = 0 }) => sum + unsettled + setAside + late, 0)
  );
}

/** Whether it would still pass if every row that it could not settle had drifted. */
export function isProven(cycle: LoggedCycle, rule: DriftRule): boolean {
  const suspect = cycle.drift + unprovenOf(cycle);
  return isClean(suspect, percentOf(suspect, cycle.rows), cycle.rows < rule.minimumRows, rule);
}

/**
 * Whether the clock may run on it: a sample leaves rows out by design, named rows were chosen by what somebody knew, and a count
 * looks into no column that is not critical.
 */
export function isMeasure({ scopeKind, mode }: Pick<LoggedCycle, 'scopeKind' | 'mode'>): boolean {
  return mode !== 'count' && (scopeKind === 'full' || scopeKind === 'window');
}

/** What an unfinished cycle has found counts, what it has not found does not. */
export function hasLittleDrift(cycle: LoggedCycle, rule: DriftRule): boolean {
  return isClean(cycle.drift, percentOf(cycle.drift, cycle.rows), cycle.rows < rule.minimumRows, rule);
}

function isClean(drift: number, ratePercent: number, tooFew: boolean, rule: DriftRule): boolean {
  return drift === 0 || (!tooFew && ratePercent < rule.driftPercent);
}

/** Cycles of some tables only add to one another; two of the same table do not. */
function rowsCovered(cycles: readonly LoggedCycle[]): number {
  const most = new Map<string, number>();
  let whole = 0;
  for (const { rows, tables = [] } of cycles) {
    if (tables.length === 0) whole = Math.max(whole, rows);
    for (const each of tables) most.set(each.table, Math.max(most.get(each.table) ?? 0, each.rows));
  }
  return Math.max(
    whole,
    [...most.values()].reduce((sum, count) => sum + count, 0),
  );
}

interface CleanRun {
  readonly cycles: readonly LoggedCycle[];
  readonly cleanMs: number;
  readonly reasons: readonly string[];
}

type Role = 'clean' | 'failed' | 'drifted';

interface Timed {
  readonly cycle: LoggedCycle;
  readonly role: Role;
  readonly startMs: number;
  readonly endMs: number;
}

interface Watched extends Timed {
  /** Clean time when it began. */
  readonly cleanMs: number;
}

/** The newest unbroken run of clean cycles, and the time in it that was watched. */
function cleanRun(cycles: readonly LoggedCycle[], rule: DriftRule, scope: readonly string[], now: Date): CleanRun {
  const nowMs = now.getTime();
  let run: Watched[] = [];
  let cleanMs = 0;
  let paused = false;
  let broken: string | null = null;
  /** A cycle that found drift found it until it ended: one that began before then does not count behind it. */
  let dirtyUntilMs = Number.NEGATIVE_INFINITY;
  let watchedUntilMs = Number.NEGATIVE_INFINITY;
  for (const timed of inOrder(cycles, rule, scope)) {
    const { cycle, role, startMs, endMs } = timed;
    if (role === 'drifted') {
      broken = `the cycle of ${cycle.startedAt} found ${cycle.drift} drifted of ${cycle.rows} rows`;
      dirtyUntilMs = Math.max(dirtyUntilMs, endMs);
      [run, cleanMs, paused] = [[], 0, false];
      continue;
    }
    if (role === 'failed') {
      if (rule.missedCycle === 'restart') {
        broken = `the cycle of ${cycle.startedAt} ${failureOf(cycle)}`;
        [run, cleanMs, paused] = [[], 0, false];
      } else paused = true;
      continue;
    }
    // A clock that is ahead of ours proves nothing yet.
    if (startMs < dirtyUntilMs || startMs > nowMs) continue;
    const last = run.at(-1);
    // A long cycle is not a missed one: silence is counted from its end.
    const silentMs = last === undefined ? 0 : startMs - watchedUntilMs;
    if (silentMs > 2 * rule.cycleMs && rule.missedCycle === 'restart') {
      broken = `no cycle began for ${span(silentMs)} before ${cycle.startedAt}`;
      [run, cleanMs] = [[], 0];
    } else if (last !== undefined && silentMs <= 2 * rule.cycleMs && !paused) {
      cleanMs += Math.max(0, startMs - last.startMs);
    }
    paused = false;
    watchedUntilMs = run.length === 0 ? endMs : Math.max(watchedUntilMs, endMs);
    run.push({ ...timed, cleanMs });
  }
  const last = run.at(-1);
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
  const silentMs = nowMs - watchedUntilMs;
  // The cycle after it may be under way, for as long as this one took.
  const patienceMs = 2 * rule.cycleMs + (last.endMs - last.startMs);
  if (silentMs > patienceMs) {
    const reason = `no cycle has ended well for ${span(silentMs)}; one is due every ${span(rule.cycleMs)}; run: npx crossfade start reconcile`;
    const counted = rule.missedCycle === 'restart' ? 0 : cleanMs;
    return { cycles: inWindow(run, cleanMs, rule), cleanMs: counted, reasons: [reason] };
  }
  const total = paused ? cleanMs : cleanMs + Math.max(0, nowMs - last.startMs);
  return { cycles: inWindow(run, total, rule), cleanMs: total, reasons: [] };
}

/** Cycles that say something of the scope, with what they say; by start, and of equal starts the bad news last. */
function inOrder(cycles: readonly LoggedCycle[], rule: DriftRule, scope: readonly string[]): readonly Timed[] {
  const order: readonly Role[] = ['clean', 'failed', 'drifted'];
  return cycles
    .flatMap((cycle): readonly Timed[] => {
      const role = roleOf(cycle, rule, scope);
      const startMs = Date.parse(cycle.startedAt);
      if (role === null || Number.isNaN(startMs)) return [];
      const endMs = Date.parse(cycle.endedAt);
      return [{ cycle, role, startMs, endMs: Math.max(startMs, Number.isNaN(endMs) ? startMs : endMs) }];
    })
    .toSorted(
      (one, other) =>
        one.startMs - other.startMs || order.indexOf(one.role) - order.indexOf(other.role) || one.endMs - other.endMs,
    );
}

function failureOf(cycle: LoggedCycle): string {
  if (cycle.failed) return 'failed';
  if (!cycle.complete) return 'did not read every chunk';
  return `left ${unprovenOf(cycle)} of ${cycle.rows} rows unsettled, set aside or long in flight`;
}

/** null: it says nothing. Drift counts from wherever it is found; a rate of rows that somebody named is none. */
function roleOf(cycle: LoggedCycle, rule: DriftRule, scope: readonly string[]): Role | null {
  if (cycle.scopeKind !== 'keys' && !hasLittleDrift(cycle, rule)) return 'drifted';
  if (!isMeasure(cycle) || !covers(cycle, scope)) return null;
  if (!cycle.complete || cycle.failed) return 'failed';
  // A pass over nothing proves nothing. A window without rows does: nothing has changed since what it goes on from.
  if (cycle.scopeKind === 'full' && cycle.rows === 0 && cycle.isShare !== true) return null;
  return isProven(cycle, rule) ? 'clean' : 'failed';
}

/** The shortest end of the run that is as long as the window, or all of it. */
function inWindow(run: readonly Watched[], totalMs: number, rule: DriftRule): readonly LoggedCycle[] {
  const first = run.findLastIndex((watched) => totalMs - watched.cleanMs >= rule.forMs);
  return run.slice(Math.max(0, first)).map(({ cycle }) => cycle);
}

/** Hundreds of cycles share one list of tens of thousands of tenants, and each table's clock asks again. */
const tenantSets = new WeakMap<readonly string[], ReadonlySet<string>>();

/** The tenants of a cycle; the list is not changed afterwards. */
export function tenantSetOf({ tenants }: Pick<LoggedCycle, 'tenants'>): ReadonlySet<string> {
  const set = tenantSets.get(tenants) ?? new Set(tenants);
  tenantSets.set(tenants, set);
  return set;
}

/** Whether a cycle's tenants hold all of a scope: each table's clock asks about the same lists. */
const covered = new WeakMap<readonly string[], WeakMap<readonly string[], boolean>>();

function covers(cycle: LoggedCycle, scope: readonly string[]): boolean {
  const known = covered.get(cycle.tenants) ?? new WeakMap<readonly string[], boolean>();
  covered.set(cycle.tenants, known);
  const before = known.get(scope);
  if (before !== undefined) return before;
  const tenants = tenantSetOf(cycle);
  const all = scope.every((tenant) => tenants.has(tenant));
  known.set(scope, all);
  return all;
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
