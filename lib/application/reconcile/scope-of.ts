/** From what was wished to what a cycle compares: which tables are due, and whether a window can be trusted (design §4). */
import type { Run } from '../../contracts/machine-io.ts';
import { type ChosenScope, dueTables, type ScopeKind, type TableMark } from '../../domain/cycle-scope.ts';
import type { Direction } from '../../domain/direction.ts';
import { sourceOf } from '../../domain/direction.ts';
import type { CycleSubject } from '../../domain/drift-clocks.ts';
import { formatDuration } from '../../plan/units.ts';
import { currentSnapshot, type SnapshotRow } from '../../sql/source/snapshot.ts';
import type { Deps } from '../deps.ts';
import { outboxKeptMs } from '../retention/kept.ts';
import { type Mark, type Marks, readMark, readMarks } from './cycle-marks.ts';
import { readUnproved } from './cycle-store.ts';
import type { WindowReach } from './list-changed.ts';

type RowKeys = readonly (readonly [table: string, rowKey: string])[];

export type ScopeDecision =
  | { readonly kind: 'nothing'; readonly why: string }
  | {
      readonly kind: ScopeKind;
      /** Empty: all tables of the plan. */
      readonly tables: readonly string[];
      readonly limit: number | null;
      readonly reach: WindowReach | null;
      /** Rows compared besides: named ones, those that waited or differed when the cycle before ended. */
      readonly keys: RowKeys;
      /** The window begins where the cycle before did. */
      readonly goesOn: boolean;
      /** Worth a note; null: as was asked. */
      readonly why: string | null;
    };

/** Stores and Crossfade may differ by so much in what time it is. */
export const CLOCKS_APART_MS = 60_000;
/** Open differences that a window looks at again. */
const MAX_OPEN_DIFFERENCES = 5_000;

/** @param subject what would be compared: the tenants are those of the run. */
export async function scopeOf(
  deps: Deps,
  run: Run,
  wish: ChosenScope,
  direction: Direction,
  subject: CycleSubject,
): Promise<ScopeDecision> {
  const marks = await readMarks(deps);
  if (wish.kind === 'due') return scopeOfDue(deps, run, marks, direction, subject);
  const base = { tables: run.tables, limit: wish.limit, reach: null, keys: [], goesOn: false, why: null };
  if (wish.kind === 'keys') {
    const [table = ''] = run.tables;
    return { ...base, kind: 'keys', keys: (run.keys ?? []).map((key) => [table, key] as const) };
  }
  if (wish.kind !== 'window') return { ...base, kind: wish.kind };
  const reachMs = wish.windowMs ?? deps.plan.reconcile.window;
  if (reachMs > outboxKeptMs(deps.plan)) {
    const why = `full instead of the window: events are kept for ${formatDuration(outboxKeptMs(deps.plan))}, shorter than ${formatDuration(reachMs)}`;
    return { ...base, kind: 'full', why };
  }
  const now = deps.clock.now().getTime();
  const since = new Date(now - reachMs - CLOCKS_APART_MS).toISOString();
  const names = run.tables.length > 0 ? run.tables : Object.keys(deps.plan.tables);
  const isKnown = names.every((name) => (marks[name]?.at ?? '') >= since);
  const goesOn = isKnown && (await newSince(deps, marks, names, subject)) === null;
  return { ...base, kind: 'window', reach: { since, snapshot: null }, goesOn };
}

/** A window goes on from the oldest mark of its tables; a full pass takes its place where that is not known for certain. */
async function scopeOfDue(
  deps: Deps,
  run: Run,
  marks: Marks,
  direction: Direction,
  subject: CycleSubject,
): Promise<ScopeDecision> {
  const { reconcile, tables: planned } = deps.plan;
  const wanted = Object.entries(planned).filter(([name]) => run.tables.length === 0 || run.tables.includes(name));
  const every = Object.fromEntries(wanted.map(([name, table]) => [name, table.every]));
  const rule = { cycleMs: reconcile.cycle, fullEveryMs: reconcile.fullEvery, every };
  const times = Object.fromEntries(Object.entries(marks).map(([name, mark]) => [name, timesOf(mark)]));
  const due = dueTables(times, rule, deps.clock.now().getTime());
  const tables = due.map(({ table }) => table);
  if (tables.length === 0) return { kind: 'nothing', why: 'no table is due yet; nothing was compared' };
  const whole = { tables: tables.length === wanted.length ? run.tables : tables, limit: null, keys: [], reach: null };
  if (due.some(({ full }) => full)) return { ...whole, kind: 'full', goesOn: false, why: null };

  const cycles = new Set(tables.map((name) => marks[name]?.cycle ?? ''));
  const before = await Promise.all([...cycles].map((cycle) => readMark(deps, cycle)));
  const why = (await distrust(deps, direction, before)) ?? (await newSince(deps, marks, tables, subject));
  if (why !== null) return { ...whole, kind: 'full', goesOn: false, why: `full instead of a window: ${why}` };
  const known = before.filter((mark) => mark !== undefined);
  const oldest = known.toSorted((one, other) => (one.takenAt < other.takenAt ? -1 : 1))[0];
  if (oldest === undefined) throw new RangeError('a window was chosen without a mark to go on from');
  return {
    ...whole,
    kind: 'window',
    goesOn: true,
    reach: { since: reachOf(known), snapshot: oldest.snapshot },
    keys: await waitingKeys(deps, cycles, known, new Set(tables)),
    why: `a window: what changed since the cycle of ${oldest.takenAt}`,
  };
}

