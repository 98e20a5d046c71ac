/** Tables at once as far as their foreign keys allow: each waits for the tables that it depends on. */
export interface Dependent {
  readonly name: string;
  /** Names that come first. Those that are not in the list, the table itself and circles do not count. */
  readonly needs: readonly string[];
}

/**
 * @param tables in an order in which a table comes after what it needs, as far as circles allow.
 * @returns results in the order of `tables`; one failure lets those that have begun end, begins no other, and is thrown.
 */
export async function runInOrder<Table extends Dependent, Result>(
  tables: readonly Table[],
  atOnce: number,
  work: (table: Table) => Promise<Result>,
): Promise<readonly Result[]> {
  const results = new Map<string, Result>();
  const waiting = [...tables];
  const running = new Map<string, Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  for (;;) {
    while (failure === null && running.size < atOnce) {
      const next = waiting.findIndex((table, place) => isFree(table, place, tables, waiting, running));
      const [table] = next < 0 ? [] : waiting.splice(next, 1);
      if (table === undefined) break;
      const run = work(table)
        .then((result) => void results.set(table.name, result))
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => running.delete(table.name));
      running.set(table.name, run);
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  // TypeScript does not see the assignment in the callback.
  const failed = failure as { readonly error: unknown } | null;
  if (failed !== null) throw failed.error;
  // Every table ran to its end.
  return tables.map(({ name }) => results.get(name) as Result);
}

/** What comes later in the list is no reason to wait: it is a circle. */
function isFree<Table extends Dependent>(
  table: Table,
  place: number,
  tables: readonly Table[],
  waiting: readonly Table[],
  running: ReadonlyMap<string, unknown>,
): boolean {
  const own = tables.indexOf(table);
  const earlier = new Set(tables.slice(0, own).map(({ name }) => name));
  const open = new Set([...waiting.slice(0, place).map(({ name }) => name), ...running.keys()]);
  return table.needs.every((name) => !earlier.has(name) || !open.has(name));
}
