/** Lists the items of a cycle, spans or pages of keys, in parts in the bucket: bounded in time and memory, and resumable. */
import { inPages } from '../../domain/chunk.ts';
import { counted } from '../../domain/counted.ts';
import { chunksPerSpan } from '../../domain/cycle-scope.ts';
import { STORES, sourceOf } from '../../domain/direction.ts';
import type { ObjectStore } from '../../ports/objects.ts';
import { randomKeys } from '../../sql/compare/changed-keys.ts';
import { type Migration, tableNamed } from '../migration.ts';
import { type BeyondLimit, estimateBeyond } from './beyond-limit.ts';
import { cutTable } from './chunk-table.ts';
import { type ChunkItem, type Cycle, joinParts, readPart, savePart } from './cycle-store.ts';
import { listChanged, WINDOW_START, type WindowPlace } from './list-changed.ts';
import type { ScopeDecision } from './scope-of.ts';

type Scope = Exclude<ScopeDecision, { readonly kind: 'nothing' }>;
type RowKey = readonly [table: string, rowKey: string];

export interface ListState {
  readonly scope: Pick<Scope, 'kind' | 'limit' | 'reach'>;
  readonly place: Place;
  /** Items and parts that stand in the bucket. */
  readonly items: number;
  readonly parts: number;
  readonly chunks: number;
  readonly keys: number;
  /** Rows that may still be listed; null: any number. */
  readonly left: number | null;
  /** Keys that were found and are beyond the limit. */
  readonly beyond: number;
  /** Nobody looked whether there are more. */
  readonly isCut: boolean;
}

type Place =
  | { readonly in: 'tables'; readonly table: number; readonly after: string | null }
  | { readonly in: 'window'; readonly at: WindowPlace }
  | { readonly in: 'samples'; readonly table: number }
  | { readonly in: 'joining' }
  | { readonly in: 'done' };

/** Keys that one item names: four reads of each store, and 100 KB of text at most for the usual key. */
export const KEYS_AT_ONCE = 1_000;
/** Spans of one part: 200 KB. */
const SPANS_A_PART = 50;
/** Keys that are known to be listed already, within one call: a row that changes all day is compared once. */
const MAX_SEEN = 200_000;

export async function beginList(objects: ObjectStore, id: string, scope: Scope): Promise<void> {
  const { kind, limit, reach, keys } = scope;
  const start: ListState = {
    scope: { kind, limit, reach },
    place: startOf(scope),
    items: 0,
    parts: 0,
    chunks: 0,
    keys: 0,
    left: limit,
    beyond: 0,
    isCut: false,
  };
  await saveList(objects, id, await addKeys(objects, id, start, keys));
}

export async function readList(objects: ObjectStore, id: string): Promise<ListState> {
  const body = await objects.get(listKey(id));
  if (body === undefined) throw new RangeError(`cycle ${id} has lost its list; start another one`);
  // Written by this file.
  return JSON.parse(body) as ListState;
}

export function isListed({ place }: ListState): boolean {
  return place.in === 'done';
}

/** What the limit of a complete list left out. */
export async function beyondLimit(
  migration: Migration,
  cycle: Cycle,
  state: ListState,
): Promise<BeyondLimit | undefined> {
  const { scope, beyond, isCut } = state;
  if (scope.limit === null) return undefined;
  if (scope.kind === 'window' || scope.kind === 'keys')
    return beyond > 0 || isCut ? { rows: beyond, counted: isCut ? 'at-least' : 'exactly' } : undefined;
  if (scope.kind === 'full' && !isCut) return undefined;
  const tables = cycle.comparison.tables.map(({ table }) => table);
  return estimateBeyond(migration, sourceOf(cycle.comparison.direction), [{ tables, limit: scope.limit }]);
}

export function describeList({ chunks, keys }: ListState): string {
  return keys === 0
    ? `${counted(chunks, 'chunk')}`
    : chunks === 0
      ? `${counted(keys, 'key')}`
      : `${counted(chunks, 'chunk')} and ${counted(keys, 'key')}`;
}

/** Goes on until the list is complete or `until` has come; at least one part is listed. */
export async function continueList(
  migration: Migration,
  cycle: Cycle,
  before: ListState,
  until: Date,
): Promise<ListState> {
  const { objects, clock } = migration.deps;
  const seen = await keysListedFirst(objects, cycle.id, before);
  let state = before;
  while (!isListed(state)) {
    state = await listPart(migration, cycle, state, seen);
    await saveList(objects, cycle.id, state);
    if (clock.now() >= until) break;
  }
  return state;
}

/** Rows that waited or differed may have changed besides: the window would name them once more. */
async function keysListedFirst(objects: ObjectStore, id: string, { scope, place }: ListState): Promise<Set<string>> {
  if (scope.kind !== 'window' || place.in !== 'window') return new Set();
  const first = await readPart(objects, id, 0);
  return new Set(first.flatMap((item) => ('keys' in item ? item.keys.map((key) => `${item.table} ${key}`) : [])));
}

