/**
 * A whole comparison in one process: proofs that a machine makes itself (the end of a backfill, the pass before a switchover), and
 * the command line. A few spans are in flight, so that both stores always have a statement to work on; bounded in time, and
 * resumable: what is done stands in the bucket under the pass's id.
 */
import type { ChunkSpan } from '../../domain/chunk.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import type { Migration } from '../migration.ts';
import { cutTable, findEnds, type TableEnds } from './chunk-table.ts';
import { compareSpan, type SpanResult } from './compare-span.ts';
import type { ComparedTable, Comparison } from './comparison.ts';
import {
  type DriftRow,
  MAX_PENDING,
  MAX_ROUNDS,
  type PendingRow,
  settleRound,
  type WaitingRow,
} from './settle-round.ts';

export interface TableTally {
  readonly table: string;
  readonly rows: number;
  readonly chunks: number;
  readonly differingChunks: number;
  readonly leftOut: number;
}

export interface PassResult {
  readonly tables: readonly TableTally[];
  readonly rows: number;
  readonly drift: readonly DriftRow[];
  readonly inFlight: number;
  /** Those rows: what comes of them is for whoever relies on the pass to look at. */
  readonly waiting: readonly WaitingRow[];
  /** Rows that would not stand still, or too many to be looked at one by one. */
  readonly unsettled: number;
}

interface PassState {
  readonly comparison: Comparison;
  readonly tallies: readonly TableTally[];
  /** Table under way and last key compared in it; null when every chunk is done. */
  readonly at: Position | null;
  readonly pending: readonly PendingRow[];
  readonly dropped: number;
}

interface Position {
  readonly table: string;
  readonly after: string | null;
  /** Absent: its walk has not begun. */
  readonly ends?: TableEnds | undefined;
}

export interface PassOptions {
  readonly id: string;
  readonly until: Date;
  /** Spans in flight. Default: `reconcile.concurrency` of the plan, but no more than keeps both stores busy. */
  readonly concurrency?: number | undefined;
  /** Default: spans of about 50 000 rows. */
  readonly chunksPerSpan?: number | undefined;
}

const EMPTY_TALLY = { rows: 0, chunks: 0, differingChunks: 0, leftOut: 0 };
/** Connections of a store that a pass takes by itself: more than its processors would only wait for each other. */
const SPANS_IN_FLIGHT = 3;
/** The state is saved this often: a pass that dies reads no more than these again. */
const SPANS_PER_SAVE = 8;

/**
 * Goes on with pass `id` until it is done or `until` has come.
 * @returns undefined while there is more to do: call again with the same id.
 */
export async function comparePass(
  migration: Migration,
  comparison: Comparison,
  { id, until, concurrency, chunksPerSpan }: PassOptions,
): Promise<PassResult | undefined> {
  const { objects, plan } = migration.deps;
  const key = `passes/${id}.json`;
  const stored = await objects.get(key);
  // Written below by the same code.
  const before = stored === undefined ? begin(comparison) : (JSON.parse(stored) as PassState);
  const inFlight = concurrency ?? Math.min(SPANS_IN_FLIGHT, plan.reconcile.concurrency);
  const save = (state: PassState) => objects.put(key, JSON.stringify(state));
  const state = await compareSpans(migration, before, { until, inFlight, chunksPerSpan, save });
  if (state.at !== null) return undefined;
  const settled = await settle(migration, state);
  return {
    tables: state.tallies,
    rows: state.tallies.reduce((sum, tally) => sum + tally.rows, 0),
    drift: settled.drift,
    inFlight: settled.inFlight,
    waiting: settled.waiting,
    unsettled: settled.pending.length + state.dropped,
  };
}

function begin(comparison: Comparison): PassState {
  const [first] = comparison.tables;
  return {
    comparison,
    tallies: [],
    at: first === undefined ? null : { table: first.table, after: null },
    pending: [],
    dropped: 0,
  };
}

interface SpanWork {
  readonly until: Date;
  readonly inFlight: number;
  readonly chunksPerSpan: number | undefined;
  save(state: PassState): Promise<void>;
}

interface StartedSpan extends NextSpan {
  readonly result: Promise<SpanResult>;
}

