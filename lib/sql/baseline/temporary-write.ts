/** A write to a table of the session's own, for stores whose tables hold no row yet. */
import type { Statement } from '../statement.ts';

export const CREATE_PROBE_TABLE: Statement = {
  text: 'CREATE TEMPORARY TABLE IF NOT EXISTS crossfade_probe (n integer PRIMARY KEY, note text) ON COMMIT DROP',
  values: [],
};

export const WRITE_PROBE_ROW: Statement = {
  text: `INSERT INTO pg_temp.crossfade_probe VALUES (1, 'probe') ON CONFLICT (n) DO UPDATE SET note = excluded.note`,
  values: [],
};
