import type { TableLink } from '../../domain/store-table.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';

export interface OrphanPageRow {
  readonly rows: string;
  /** Key of the last row; null: the page is empty. */
  readonly last: string | null;
  /** For each link, in order: how many rows point to nothing, and the keys of the first few. A JSON list of `{count, keys}`. */
  readonly orphans: string;
}

/** One page of a table in key order, anti-joined with the parents of each foreign key: it finds what a constraint that was never validated lets stand. */
export function orphanPage(
  table: MigratedTable,
  links: readonly TableLink[],
  after: string | null,
  limit: number,
): Statement {
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  const orphans = links.map((link) => {
    const [schema = 'public', relation = ''] = splitAddress(link.parent);
    const present = link.columns.map((column) => `r.${quoteIdentifier(column)} IS NOT NULL`).join(' AND ');
    const match = link.columns
      .map((column, index) => `p.${quoteIdentifier(link.parentColumns[index] ?? '')} = r.${quoteIdentifier(column)}`)
      .join(' AND ');
    return `(SELECT json_build_object('count', count(*), 'keys', coalesce((json_agg(${rowKeyOf(table, 'r')}) FILTER (WHERE r.crossfade_place <= 5)), '[]'))
     FROM (SELECT r.*, row_number() OVER () AS crossfade_place FROM page AS r WHERE ${present} AND NOT EXISTS (SELECT FROM ${quoteRelation({ schema, relation })} AS p WHERE ${match})) AS r)`;
  });
  return {
    text: `
WITH page AS MATERIALIZED (
  SELECT r.* FROM ${quoteRelation(table)} AS r WHERE ${inRange(table, 'r', '$1::text', '$2::text', { after, through: null })} ORDER BY ${order} LIMIT $3::integer
)
SELECT (SELECT count(*) FROM page)::text AS rows,
       (SELECT ${rowKeyOf(table, 'r')} FROM page AS r ORDER BY ${table.key.map((part) => `${orderedKey(part, 'r')} DESC`).join(', ')} LIMIT 1) AS last,
       json_build_array(${orphans.join(', ')})::text AS orphans`,
    values: [after, null, limit],
  };
}

function splitAddress(address: string): readonly [string, string] {
  const dot = address.indexOf('.');
  return [address.slice(0, dot), address.slice(dot + 1)];
}