async function listPart(migration: Migration, cycle: Cycle, state: ListState, seen: Set<string>): Promise<ListState> {
  const { place } = state;
  if (place.in === 'tables') return listSpans(migration, cycle, state, place);
  if (place.in === 'window') return listWindow(migration, cycle, state, place.at, seen);
  if (place.in === 'samples') return listSamples(migration, cycle, state, place.table);
  await joinParts(migration.deps.objects, cycle.id, state.parts);
  return { ...state, place: { in: 'done' } };
}

async function listSpans(
  migration: Migration,
  cycle: Cycle,
  state: ListState,
  place: Extract<Place, { in: 'tables' }>,
): Promise<ListState> {
  const { objects, plan } = migration.deps;
  const compared = cycle.comparison.tables[place.table];
  const isCut = state.left !== null && state.left <= 0;
  if (compared === undefined || isCut) return { ...state, isCut, place: { in: 'joining' } };
  const { table } = compared;
  const items: ChunkItem[] = [];
  let [after, chunks] = [place.after, 0];
  let isWhole = true;
  const options = { after, chunksPerSpan: chunksPerSpan(plan.reconcile) };
  const limitRows = state.left === null ? {} : { limitRows: state.left };
  for await (const span of cutTable(migration, table, { ...options, ...limitRows })) {
    items.push({ cycle: cycle.id, n: state.items + items.length, table, ...span });
    chunks += span.bounds.length + 1;
    after = span.through;
    if (items.length < SPANS_A_PART || after === null) continue;
    isWhole = false;
    break;
  }
  await savePart(objects, cycle.id, state.parts, items);
  const rows = chunks * Math.min(plan.reconcile.chunkRows, state.left ?? Number.POSITIVE_INFINITY);
  return {
    ...state,
    place: isWhole ? { in: 'tables', table: place.table + 1, after: null } : { ...place, after },
    items: state.items + items.length,
    parts: state.parts + 1,
    chunks: state.chunks + chunks,
    left: state.left === null ? null : state.left - rows,
  };
}

async function listWindow(
  migration: Migration,
  cycle: Cycle,
  state: ListState,
  at: WindowPlace,
  seen: Set<string>,
): Promise<ListState> {
  if (state.scope.reach === null || state.left === 0) return { ...state, place: { in: 'joining' } };
  const { keys, next } = await listChanged(migration, cycle.comparison, state.scope.reach, at);
  const fresh = keys.filter(([table, rowKey]) => {
    const name = `${table} ${rowKey}`;
    if (seen.has(name)) return false;
    if (seen.size < MAX_SEEN) seen.add(name);
    return true;
  });
  const listed = await addKeys(migration.deps.objects, cycle.id, state, fresh);
  if (next === null) return { ...listed, place: { in: 'joining' } };
  return listed.left === 0
    ? { ...listed, isCut: true, place: { in: 'joining' } }
    : { ...listed, place: { in: 'window', at: next } };
}

/** Random rows of both stores, the limit shared out over the tables: a row that only one of them has can be drawn too. */
async function listSamples(migration: Migration, cycle: Cycle, state: ListState, index: number): Promise<ListState> {
  const { tables } = cycle.comparison;
  const compared = tables[index];
  if (compared === undefined || state.left === null) return { ...state, place: { in: 'joining' } };
  const share = Math.ceil(state.left / (tables.length - index));
  const table = tableNamed(migration, compared.table);
  const drawn = new Set<string>();
  for (const store of STORES) {
    const statement = randomKeys(table, Math.ceil(share / STORES.length));
    for (const { row_key } of await migration.deps.databases
      .open(store, 'compare')
      .query<{ row_key: string }>(statement))
      drawn.add(row_key);
  }
  const keys = [...drawn].map((rowKey) => [table.name, rowKey] as const);
  const listed = await addKeys(migration.deps.objects, cycle.id, state, keys);
  return { ...listed, place: { in: 'samples', table: index + 1 } };
}

async function addKeys(
  objects: ObjectStore,
  cycle: string,
  state: ListState,
  found: readonly RowKey[],
): Promise<ListState> {
  const keys = state.left === null ? found : found.slice(0, state.left);
  const beyond = state.beyond + found.length - keys.length;
  if (keys.length === 0) return { ...state, beyond };
  const pages = [...Map.groupBy(keys, ([table]) => table)].flatMap(([table, ofTable]) =>
    inPages(ofTable, KEYS_AT_ONCE).map((page) => ({ table, keys: page.map(([, rowKey]) => rowKey) })),
  );
  const items = pages.map((page, index): ChunkItem => ({ cycle, n: state.items + index, ...page }));
  await savePart(objects, cycle, state.parts, items);
  return {
    ...state,
    items: state.items + items.length,
    parts: state.parts + 1,
    keys: state.keys + keys.length,
    beyond,
    left: state.left === null ? null : state.left - keys.length,
  };
}

function startOf({ kind }: Scope): Place {
  if (kind === 'full') return { in: 'tables', table: 0, after: null };
  if (kind === 'window') return { in: 'window', at: WINDOW_START };
  if (kind === 'sample') return { in: 'samples', table: 0 };
  return { in: 'joining' };
}

async function saveList(objects: ObjectStore, id: string, state: ListState): Promise<void> {
  await objects.put(listKey(id), JSON.stringify(state), 'application/json');
}

const listKey = (cycle: string): string => `cycles/${cycle}/list.json`;
