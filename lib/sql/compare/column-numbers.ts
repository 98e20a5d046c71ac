import type { Statement } from '../statement.ts';

export interface ColumnNumbersRow {
  readonly schema: string;
  readonly relation: string;
  /** Of the relation: another one when the table was dropped and made again, or swapped for a copy. */
  readonly oid: string;
  /** `[name, attribute number]`: another one when a column was dropped and made again. */
  readonly numbers: string;
}

/** What names and types do not tell: whether these are the tables and columns that they were. Partitions may come and go. */
export function columnNumbers(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, c.oid::text AS oid, json_agg(json_build_array(a.attname, a.attnum) ORDER BY a.attnum)::text AS numbers
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1 AND c.relkind IN ('r', 'p')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY n.nspname, c.relname, c.oid`,
    values: [JSON.stringify(relations)],
  };
}