/** Why these marks do not say for certain what changed since; null: they do. */
async function distrust(
  deps: Deps,
  direction: Direction,
  marks: readonly (Mark | undefined)[],
): Promise<string | null> {
  const source = sourceOf(direction);
  const [taken] = await deps.databases.open(source, 'compare').query<SnapshotRow>(currentSnapshot);
  const keptMs = outboxKeptMs(deps.plan);
  for (const mark of marks) {
    if (mark === undefined) return 'what the cycle before had seen is not in the bucket any more';
    if (mark.planHash !== deps.planHash) return 'the plan has changed since the cycle before';
    if (mark.direction !== direction) return 'authority has moved since the cycle before';
    if (mark.epoch !== taken?.epoch) return `${source} was restored or failed over since the cycle before`;
    if (mark.open === null) return 'more rows waited for delivery at the cycle before than it could remember';
    if (mark.oldestMs === null)
      return `sessions of ${source} were hidden at the cycle before, and with them how long transactions ran; grant pg_monitor to the compare role`;
    const ageMs = deps.clock.now().getTime() - Date.parse(reachOf([mark]));
    if (ageMs > keptMs)
      return `the window would reach back ${formatDuration(ageMs)}, and events are kept for ${formatDuration(keptMs)}`;
  }
  return null;
}

/** What the cycles before did not compare as it is now: no event says what is in it. Null: nothing. */
async function newSince(
  deps: Deps,
  marks: Marks,
  tables: readonly string[],
  { shapes, generations }: CycleSubject,
): Promise<string | null> {
  const byCycle = Map.groupBy(tables, (name) => marks[name]?.cycle ?? '');
  for (const [cycle, names] of byCycle) {
    const compared = (await readMark(deps, cycle))?.subject;
    if (compared === undefined) return 'what the cycle before compared is not known';
    const changed = names.find((name) => compared.shapes[name] !== shapes[name]);
    if (changed !== undefined) return `table ${changed} has changed since the cycle before`;
    const anew = Object.entries(generations).find(([tenant, now]) => compared.generations[tenant] !== now);
    if (anew !== undefined) return `tenant ${anew[0]} has been copied since the cycle before`;
  }
  return null;
}

/** The longest transaction of then may have captured before and committed after. */
export function reachOf(marks: readonly Mark[]): string {
  const times = marks.map(({ takenAt, oldestMs }) => Date.parse(takenAt) - Math.ceil(oldestMs ?? 0) - CLOCKS_APART_MS);
  return new Date(Math.min(...times)).toISOString();
}

/**
 * Rows whose event was open at the cycle before, however old, rows that it could not prove, and rows that are known to differ. One
 * that waited for a queued repair or for its parent has no event of its own that the window would find.
 */
async function waitingKeys(
  deps: Deps,
  cycles: ReadonlySet<string>,
  marks: readonly Mark[],
  tables: ReadonlySet<string>,
): Promise<RowKeys> {
  const unproved = await Promise.all([...cycles].map((cycle) => readUnproved(deps.objects, cycle)));
  const differences = (await deps.documents.list('drift')).map(({ value }) => value);
  const open = differences.filter(({ repairedAt }) => repairedAt === undefined).slice(0, MAX_OPEN_DIFFERENCES);
  const all = [
    ...marks.flatMap((mark) => mark.open ?? []),
    ...unproved.flat().map(({ table, rowKey }) => [table, rowKey] as const),
    ...open.map(({ table, rowKey }) => [table, rowKey] as const),
  ].filter(([table]) => tables.has(table));
  return [...new Map(all.map((key) => [JSON.stringify(key), key])).values()];
}

function timesOf({ at, fullAt }: Marks[string]): TableMark {
  return { at: Date.parse(at), fullAt: Date.parse(fullAt) };
}
