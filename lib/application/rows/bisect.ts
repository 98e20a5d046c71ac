/** Splits a failing batch until the bad items stand alone, so that one of them never holds up the others (design §3.2). */
export async function bisect<Item, Result>(
  items: readonly Item[],
  attempt: (items: readonly Item[]) => Promise<readonly Result[]>,
  /** Called with one item that failed alone; rethrows what no item is to blame for. */
  alone: (item: Item, error: unknown) => Promise<readonly Result[]>,
  /** True for errors that no split can mend: the store is down, the secret is wrong. */
  isEverybodys: (error: unknown) => boolean,
): Promise<readonly Result[]> {
  if (items.length === 0) return [];
  try {
    return await attempt(items);
  } catch (error) {
    if (isEverybodys(error)) throw error;
    const [first] = items;
    if (items.length === 1 && first !== undefined) return alone(first, error);
    const middle = items.length >> 1;
    const left = await bisect(items.slice(0, middle), attempt, alone, isEverybodys);
    const right = await bisect(items.slice(middle), attempt, alone, isEverybodys);
    return [...left, ...right];
  }
}
