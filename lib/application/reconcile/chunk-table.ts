/** Cuts a table into chunks by walking keys, a bounded statement a span, so that nothing holds a table and comparing can begin at once. */
import { type ChunkSpan, cutEvenly, inPages, type KeyBounds } from '../../domain/chunk.ts';
import type { StoreName } from '../../domain/direction.ts';
import { chunkBounds } from '../../sql/compare/chunk-bounds.ts';
import { type Migration, tableNamed } from '../migration.ts';

export interface CutOptions {
  /** Default `reconcile.chunkRows` of the plan. */
  readonly chunkRows?: number | undefined;
  /** Default: spans of about 50 000 rows, which a statement digests within a second. */
  readonly chunksPerSpan?: number | undefined;
  /** Stops after about so many rows of legacy; the last span then ends there instead of being open. */
  readonly limitRows?: number | undefined;
  /** Goes on behind this row key. */
  readonly after?: string | null | undefined;
}

export interface RangeCut extends KeyBounds {
  /** Whose keys are walked. */
  readonly store: StoreName;
  readonly chunkRows: number;
  readonly chunksPerSpan: number;
  /** Rows of the parts that chunks are cut into. */
  readonly partRows: number;
}

/** Rows of a span: a statement digests them within a second. */
export const SPAN_ROWS = 50_000;
/**
 * Parts beforehand are of so many times `splitRows`, 500 rows: smaller ones cost more in every cycle than they save where rows
 * differ, larger ones the other way around (benchmark).
 */
const SPLITS_A_PART = 5;

/**
 * The table from end to end as spans: legacy's keys, and behind its last one the target's, so that a target which goes on is
 * cut as well. The first span is open at its beginning, the last one at its end.
 */
export async function* cutTable(
  migration: Migration,
  tableName: string,
  options: CutOptions = {},
): AsyncGenerator<ChunkSpan> {
  const { limitRows = Number.POSITIVE_INFINITY, after = null } = options;
  const chunkRows = Math.min(options.chunkRows ?? migration.deps.plan.reconcile.chunkRows, Math.max(1, limitRows));
  const chunksPerSpan = options.chunksPerSpan ?? Math.max(1, Math.floor(SPAN_ROWS / chunkRows));
  const partRows = migration.deps.plan.reconcile.splitRows * SPLITS_A_PART;
  const size = { chunkRows, chunksPerSpan, partRows, through: null };
  let left = Math.ceil(limitRows / chunkRows);
  let end: ChunkSpan | undefined;
  for await (const span of cutRange(migration, tableName, { ...size, store: 'legacy', after })) {
    const kept = takeChunks(span, left);
    left -= kept.bounds.length + 1;
    if (kept.through === null) end = kept;
    else yield kept;
    if (left <= 0) break;
  }
  if (end === undefined) return;
  // Legacy's last chunk is open: what the target has behind it may be any number of rows.
  const from = end.bounds.at(-1) ?? end.after;
  let isFirst = true;
  for await (const span of cutRange(migration, tableName, { ...size, store: 'target', after: from })) {
    yield isFirst ? joinSpans(end, span) : span;
    isFirst = false;
  }
}

/** A range as spans by the keys that one store has in it; they cover the range from end to end. */
export async function* cutRange(
  migration: Migration,
  tableName: string,
  { store, after, through, chunkRows, chunksPerSpan, partRows }: RangeCut,
): AsyncGenerator<ChunkSpan> {
  const table = tableNamed(migration, tableName);
  const { cutRows, cutsPerChunk } = cutEvenly(chunkRows, partRows);
  const session = migration.deps.databases.open(store, 'compare');
  const count = cutsPerChunk * chunksPerSpan;
  let from = after;
  for (;;) {
    const statement = chunkBounds(table, { after: from, through }, cutRows, count);
    const keys = (await session.query<{ row_key: string }>(statement)).map((row) => row.row_key);
    const last = keys.at(-1);
    if (keys.length < count || last === undefined) {
      yield spanOf(from, keys, through, cutsPerChunk);
      return;
    }
    yield spanOf(from, keys.slice(0, -1), last, cutsPerChunk);
    from = last;
  }
}

/** Every `cutsPerChunk`th key ends a chunk; the last chunk ends with the span. */
function spanOf(
  after: string | null,
  keys: readonly string[],
  through: string | null,
  cutsPerChunk: number,
): ChunkSpan {
  const pages = inPages(keys, cutsPerChunk);
  const full = pages.filter((page) => page.length === cutsPerChunk);
  const rest = pages.find((page) => page.length < cutsPerChunk) ?? [];
  return {
    after,
    bounds: full.flatMap((page) => page.slice(-1)),
    through,
    cuts: [...full.map((page) => page.slice(0, -1)), rest],
  };
}

function takeChunks(span: ChunkSpan, count: number): ChunkSpan {
  if (span.bounds.length < count) return span;
  const bounds = span.bounds.slice(0, count);
  return {
    after: span.after,
    bounds: bounds.slice(0, -1),
    through: bounds.at(-1) ?? null,
    cuts: span.cuts?.slice(0, count),
  };
}

/** `tail` covers the last chunk of `head`, by the other store's keys. */
function joinSpans(head: ChunkSpan, tail: ChunkSpan): ChunkSpan {
  const isOneChunk = tail.bounds.length === 0 && tail.through === null;
  if (isOneChunk && cutsOfLast(tail) <= cutsOfLast(head)) return head;
  return {
    after: head.after,
    bounds: [...head.bounds, ...tail.bounds],
    through: tail.through,
    cuts: [...(head.cuts?.slice(0, -1) ?? []), ...(tail.cuts ?? [])],
  };
}

function cutsOfLast({ cuts }: ChunkSpan): number {
  return cuts?.at(-1)?.length ?? 0;
}
