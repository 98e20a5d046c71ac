/** Chunks: keyset ranges that cover a table from end to end, whatever keys either store holds (design §4). */
export interface KeyBounds {
  /** Exclusive; null is open. */
  readonly after: string | null;
  /** Inclusive; null is open. */
  readonly through: string | null;
}

/** One item of a cycle's list: what a call of `compare-chunks` gets from the Distributed Map. */
export interface Chunk extends KeyBounds {
  /** Place in the cycle's list: names its result. */
  readonly n: number;
  readonly table: string;
}

/**
 * Ranges between the bounds, open at both ends, so that rows which only one store has before the first key or behind the
 * last one are seen too. No bounds: one range that is everything.
 */
export function rangesBetween(bounds: readonly string[]): readonly KeyBounds[] {
  const edges: readonly (string | null)[] = [null, ...bounds, null];
  return edges.slice(1).map((through, index) => ({ after: edges[index] ?? null, through }));
}

/** In pieces of at most `size`. */
export function inPages<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, page) =>
    items.slice(page * size, (page + 1) * size),
  );
}
