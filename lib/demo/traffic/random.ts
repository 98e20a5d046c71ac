/** Random numbers from a seed: the same seed makes the same choices, so a run that failed can be looked at again. */
export interface Random {
  /** 0 ≤ x < 1. */
  next(): number;
  /** 0 … below-1. */
  below(limit: number): number;
  pick<T>(items: readonly T[]): T;
}

/** mulberry32: 32 bits of state are plenty for choosing rows. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    next,
    below,
    pick: <T>(items: readonly T[]): T => {
      if (items.length === 0) throw new RangeError('nothing to pick from');
      // The index is within the list.
      return items[below(items.length)] as T;
    },
  };
}

/** Another stream for each worker of one seed. */
export function seedOf(seed: number, worker: number): number {
  return (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(worker + 1, 0xc2b2ae35)) >>> 0;
}
