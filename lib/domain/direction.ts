/** The two ways in which the write protocol carries rows (protocol §9.4): each has its own outbox, versions and epoch. */
export const STORES = ['legacy', 'target'] as const;
export type StoreName = (typeof STORES)[number];

export const DIRECTIONS = ['forward', 'reverse'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** The store whose applications write, and whose outbox is relayed. */
export function sourceOf(direction: Direction): StoreName {
  return direction === 'forward' ? 'legacy' : 'target';
}

/** The store that applies what the other one captured. */
export function receiverOf(direction: Direction): StoreName {
  return direction === 'forward' ? 'target' : 'legacy';
}
