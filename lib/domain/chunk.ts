/** Chunks: keyset ranges that cover a table from end to end, whatever keys either store holds (design §4). */
export interface KeyBounds {
  /** Exclusive; null is open. */
  readonly after: string | null;
  /** Inclusive; null is open. */
  readonly through: string | null;
}

/** Consecutive chunks of one table: what one statement a store compares. */
export interface ChunkSpan extends KeyBounds {
  /** Inclusive upper row keys of every chunk but the last, in key order: bounds.length + 1 chunks. */
  readonly bounds: readonly string[];
  /**
   * For every chunk the keys at which it is cut finer by the same statement, so that a difference is known closely at once:
   * in key order, the chunk's own bounds not among them. Missing: chunks are digested whole.
   */
  readonly cuts?: readonly (readonly string[])[] | undefined;
}

export interface Chunking {
  readonly cutRows: number;
  readonly cutsPerChunk: number;
}

/** Cuts of equal size, `partRows` at most; a chunk has exactly `chunkRows` where a size near to `partRows` divides it, or a few more. */
export function cutEvenly(chunkRows: number, partRows: number): Chunking {
  const fewest = Math.max(1, Math.ceil(chunkRows / partRows));
  const even = Array.from({ length: fewest }, (_, more) => fewest + more).find((cuts) => chunkRows % cuts === 0);
  const cutsPerChunk = even ?? fewest;
  return { cutsPerChunk, cutRows: Math.ceil(chunkRows / cutsPerChunk) };
}

/** The chunks of a span and their parts, in key order. */
export function partsOf(span: ChunkSpan): readonly (KeyBounds & { readonly chunk: number })[] {
  return chunksOf(span).flatMap((chunk, index) => {
    const edges = [chunk.after, ...(span.cuts?.[index] ?? []), chunk.through];
    return edges.slice(1).map((through, cut) => ({ after: edges[cut] ?? null, through, chunk: index }));
  });
}

/** Ranges that follow each other, open at both ends of a table: rows that only one store has there are seen too. */
export function chunksOf({ after, bounds, through }: ChunkSpan): readonly KeyBounds[] {
  const edges = [after, ...bounds, through];
  return edges.slice(1).map((last, index) => ({ after: edges[index] ?? null, through: last }));
}

/** In pieces of at most `size`. */
export function inPages<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, page) =>
    items.slice(page * size, (page + 1) * size),
  );
}
