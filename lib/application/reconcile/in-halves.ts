import { SqlError } from '../../ports/sql.ts';

/** Asks about all items at once, and about halves of them where the answer is over the Data API's limit. */
export async function inHalves<Item, Row>(
  items: readonly Item[],
  ask: (items: readonly Item[]) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  if (items.length === 0) return [];
  try {
    return await ask(items);
  } catch (error) {
    if (!(error instanceof SqlError) || error.kind !== 'limit' || items.length === 1) throw error;
    const half = Math.ceil(items.length / 2);
    return [...(await inHalves(items.slice(0, half), ask)), ...(await inHalves(items.slice(half), ask))];
  }
}
