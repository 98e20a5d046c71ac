/** What no comparison can beat: one statement over the whole table on both servers at once. It says whether, not where. */
import { timed, type Variant } from '../measure.ts';
import { readOne } from '../servers.ts';
import type { State } from './states.ts';

const LIMITS = {
  hash: {
    title: 'limit: sum(hash_record_extended) of both tables at once',
    sql: 'sum(hash_record_extended(o, 0))::text',
  },
  count: { title: 'count(*) of both tables at once', sql: 'count(*)::text' },
} as const;

export function limitVariant(state: State, kind: keyof typeof LIMITS): Variant {
  const { title, sql } = LIMITS[kind];
  const query = `SELECT ${sql} AS value FROM public.orders AS o`;
  return {
    id: `limit/${kind}`,
    title,
    run: async () => {
      let values: readonly string[] = [];
      const drained = await timed(state.rows, async () => {
        const both = await Promise.all(Object.values(state.urls).map((url) => readOne<{ value: string }>(url, query)));
        values = both.map(({ value }) => value);
      });
      if (new Set(values).size !== 1) throw new Error(`${query} differs between equal tables`);
      return drained;
    },
  };
}
