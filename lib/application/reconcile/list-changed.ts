/** The keys of a window (design §4): a page at a time, so that a step of a machine can stop after any of them and go on. */
import { STORES, type StoreName, sourceOf } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import {
  type ChangedPage,
  changedPage,
  leadsAnIndex,
  type UpdatedColumn,
  type UpdatedRow,
  updatedRows,
} from '../../sql/compare/changed-keys.ts';
import { type Migration, tableNamed } from '../migration.ts';
import type { Comparison } from './comparison.ts';

/** What a window reaches back to. */
export interface WindowReach {
  /** ISO: younger than this, by captured_at, touched_at or the column of the plan. */
  readonly since: string;
  /** Of the cycle before, when the window goes on from one. */
  readonly snapshot: string | null;
}

/** Where the walk over the window has come to. */
export type WindowPlace =
  | { readonly in: 'outbox'; readonly before: string | null }
  | { readonly in: 'tables'; readonly table: number; readonly store: StoreName; readonly after: UpdatedRow | null };

export interface ChangedKeys {
  readonly keys: readonly (readonly [table: string, rowKey: string])[];
  /** Null: that was all. */
  readonly next: WindowPlace | null;
}

export const WINDOW_START: WindowPlace = { in: 'outbox', before: null };
/** Events of one page: some 20 ms. Their keys are one value, which the Data API refuses above 64 KB: then fewer are asked for. */
const EVENTS_AT_ONCE = 2_000;
const ROWS_AT_ONCE = 2_000;

export async function listChanged(
  migration: Migration,
  comparison: Comparison,
  reach: WindowReach,
  place: WindowPlace,
): Promise<ChangedKeys> {
  return place.in === 'outbox'
    ? listEvents(migration, comparison, reach, place.before)
    : listUpdated(migration, comparison, reach, place);
}

async function listEvents(
  migration: Migration,
  { direction, tables }: Comparison,
  { since, snapshot }: WindowReach,
  before: string | null,
): Promise<ChangedKeys> {
  const { databases } = migration.deps;
  const names = tables.map(({ table }) => table);
  const session = databases.open(sourceOf(direction), 'compare');
  const age = ageOf(migration, since);
  const ask = async (events: number): Promise<readonly ChangedPage[]> => {
    try {
      return await session.query<ChangedPage>(changedPage(before, age, snapshot, names, events));
    } catch (error) {
      if (!(error instanceof SqlError) || error.kind !== 'limit' || events === 1) throw error;
      return ask(events >> 1);
    }
  };
  const [page] = await ask(EVENTS_AT_ONCE);
  if (page === undefined) throw new RangeError('an aggregate always answers with one row');
  const isOver = page.over !== false || page.first_seq === null;
  return {
    // The list that the statement makes.
    keys: JSON.parse(page.keys) as [string, string][],
    next: isOver ? { in: 'tables', table: 0, store: 'legacy', after: null } : { in: 'outbox', before: page.first_seq },
  };
}

/** A writer that capture does not see may raise the column all the same; looked up only where an index leads with it. */
async function listUpdated(
  migration: Migration,
  comparison: Comparison,
  { since }: WindowReach,
  place: Extract<WindowPlace, { in: 'tables' }>,
): Promise<ChangedKeys> {
  const compared = comparison.tables[place.table];
  if (compared === undefined) return { keys: [], next: null };
  const table = tableNamed(migration, compared.table);
  const column = await indexedColumn(migration, compared.table, place.store);
  if (column === undefined) return { keys: [], next: behind(place) };
  const statement = updatedRows(table, column, ageOf(migration, since), place.after, ROWS_AT_ONCE);
  const rows = await migration.deps.databases.open(place.store, 'compare').query<UpdatedRow>(statement);
  const last = rows.at(-1);
  return {
    keys: rows.map((row) => [table.name, row.row_key]),
    next: last === undefined || rows.length < ROWS_AT_ONCE ? behind(place) : { ...place, after: last },
  };
}

/** The same column name in both stores: a legacy column that is mapped to another one is not looked up. */
async function indexedColumn(migration: Migration, name: string, store: StoreName): Promise<UpdatedColumn | undefined> {
  const table = tableNamed(migration, name);
  if (table.updatedAt === null) return undefined;
  const session = migration.deps.databases.open(store, 'compare');
  const [found] = await session.query<{ leads: boolean; type: string | null }>(leadsAnIndex(table, table.updatedAt));
  const type = found?.type ?? '';
  return found?.leads === true && /^timestamp with(out)? time zone$/.test(type)
    ? { name: table.updatedAt, type }
    : undefined;
}

function behind({ table, store }: Extract<WindowPlace, { in: 'tables' }>): WindowPlace {
  const next = STORES[STORES.indexOf(store) + 1];
  if (next !== undefined) return { in: 'tables', table, store: next, after: null };
  return { in: 'tables', table: table + 1, store: STORES[0], after: null };
}

/** The stores' clocks count from now, whatever Crossfade's own says. */
function ageOf({ deps }: Migration, since: string): number {
  return Math.max(0, deps.clock.now().getTime() - Date.parse(since));
}
