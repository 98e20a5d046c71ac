/** Copies of rows that the receiver held before Crossfade, one page in key order: a row that Crossfade wrote itself is none. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';
import { capturedJson } from '../wire.ts';

export interface ImagedPageRow {
  readonly kept: number;
  readonly seen: number;
  /** Where the next page begins; null when nothing was seen. */
  readonly last_key: string | null;
}

export function keepBeforeImages(
  table: MigratedTable,
  tables: TablesByName,
  after: string | null,
  limit: number,
): Statement {
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  return {
    text: `
WITH page AS MATERIALIZED (
  SELECT ${rowKeyOf(table, 'r')} AS k, ${tenantOf(table, tables, 'r')} AS t, ${capturedJson(table.targetColumns, 'r')} AS image, row_number() OVER (ORDER BY ${order}) AS place
  FROM ${quoteRelation(table)} AS r WHERE ${inRange(table, 'r', '$2::text', '$3::text', { after, through: null })}
  ORDER BY ${order} LIMIT $4::integer
), kept AS (
  INSERT INTO crossfade.before_image (table_name, row_key, tenant, row)
  SELECT $1::text, p.k, p.t, p.image FROM page AS p
  LEFT JOIN LATERAL (
    SELECT action, kind FROM crossfade.applied_log WHERE table_name = $1::text AND row_key = p.k ORDER BY id + 0 DESC LIMIT 1
  ) AS l ON true
  WHERE l.kind IS NULL OR l.kind = 'R' OR l.action = 'D'
  ON CONFLICT (table_name, row_key) DO NOTHING
  RETURNING 1
)
SELECT (SELECT count(*) FROM kept)::integer AS kept, count(*)::integer AS seen, (SELECT k FROM page ORDER BY place DESC LIMIT 1) AS last_key FROM page`,
    values: [table.name, after, null, limit],
  };
}
