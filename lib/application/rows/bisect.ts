import { SqlError } from '../../ports/sql.ts';

/** Splits a failing batch until the bad items stand alone, so that one of them never holds up the others (design §3.2). */
export async function bisect<Item, Result>(
  items: readonly Item[],
  attempt: (items: readonly Item[]) => Promise<readonly Result[]>,
  /** Called with one item that failed alone; rethrows what no item is to blame for. */
  alone: (item: Item, error: unknown) => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  if (items.length === 0) return [];
  try {
    return await attempt(items);
  } catch (error) {
    if (isEverybodys(error)) throw error;
    const [first] = items;
    if (items.length === 1 && first !== undefined) return alone(first, error);
    const middle = items.length >> 1;
    const left = await bisect(items.slice(0, middle), attempt, alone);
    const right = await bisect(items.slice(middle), attempt, alone);
    return [...left, ...right];
  }
}

/** Errors that no split can mend and no item is to blame for: the store is down, the secret is wrong, or it is not the store's error at all. */
export function isEverybodys(error: unknown): boolean {
  return !(error instanceof SqlError) || error.kind === 'unavailable' || error.kind === 'configuration';
}
