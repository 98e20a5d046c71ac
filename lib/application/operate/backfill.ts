/** `backfill status`, `tune`, `pause` and `resume`: people and a running copy speak through two documents (backfill/control.ts). */
import type { Mark } from '../../contracts/documents.ts';
import { describeThrottle, factorOf } from '../../domain/throttle.ts';
import { GUIDE_LIMITS, guideValue, openShare, type Plan } from '../../plan/plan.ts';
import { VersionConflict } from '../../ports/documents.ts';
import {
  BACKFILL_CONTROL,
  type BackfillControl,
  type BackfillPace,
  type CopyRate,
  mostOf,
  rateOf,
  readControl,
  readPace,
} from '../backfill/control.ts';
import { PROGRESS_PREFIX, type TableProgress } from '../backfill/progress.ts';
import { PLAN_DOCUMENT } from './deployed-plan.ts';
import { type Operator, OperatorError } from './operator.ts';
import { executionName } from './run-view.ts';

export const COPY_STATES = ['not begun', 'running', 'waiting', 'paused', 'stopped', 'done'] as const;
export type CopyState = (typeof COPY_STATES)[number];

export interface CopiedTable {
  readonly table: string;
  readonly phase: 'waiting' | 'copying' | 'sweeping' | 'done';
  readonly rows: number;
  /** Null: not known. */
  readonly total: number | null;
  readonly estimated: boolean;
  readonly batches: number;
  /** The target held something at least as new. */
  readonly unwritten: number;
  readonly removed: number;
  readonly failures: number;
  /** The first of them: keys and reasons, never values. */
  readonly failed: readonly { readonly rowKey: string; readonly reason: string }[];
}

export interface BackfillStatusPayload {
  readonly at: string;
  readonly state: CopyState;
  readonly run: string | null;
  readonly limit: LimitInForce;
  /** What it does now; null: it is not running. */
  readonly now: {
    readonly rowsPerSecond: number;
    readonly batchesPerSecond: number;
    readonly statementMs: number | null;
  } | null;
  readonly holdsBack: { readonly why: string; readonly since: string | null } | null;
  readonly opensAt: string | null;
  readonly rows: number;
  readonly total: number | null;
  readonly estimated: boolean;
  /** ISO times between which it will end at the present and at the mean rate; null: not known. */
  readonly ends: { readonly from: string; readonly to: string } | null;
  readonly tables: readonly CopiedTable[];
  readonly next: string;
}

export interface LimitInForce extends CopyRate {
  readonly rowsPerSecond: number;
  /** Share that the throttle leaves of it, 0 to 1. */
  readonly factor: number;
  readonly from: 'plan' | 'guide' | 'tuned';
  readonly tuned: Mark | null;
}

/** A copy that has not written its pace for so long is not running. */
const SILENT_MS = 60_000;
/** The mean may have been measured under other conditions. */
const SLACK = 1.25;
/** Where the rows to copy are estimated, there may be more of them as well. */
const GUESS_SLACK = 1.5;

export async function readBackfillStatus(operator: Operator): Promise<BackfillStatusPayload> {
  const { documents, clock } = operator;
  const [control, pace, plan, machine, stored] = await Promise.all([
    readControl(documents),
    readPace(documents),
    readPlan(operator),
    documents.get('machine', 'backfill'),
    documents.list('progress', { from: PROGRESS_PREFIX, to: `${PROGRESS_PREFIX}\uFFFF` }),
  ]);
  // The copy wrote them.
  const found = stored.map(({ value }) => value.state as unknown as TableProgress);
  const run = machine?.value.current?.execution ?? null;
  const now = clock.now();
  const isFresh = pace !== undefined && now.getTime() - Date.parse(pace.at) < SILENT_MS;
  const hasPassed = machine?.value.last?.outcome === 'passed' && Object.keys(machine.value.passed).length > 0;
  const state = stateOf(found, control, pace, { isRunning: run !== null, hasPassed, isFresh });
  const rows = sum(found.map((table) => table.rows));
  const totals = found.map((table) => table.total ?? (table.done ? table.rows : null));
  const total = totals.includes(null) ? null : sum(totals.map((each) => each ?? 0));
  return {
    at: now.toISOString(),
    state,
    run: run === null ? null : executionName(run),
    limit: limitOf(plan, control, state === 'running' ? pace : undefined),
    now: state === 'running' && pace !== undefined ? roundPace(pace) : null,
    holdsBack: holderOf(control, pace, run !== null),
    opensAt: run === null ? null : (pace?.opensAt ?? null),
    rows,
    total,
    estimated: found.some(({ estimated }) => estimated === true),
    ends: state === 'running' && pace !== undefined ? forecast(found, pace, plan, now) : null,
    tables: found.map(viewTable),
    next: operator.command(
      control.paused !== undefined
        ? 'backfill resume'
        : state === 'not begun' || state === 'stopped'
          ? 'start backfill'
          : 'status',
    ),
  };
}

