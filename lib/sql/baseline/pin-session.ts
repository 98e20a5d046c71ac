import type { Statement } from '../statement.ts';

/** Values print the same in both stores for the length of a transaction; on Crossfade's roles, install pins the same for good. */
export const pinSession: Statement = {
  text: `
SELECT set_config('TimeZone', 'UTC', true) AS zone, set_config('DateStyle', 'ISO, MDY', true) AS dates, set_config('IntervalStyle', 'postgres', true) AS intervals,
       set_config('extra_float_digits', '1', true) AS floats, set_config('bytea_output', 'hex', true) AS bytes, set_config('row_security', 'off', true) AS rows`,
  values: [],
};
