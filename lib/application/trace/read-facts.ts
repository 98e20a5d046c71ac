/** What both stores know of a write, in both directions. A store that is down leaves a gap in the story, and not no story. */
import type { TraceQuery } from '../../contracts/trace.ts';
import { DIRECTIONS, type Direction, receiverOf, type StoreName, sourceOf } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import type { Statement } from '../../sql/statement.ts';
import {
  type AppliedEntry,
  findAppliedByCorrelation,
  findAppliedByRows,
  type RowState,
  readRowStates,
  type TracedRow,
} from '../../sql/trace/find-applied.ts';
import { type EventSearch, findEvents, type TracedEvent } from '../../sql/trace/find-events.ts';
import { type LoggedEvent, readEventLog } from '../../sql/trace/read-event-log.ts';
import type { Deps } from '../deps.ts';

/** A story is for people, and has to fit into one item of the control table (400 KB). */
export const MOST = { events: 100, entries: 200, notes: 300, rows: 40 } as const;

export interface DirectionFacts {
  readonly direction: Direction;
  readonly events: readonly TracedEvent[];
  readonly notes: readonly LoggedEvent[];
  readonly applied: readonly AppliedEntry[];
  readonly states: readonly RowState[];
}

export interface TraceFacts {
  readonly directions: readonly DirectionFacts[];
  readonly truncated: boolean;
  readonly gaps: readonly string[];
}

export type TraceDeps = Pick<Deps, 'databases'>;

export async function readTraceFacts(deps: TraceDeps, query: TraceQuery): Promise<TraceFacts> {
  const gaps: string[] = [];
  const ask = async <Row>(store: StoreName, statement: Statement): Promise<readonly Row[]> => {
    try {
      return await deps.databases.open(store, 'compare').query<Row>(statement);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      gaps.push(`${store} could not be asked: ${error.message}`);
      return [];
    }
  };
  const wanted = query.by === 'seq' ? [query.direction] : DIRECTIONS;
  const directions: DirectionFacts[] = [];
  for (const direction of wanted) directions.push(await readDirection(ask, direction, query));
  const truncated = directions.some(
    ({ events, applied, notes }) =>
      events.length >= MOST.events || applied.length >= MOST.entries || notes.length >= MOST.notes,
  );
  return { directions, truncated, gaps: [...new Set(gaps)] };
}

type Ask = <Row>(store: StoreName, statement: Statement) => Promise<readonly Row[]>;

async function readDirection(ask: Ask, direction: Direction, query: TraceQuery): Promise<DirectionFacts> {
  const source = sourceOf(direction);
  const receiver = receiverOf(direction);
  const found = await ask<TracedEvent>(source, findEvents(searchOf(query), MOST.events));
  const named =
    query.by === 'correlation'
      ? await ask<AppliedEntry>(receiver, findAppliedByCorrelation(query.id, MOST.entries))
      : [];
  const rows = rowsOf(query, found, named);
  const written = rows.length === 0 ? [] : await ask<AppliedEntry>(receiver, findAppliedByRows(rows, MOST.entries));
  const applied = query.by === 'row' ? written : relevant(written, found, named);
  const events = query.by === 'row' ? await addEnded(ask, source, found, applied) : found;
  const seqs = events.map(({ seq }) => seq);
  return {
    direction,
    events,
    applied,
    notes: seqs.length === 0 ? [] : await ask<LoggedEvent>(source, readEventLog(seqs, MOST.notes)),
    states: rows.length === 0 ? [] : await ask<RowState>(receiver, readRowStates(rows)),
  };
}

function searchOf(query: TraceQuery): EventSearch {
  return query.by === 'seq' ? { by: 'seqs', seqs: [query.seq] } : query;
}

function rowsOf(
  query: TraceQuery,
  events: readonly TracedEvent[],
  entries: readonly AppliedEntry[],
): readonly TracedRow[] {
  const rows = [...events, ...entries].map(({ table_name, row_key }) => ({ table: table_name, rowKey: row_key }));
  if (query.by === 'row') rows.push({ table: query.table, rowKey: query.rowKey });
  return [...new Map(rows.map((row) => [`${row.table} ${row.rowKey}`, row])).values()].slice(0, MOST.rows);
}

/** Of everything that was written to the rows: this write's own entries, and what came over them later. */
function relevant(
  written: readonly AppliedEntry[],
  events: readonly TracedEvent[],
  named: readonly AppliedEntry[],
): readonly AppliedEntry[] {
  const begin = new Map<string, string>();
  for (const { table_name, row_key, at } of [
    ...events.map((event) => ({ ...event, at: event.captured_at })),
    ...named.map((entry) => ({ ...entry, at: entry.applied_at })),
  ]) {
    const key = `${table_name} ${row_key}`;
    const before = begin.get(key);
    if (before === undefined || at < before) begin.set(key, at);
  }
  const own = new Set(events.map(({ seq }) => seq));
  return written.filter(
    ({ table_name, row_key, applied_at, seq }) =>
      (seq !== null && own.has(seq)) || applied_at >= (begin.get(`${table_name} ${row_key}`) ?? ''),
  );
}

/** Events of a row that have ended have no index of their own: the applied log knows their positions. */
async function addEnded(
  ask: Ask,
  source: StoreName,
  found: readonly TracedEvent[],
  applied: readonly AppliedEntry[],
): Promise<readonly TracedEvent[]> {
  const known = new Set(found.map(({ seq }) => seq));
  const seqs = applied.flatMap(({ seq }) => (seq === null || known.has(seq) ? [] : [seq])).slice(0, MOST.events);
  if (seqs.length === 0) return found;
  return [...found, ...(await ask<TracedEvent>(source, findEvents({ by: 'seqs', seqs }, MOST.events)))];
}
