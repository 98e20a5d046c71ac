/**
 * A whole comparison in one process, for proofs that a machine makes itself (the end of a backfill, the pass before a
 * switchover). Chunk by chunk, bounded in time, and resumable: what is done stands in the bucket under the pass's id.
 */
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import { chunkBounds } from '../../sql/compare/chunk-bounds.ts';
import { type Migration, tableNamed } from '../migration.ts';
import { compareChunk } from './compare-chunk.ts';
import type { ComparedTable, Comparison } from './comparison.ts';
import { type DriftRow, MAX_PENDING, MAX_ROUNDS, type PendingRow, settleRound } from './settle-round.ts';

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
  /** Rows that would not stand still, or too many to be looked at one by one. */
  readonly unsettled: number;
}

interface PassState {
  readonly comparison: Comparison;
  readonly tallies: readonly TableTally[];
  /** Table under way and last key compared in it; null when every chunk is done. */
  readonly at: { readonly table: string; readonly after: string | null } | null;
  readonly pending: readonly PendingRow[];
  readonly dropped: number;
}

const EMPTY_TALLY = { rows: 0, chunks: 0, differingChunks: 0, leftOut: 0 };

/**
 * Goes on with pass `id` until it is done or `until` has come.
 * @returns undefined while there is more to do: call again with the same id.
 */
export async function comparePass(
  migration: Migration,
  comparison: Comparison,
  { id, until }: { readonly id: string; readonly until: Date },
): Promise<PassResult | undefined> {
  const { objects, clock } = migration.deps;
  const key = `passes/${id}.json`;
  const stored = await objects.get(key);
  // Written below by the same code.
  let state = stored === undefined ? begin(comparison) : (JSON.parse(stored) as PassState);
  while (state.at !== null) {
    state = await compareNext(migration, state, state.at);
    await objects.put(key, JSON.stringify(state));
    if (clock.now() >= until && state.at !== null) return undefined;
  }
  const settled = await settle(migration, state);
  const unsettled = settled.pending.length + state.dropped;
  return {
    tables: state.tallies,
    rows: state.tallies.reduce((sum, tally) => sum + tally.rows, 0),
    drift: settled.drift,
    inFlight: settled.inFlight,
    unsettled,
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

async function compareNext(
  migration: Migration,
  state: PassState,
  at: NonNullable<PassState['at']>,
): Promise<PassState> {
  const index = state.comparison.tables.findIndex((table) => table.table === at.table);
  const compared: ComparedTable | undefined = state.comparison.tables[index];
  if (compared === undefined) throw new RangeError(`table ${at.table} is not part of the pass`);
  const through = await nextBound(migration, at.table, at.after);
  const result = await compareChunk(migration, compared, { after: at.after, through });
  const tally = state.tallies.find((known) => known.table === at.table) ?? { table: at.table, ...EMPTY_TALLY };
  const counted: TableTally = {
    table: at.table,
    rows: tally.rows + result.rows,
    chunks: tally.chunks + 1,
    differingChunks: tally.differingChunks + (result.differs ? 1 : 0),
    leftOut: tally.leftOut + result.leftOut,
  };
  const found = result.keys.map((rowKey) => ({ table: at.table, rowKey, before: null }));
  const room = Math.max(0, MAX_PENDING - state.pending.length);
  const next = state.comparison.tables[index + 1];
  return {
    ...state,
    tallies: [...state.tallies.filter((known) => known.table !== at.table), counted],
    at:
      through !== null
        ? { table: at.table, after: through }
        : next === undefined
          ? null
          : { table: next.table, after: null },
    pending: [...state.pending, ...found.slice(0, room)],
    dropped: state.dropped + Math.max(0, found.length - room),
  };
}

/** Null: the chunk is the last one, open at its end. */
async function nextBound(migration: Migration, tableName: string, after: string | null): Promise<string | null> {
  const statement = chunkBounds(
    tableNamed(migration, tableName),
    { after, through: null },
    migration.deps.plan.reconcile.chunkRows,
    1,
  );
  const [row] = await migration.deps.databases.open('legacy', 'compare').query<{ row_key: string }>(statement);
  return row?.row_key ?? null;
}

async function settle(migration: Migration, { comparison, pending: found }: PassState) {
  const { clock, plan, log } = migration.deps;
  const drift: DriftRow[] = [];
  let inFlight = 0;
  let pending = found;
  for (let round = 1; round <= MAX_ROUNDS && pending.length > 0; round++) {
    if (round > 1) await clock.sleep(plan.reconcile.recheckAfter);
    const result = await settleRound(migration, comparison, pending, round);
    drift.push(...result.drift);
    inFlight += Object.values(result.inFlight).reduce((sum, count) => sum + count, 0);
    pending = result.pending;
    log.debug('differences are read again', {
      round,
      source: sourceOf(comparison.direction),
      receiver: receiverOf(comparison.direction),
      pending: pending.length,
    });
  }
  return { drift, inFlight, pending };
}