export interface BackfillControlPayload {
  readonly paused: Mark | null;
  readonly limit: LimitInForce;
  readonly changed: boolean;
  readonly notes: readonly string[];
  readonly next: string;
}

export async function pauseBackfill(operator: Operator, why: string): Promise<BackfillControlPayload> {
  return changeControl(operator, why, (control, mark) => ({ ...control, paused: control.paused ?? mark }));
}

export async function resumeBackfill(operator: Operator): Promise<BackfillControlPayload> {
  return changeControl(operator, '', ({ paused: _, ...control }) => control);
}

export interface Tuning {
  readonly batchesPerSecond?: number | undefined;
  readonly batchRows?: number | undefined;
  /** Back to the plan's numbers. */
  readonly reset: boolean;
  readonly why: string;
}

/** @throws {OperatorError} `usage` without a number, or with one and --reset. */
export function requireTuning({ batchesPerSecond, batchRows, reset }: Omit<Tuning, 'why'>): void {
  if (reset !== (batchesPerSecond !== undefined || batchRows !== undefined)) return;
  throw new OperatorError('usage', 'give --batches-per-second, --batch-rows or both; or --reset alone', {
    next: 'npx crossfade backfill tune --help',
  });
}

/** @throws {OperatorError} `usage` without a number; `refused` above what the guide allows in this environment. */
export async function tuneBackfill(operator: Operator, tuning: Tuning): Promise<BackfillControlPayload> {
  const { batchesPerSecond, batchRows, reset, why } = tuning;
  requireTuning(tuning);
  if (reset) return changeControl(operator, why, ({ tuned: _, ...control }) => control);
  const plan = await readPlan(operator);
  for (const [name, value] of Object.entries({ batchesPerSecond, batchRows }) as [
    keyof CopyRate,
    number | undefined,
  ][]) {
    const most = plan === undefined ? guideOf(name) : mostOf(plan, name);
    if (value === undefined || (value >= 1 && value <= most)) continue;
    const source = most > guideOf(name) ? '' : ' (guide, phase 3)';
    throw new OperatorError('refused', `${name} ${value}: expected 1 to ${most}${source}`, {
      next: operator.command('backfill status'),
    });
  }
  return changeControl(operator, why, (control, mark) => ({
    ...control,
    tuned: {
      ...mark,
      batchesPerSecond: batchesPerSecond ?? control.tuned?.batchesPerSecond,
      batchRows: batchRows ?? control.tuned?.batchRows,
    },
  }));
}

/** Writers are people; more than this is not contention but a fault. */
const ATTEMPTS = 5;

async function changeControl(
  operator: Operator,
  why: string,
  change: (control: BackfillControl, mark: Mark) => BackfillControl,
): Promise<BackfillControlPayload> {
  const { documents, clock } = operator;
  const by = await operator.identity.whoAmI();
  const at = clock.now().toISOString();
  for (let attempt = 1; ; attempt++) {
    const stored = await documents.get('progress', BACKFILL_CONTROL);
    // Written below.
    const before = (stored?.value.state ?? {}) as BackfillControl;
    const after = change(before, { by, at, why });
    const changed = JSON.stringify(before) !== JSON.stringify(after);
    try {
      if (changed)
        await documents.put(
          'progress',
          BACKFILL_CONTROL,
          { work: BACKFILL_CONTROL, state: { ...after }, at },
          stored?.version ?? 'absent',
        );
      const plan = await readPlan(operator);
      const limit = limitOf(plan, after, await readPace(documents));
      return {
        paused: after.paused ?? null,
        limit,
        changed,
        notes: notesOf(limit),
        next: operator.command(after.paused === undefined ? 'backfill status' : 'backfill resume'),
      };
    } catch (error) {
      if (!(error instanceof VersionConflict) || attempt === ATTEMPTS) throw error;
    }
  }
}

function notesOf(limit: LimitInForce): readonly string[] {
  return (['batchesPerSecond', 'batchRows'] as const).flatMap((name) =>
    limit[name] > guideOf(name)
      ? [`${name} ${limit[name]} is above the guide's ${guideOf(name)}: for a rehearsal in dev`]
      : [],
  );
}

function guideOf(name: keyof CopyRate): number {
  const limit = GUIDE_LIMITS.find(({ path }) => path === `backfill.${name}`);
  return limit === undefined ? 1 : Number(guideValue(limit, 'prod'));
}

async function readPlan({ documents }: Operator): Promise<Plan | undefined> {
  const stored = await documents.get('progress', PLAN_DOCUMENT);
  // recordPlan wrote it, from a checked plan.
  return stored?.value.state.plan as Plan | undefined;
}

function limitOf(plan: Plan | undefined, control: BackfillControl, pace: BackfillPace | undefined): LimitInForce {
  const guide = { batchesPerSecond: guideOf('batchesPerSecond'), batchRows: guideOf('batchRows') };
  const rate = plan === undefined ? { ...guide, ...given(control) } : rateOf(plan, control);
  return {
    ...rate,
    rowsPerSecond: rate.batchesPerSecond * rate.batchRows,
    factor: pace === undefined ? 1 : factorOf(pace.throttle),
    from: control.tuned !== undefined ? 'tuned' : plan === undefined ? 'guide' : 'plan',
    tuned: control.tuned === undefined ? null : { by: control.tuned.by, at: control.tuned.at, why: control.tuned.why },
  };
}