/** Results are taken in the order of the keys, so that one position says what is done; at least one span is compared. */
async function compareSpans(
  migration: Migration,
  before: PassState,
  { until, inFlight, chunksPerSpan, save }: SpanWork,
): Promise<PassState> {
  let state = before;
  let unsaved = 0;
  const started: StartedSpan[] = [];
  const spans = spansFrom(migration, before, chunksPerSpan);
  const take = async (span: StartedSpan) => {
    state = addSpan(state, span, await span.result);
    unsaved += 1;
    if (unsaved < SPANS_PER_SAVE) return;
    await save(state);
    unsaved = 0;
  };
  try {
    for await (const next of spans) {
      const maxKeys = Math.max(0, MAX_PENDING - state.pending.length);
      const result = compareSpan(migration, next.compared, next.span, { maxKeys });
      // Awaited in its turn: until then nobody looks at its error.
      result.catch(() => undefined);
      started.push({ ...next, result });
      if (started.length < inFlight) continue;
      const [oldest] = started.splice(0, 1);
      if (oldest !== undefined) await take(oldest);
      if (migration.deps.clock.now() >= until) break;
    }
    for (const span of started.splice(0)) await take(span);
  } finally {
    await Promise.allSettled(started.map((span) => span.result));
    if (unsaved > 0) await save(state);
  }
  return state;
}

interface NextSpan {
  readonly compared: ComparedTable;
  readonly span: ChunkSpan;
  readonly ends: TableEnds;
}

/** The next span is cut while others are compared, those of the table before as well. */
async function* spansFrom(
  migration: Migration,
  { comparison, at }: PassState,
  chunksPerSpan: number | undefined,
): AsyncGenerator<NextSpan> {
  if (at === null) return;
  const first = comparison.tables.findIndex((table) => table.table === at.table);
  if (first === -1) throw new RangeError(`table ${at.table} is not part of the pass`);
  for (const [index, compared] of comparison.tables.slice(first).entries()) {
    const after = index === 0 ? at.after : null;
    const ends = (index === 0 ? at.ends : undefined) ?? (await findEnds(migration, compared.table));
    for await (const span of cutTable(migration, compared.table, { after, chunksPerSpan, ends }))
      yield { compared, span, ends };
  }
}

function addSpan(state: PassState, { compared, span, ends }: NextSpan, result: SpanResult): PassState {
  const { tables } = state.comparison;
  const name = compared.table;
  const tally = state.tallies.find((known) => known.table === name) ?? { table: name, ...EMPTY_TALLY };
  const counted: TableTally = {
    table: name,
    rows: tally.rows + result.rows,
    chunks: tally.chunks + result.chunks,
    differingChunks: tally.differingChunks + result.differing.length,
    leftOut: tally.leftOut + result.leftOut,
  };
  const room = Math.max(0, MAX_PENDING - state.pending.length);
  const found = result.keys.slice(0, room).map((rowKey) => ({ table: name, rowKey, before: null }));
  const next = tables[tables.findIndex((table) => table.table === name) + 1];
  const after = next === undefined ? null : { table: next.table, after: null };
  return {
    ...state,
    tallies: [...state.tallies.filter((known) => known.table !== name), counted],
    at: span.through === ends.both ? after : { table: name, after: span.through, ends },
    pending: found.length === 0 ? state.pending : [...state.pending, ...found],
    dropped: state.dropped + result.unlisted + result.keys.length - found.length,
  };
}

async function settle(migration: Migration, { comparison, pending: found }: PassState) {
  const { clock, plan, log } = migration.deps;
  const drift: DriftRow[] = [];
  const waiting: WaitingRow[] = [];
  let inFlight = 0;
  let pending = found;
  for (let round = 1; round <= MAX_ROUNDS && pending.length > 0; round++) {
    if (round > 1) await clock.sleep(plan.reconcile.recheckAfter);
    const result = await settleRound(migration, comparison, pending, round);
    drift.push(...result.drift);
    for (const row of result.waiting) waiting.push(row);
    inFlight += Object.values(result.inFlight).reduce((sum, count) => sum + count, 0);
    pending = result.pending;
    log.debug('differences are read again', {
      round,
      source: sourceOf(comparison.direction),
      receiver: receiverOf(comparison.direction),
      pending: pending.length,
    });
  }
  return { drift, inFlight, waiting, pending };
}
