/** What the peers' handlers do with a job: one prepared guarded upsert of one row on the target. */
import pg from 'pg';
import { ASSIGNED } from './raw-loop.ts';
import { VERSIONED_COLUMNS } from './versions.ts';

/** JSON of a captured order. */
export type OrderJson = Readonly<Record<(typeof VERSIONED_COLUMNS)[number], unknown>>;

const TEXT = `INSERT INTO public.orders AS t (${VERSIONED_COLUMNS.join(', ')}) VALUES (${VERSIONED_COLUMNS.map((_, place) => `$${place + 1}`).join(', ')})
ON CONFLICT (id) DO UPDATE SET ${ASSIGNED} WHERE t.version < excluded.version`;

export interface Upserter {
  upsert(order: OrderJson): Promise<void>;
  close(): Promise<void>;
}

export function openUpserter(url: string, connections: number): Upserter {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  return {
    upsert: async (order) => {
      const values = VERSIONED_COLUMNS.map((name) => order[name]);
      await pool.query({ name: 'upsert', text: TEXT, values });
    },
    close: () => pool.end(),
  };
}
