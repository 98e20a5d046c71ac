/** Cuts a table into chunks by walking keys, a bounded statement a span, so that nothing holds a table and comparing can begin at once. */
import { type ChunkSpan, cutEvenly, inPages, type KeyBounds } from '../../domain/chunk.ts';
import type { StoreName } from '../../domain/direction.ts';
import { chunkBounds } from '../../sql/compare/chunk-bounds.ts';
import { type LastKeyRow, lastKey } from '../../sql/source/last-key.ts';
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
  /** Default: none, and the last span is open. */
  readonly ends?: TableEnds | undefined;
}

/** Where a walk ends, fixed when it begins: one without an end would follow a writer that inserts faster than it for ever. */
export interface TableEnds {
  /** Legacy's last key; null: it was empty. */
  readonly legacy: string | null;
  /** The last key of both stores; null: both were empty. */
  readonly both: string | null;
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
 * cut as well. The first span is open at its beginning, the last one at its end unless
 * that is fixed: it then ends with `ends.both`.
 */
export async function* cutTable(
  migration: Migration,
  tableName: string,
  options: CutOptions = {},
): AsyncGenerator<ChunkSpan> {
  const { limitRows = Number.POSITIVE_INFINITY, after = null, ends = { legacy: null, both: null } } = options;
  const chunkRows = Math.min(options.chunkRows ?? migration.deps.plan.reconcile.chunkRows, Math.max(1, limitRows));
  const chunksPerSpan = options.chunksPerSpan ?? Math.max(1, Math.floor(SPAN_ROWS / chunkRows));
  const partRows = migration.deps.plan.reconcile.splitRows * SPLITS_A_PART;
  const size = { chunkRows, chunksPerSpan, partRows };
  let left = Math.ceil(limitRows / chunkRows);
  // Legacy was empty when the walk began: what it has by now is new.
  let end: ChunkSpan | undefined =
    ends.legacy === null && ends.both !== null ? { after, bounds: [], through: null, cuts: [[]] } : undefined;
  const ofLegacy = { ...size, store: 'legacy', after, through: ends.legacy } as const;
  for await (const span of end === undefined ? cutRange(migration, tableName, ofLegacy) : []) {
    const kept = takeChunks(span, left);
    left -= kept.bounds.length + 1;
    if (kept.through === ends.legacy) end = kept;
    else yield kept;
    if (left <= 0 || end !== undefined) break;
  }
  if (end === undefined) return;
  // Legacy's last chunk goes on to the end: what the target has behind it may be any number of rows.
  const from = end.bounds.at(-1) ?? end.after;
  let isFirst = true;
  const ofTarget = { ...size, store: 'target', after: from, through: ends.both } as const;
  for await (const span of cutRange(migration, tableName, ofTarget)) {
    yield isFirst ? joinSpans(end, span, ends.both) : span;
    isFirst = false;
  }
}

/** To be called before the walk begins: a row that neither store shows now is an event, which the relay delivers. */
export async function findEnds(migration: Migration, tableName: string): Promise<TableEnds> {
  const table = tableNamed(migration, tableName);
  const last = async (store: StoreName, after: string | null): Promise<string | null> => {
    const session = migration.deps.databases.open(store, 'compare');
    const [row] = await session.query<LastKeyRow>(lastKey(table, after));
    return row?.row_key ?? null;
  };
  const legacy = await last('legacy', null);
  return { legacy, both: (await last('target', legacy)) ?? legacy };
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
    // A stride that meets the end leaves nothing for another chunk.
    const isMet = last !== undefined && last === through;
    if (keys.length < count || last === undefined || isMet) {
      yield spanOf(from, isMet ? keys.slice(0, -1) : keys, through, cutsPerChunk);
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
function joinSpans(head: ChunkSpan, tail: ChunkSpan, end: string | null): ChunkSpan {
  const isOneChunk = tail.bounds.length === 0 && tail.through === end;
  if (isOneChunk && cutsOfLast(tail) <= cutsOfLast(head)) return { ...head, through: end };
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
