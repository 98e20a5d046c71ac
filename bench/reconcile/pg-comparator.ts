/** pg_comparator 2.3.2: hashes each table once into a temporary one beside it, by its C extension, and looks for differences in those. */
import { runChild } from '../child.ts';
import type { Variant } from '../measure.ts';
import { ORDER_COLUMNS } from '../orders.ts';
import type { Comparator } from './peers.ts';
import { checkFound, type State } from './states.ts';

/** Its default hash, and the fastest one that it has; the key as it is instead of a hash of it. */
export const COMPARATOR_SETTINGS = {
  default: ['-u'],
  fnv: ['-u', '-c', 'fnv', '-a', 'xor'],
} as const;
export type ComparatorSetting = keyof typeof COMPARATOR_SETTINGS;

const LIMIT_MS = 120_000;

export function comparatorVariant(
  { program, environment }: Comparator,
  state: State,
  setting: ComparatorSetting,
  rounds?: number,
): Variant {
  const { legacy, target } = state.urls;
  return {
    id: `pg_comparator-${setting}/${state.name}`,
    title: `pg_comparator, ${setting}, ${state.name}`,
    rounds,
    run: async () => {
      const { drained, code, stdout, stderr } = await runChild(
        'perl',
        [program, ...COMPARATOR_SETTINGS[setting], '--pg-text-cast', addressOf(legacy), addressOf(target)],
        { events: state.rows, env: environment, limitMs: LIMIT_MS },
      );
      if (code !== 0) throw new Error(`pg_comparator ended with ${code}: ${stderr.trim().split('\n').at(-1)}`);
      const lines = stdout.split('\n').filter((line) => /^(INSERT|UPDATE|DELETE) \d+$/.test(line));
      checkFound(state, { ids: lines.map((line) => Number(line.split(' ')[1])), what: 'pg_comparator' });
      return drained;
    },
  };
}

/** `pgsql://user:password@host:port/database/schema.table?key:columns`, its own form. */
function addressOf(url: string): string {
  const { username, password, hostname, port, pathname } = new URL(url);
  const columns = ORDER_COLUMNS.filter((name) => name !== 'id').join(',');
  return `pgsql://${username}:${password}@${hostname}:${port}${pathname}/public.orders?id:${columns}`;
}
