/**
 * Up to where each table has been compared: the cycle before, from which a window goes on, and the last full pass. A mark is
 * taken before a cycle reads anything and kept only when the cycle has read everything, so a window never begins too late.
 */
import { type Direction, sourceOf } from '../../domain/direction.ts';
import type { CycleSubject } from '../../domain/drift-clocks.ts';
import { oldestWriter, undeliveredKeys } from '../../sql/compare/changed-keys.ts';
import { currentSnapshot, type SnapshotRow } from '../../sql/source/snapshot.ts';
import type { Deps } from '../deps.ts';
import type { Cycle } from './cycle-store.ts';

const MARKS = 'reconcile/marks';
/** Rows with an open event that a mark remembers; with more of them the next cycle is a full pass. */
const MAX_OPEN = 20_000;
const OPEN_PAGE = 2_000;

/** What the source looked like when a cycle began. */
export interface Mark {
  readonly direction: Direction;
  readonly epoch: number;
  readonly snapshot: string;
  /** Another plan compares other columns: only a full pass knows them. */
  readonly planHash: string;
  /** ISO, by Crossfade's clock. */
  readonly takenAt: string;
  /** Age of the oldest writing transaction then, milliseconds: its captures may be that old and were not seen. Null: not known. */
  readonly oldestMs: number | null;
  /** Null: more than a mark remembers. */
  readonly open: readonly (readonly [table: string, rowKey: string])[] | null;
  /** What its cycle compared: nothing goes on from it for a table or a tenant that is not in there as it is now. */
  readonly subject?: CycleSubject | undefined;
}

export interface StoredMark {
  readonly cycle: string;
  readonly at: string;
  readonly fullAt: string;
}

export type Marks = Readonly<Record<string, StoredMark>>;

export async function takeMark(deps: Deps, direction: Direction): Promise<Mark> {
  const session = deps.databases.open(sourceOf(direction), 'compare');
  const takenAt = deps.clock.now().toISOString();
  const [oldest] = await session.query<{ ms: number | null }>(oldestWriter);
  const [taken] = await session.query<SnapshotRow>(currentSnapshot);
  if (taken === undefined) throw new RangeError(`${sourceOf(direction)} has no crossfade.source row`);
  const open: (readonly [string, string])[] = [];
  for (let more = true; more && open.length <= MAX_OPEN; ) {
    const rows = await session.query<{ table_name: string; row_key: string }>(
      undeliveredKeys(open.at(-1) ?? null, OPEN_PAGE),
    );
    for (const row of rows) open.push([row.table_name, row.row_key]);
    more = rows.length === OPEN_PAGE;
  }
  return {
    direction,
    epoch: taken.epoch,
    snapshot: taken.snapshot,
    planHash: deps.planHash,
    takenAt,
    oldestMs: oldest?.ms == null ? null : Number(oldest.ms),
    open: open.length > MAX_OPEN ? null : open,
  };
}

export async function readMarks(deps: Deps): Promise<Marks> {
  const stored = await deps.documents.get('progress', MARKS);
  // Written below by the same code.
  return (stored?.value.state.tables ?? {}) as Marks;
}

/** @returns undefined when the bucket does not have it any more. */
export async function readMark({ objects }: Deps, cycle: string): Promise<Mark | undefined> {
  const body = await objects.get(markKey(cycle));
  return body === undefined ? undefined : (JSON.parse(body) as Mark);
}

export async function saveMark({ objects }: Deps, cycle: string, mark: Mark): Promise<void> {
  await objects.put(markKey(cycle), JSON.stringify(mark), 'application/json');
}

/**
 * After a complete cycle of every tenant: a later window of its tables goes on from its beginning.
 * @param gone tenants that were turned off, or on anew, meanwhile.
 */
export async function keepMark(deps: Deps, cycle: Cycle, gone: readonly string[] = []): Promise<void> {
  if (cycle.dryRun || !cycle.moves) return;
  if (gone.length > 0) await forgetTenants(deps, cycle.id, gone);
  const before = await deps.documents.get('progress', MARKS);
  const known = (before?.value.state.tables ?? {}) as Marks;
  const isFull = cycle.scopeKind === 'full';
  const moved = cycle.comparison.tables.flatMap(({ table }) => {
    const fullAt = isFull ? cycle.startedAt : known[table]?.fullAt;
    return fullAt === undefined ? [] : [[table, { cycle: cycle.id, at: cycle.startedAt, fullAt }] as const];
  });
  const state = { tables: { ...known, ...Object.fromEntries(moved) } };
  await deps.documents.put('progress', MARKS, { work: MARKS, state, at: deps.clock.now().toISOString() }, 'any');
}

async function forgetTenants(deps: Deps, cycle: string, gone: readonly string[]): Promise<void> {
  const mark = await readMark(deps, cycle);
  if (mark?.subject === undefined) return;
  const proved = Object.entries(mark.subject.generations).filter(([tenant]) => !gone.includes(tenant));
  await saveMark(deps, cycle, { ...mark, subject: { ...mark.subject, generations: Object.fromEntries(proved) } });
}

const markKey = (cycle: string): string => `cycles/${cycle}/mark.json`;