function given({ tuned }: BackfillControl): Partial<CopyRate> {
  return {
    ...(tuned?.batchesPerSecond === undefined ? {} : { batchesPerSecond: tuned.batchesPerSecond }),
    ...(tuned?.batchRows === undefined ? {} : { batchRows: tuned.batchRows }),
  };
}

function stateOf(
  tables: readonly TableProgress[],
  control: BackfillControl,
  pace: BackfillPace | undefined,
  { isRunning, hasPassed, isFresh }: Readonly<Record<'isRunning' | 'hasPassed' | 'isFresh', boolean>>,
): CopyState {
  const isDone = tables.length > 0 && tables.every(({ done, swept }) => done && swept);
  // A run that found every tenant copied has no table to tell of, and has passed all the same.
  if (isDone || (hasPassed && !isRunning)) return 'done';
  if (control.paused !== undefined) return 'paused';
  if (!isRunning) return tables.length === 0 ? 'not begun' : 'stopped';
  return isFresh && (pace?.stop === null || pace?.stop === 'time') ? 'running' : 'waiting';
}

function holderOf(
  control: BackfillControl,
  pace: BackfillPace | undefined,
  hasRun: boolean,
): BackfillStatusPayload['holdsBack'] {
  if (control.paused !== undefined)
    return { why: `paused by ${control.paused.by}: ${control.paused.why}`, since: control.paused.at };
  if (!hasRun || pace === undefined) return null;
  if (pace.stop === 'held') return { why: 'delivery is held (flags resume-delivery)', since: pace.at };
  if (pace.stop === 'window') return { why: 'outside the off-peak window', since: pace.at };
  const why = describeThrottle(pace.throttle);
  return why === null ? null : { why, since: pace.throttle.since };
}

/**
 * Between the present rate and the mean since the copy began; a window stretches both. The sweep looks at every key of the target
 * in batches of the same size and rate: about as many as there are rows to copy.
 */
function forecast(
  tables: readonly TableProgress[],
  pace: BackfillPace,
  plan: Plan | undefined,
  now: Date,
): BackfillStatusPayload['ends'] {
  const open = tables.filter(({ done }) => !done);
  if (open.some(({ total }) => total == null)) return null;
  const isGuess = open.some(({ estimated }) => estimated === true);
  // More rows than were estimated: how many are left, nobody knows.
  if (open.some(({ estimated, total, rows }) => estimated === true && rows >= (total ?? 0))) return null;
  const toCopy = sum(open.map(({ total, rows }) => Math.max(0, (total ?? 0) - rows)));
  const unswept = tables.filter(({ swept }) => !swept);
  const toSweep = sum(unswept.map(({ total, rows, sweptKeys = 0 }) => Math.max(0, (total ?? rows) - sweptKeys)));
  const left = toCopy + toSweep;
  const began = Math.min(...tables.map(({ startedAt }) => Date.parse(startedAt)));
  const seen = sum(tables.map(({ rows, sweptKeys = 0 }) => rows + sweptKeys));
  const mean = (seen * 1000) / Math.max(1000, now.getTime() - began);
  const rates = [pace.batchesPerSecond * pace.rate.batchRows, mean].filter((rate) => rate > 0);
  if (rates.length === 0) return null;
  const { offPeak } = plan?.backfill ?? {};
  const share = offPeak === undefined ? 1 : Math.max(openShare(offPeak), 1 / 1440);
  const at = (rate: number, slack: number) =>
    new Date(now.getTime() + Math.min((left / rate) * 1000 * slack * (1 / share), MOST_MS)).toISOString();
  return { from: at(Math.max(...rates), 1), to: at(Math.min(...rates), isGuess ? GUESS_SLACK : SLACK) };
}

/** What a Date can hold is a poor forecast anyway. */
const MOST_MS = 100 * 365 * 86_400_000;

function viewTable(progress: TableProgress): CopiedTable {
  const { table, rows, total, estimated, batches, removed, failures, failed, done, swept, after } = progress;
  return {
    table,
    phase: done ? (swept ? 'done' : 'sweeping') : after === null ? 'waiting' : 'copying',
    rows,
    total: total ?? (done ? rows : null),
    estimated: estimated === true,
    batches,
    unwritten: progress.unwritten ?? 0,
    removed,
    failures,
    failed,
  };
}

function roundPace({ rowsPerSecond, batchesPerSecond, statementMs }: BackfillPace) {
  return {
    rowsPerSecond: Math.round(rowsPerSecond),
    batchesPerSecond: Math.round(batchesPerSecond * 10) / 10,
    statementMs: statementMs === null ? null : Math.round(statementMs),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
