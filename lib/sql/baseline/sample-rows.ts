import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { mappedJson, rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface SampledRow {
  readonly row_key: string;
  readonly tenant: string;
  readonly bytes: number;
  /** JSON text of the target's columns; null when it is larger than was asked for. */
  readonly row: string | null;
}

export interface SampleSize {
  /** Rows of each sort: first, last, with most NULLs, longest, any. */
  readonly each: number;
  /** Share of the table's pages that the `any` rows come from, in percent. */
  readonly percent: number;
  /** A row larger than this comes without its contents. */
  readonly rowBytes: number;
  /** All rows together. */
  readonly bytes: number;
}

/** Rows looked at, at either end of the key and by chance, before the chosen ones are picked. */
const CANDIDATES = 500;

/** Rows that are likely to be refused: the ends of the key, many NULLs, long values. Reads by the key's index, never the whole table. */
export function sampleRows(table: MigratedTable, tables: TablesByName, size: SampleSize): Statement {
  const relation = quoteRelation(table);
  const order = (direction: 'ASC' | 'DESC') =>
    table.key.map(({ name }) => `crossfade_row.${quoteIdentifier(name)} ${direction}`).join(', ');
  // A whole row is named by an alias that no column has.
  return {
    text: `
WITH candidate AS MATERIALIZED (
  (SELECT 0 AS place, crossfade_row AS r FROM ${relation} AS crossfade_row ORDER BY ${order('ASC')} LIMIT ${CANDIDATES})
  UNION ALL (SELECT 1, crossfade_row FROM ${relation} AS crossfade_row ORDER BY ${order('DESC')} LIMIT ${CANDIDATES})
  UNION ALL (SELECT 2, crossfade_row FROM ${relation} AS crossfade_row TABLESAMPLE SYSTEM ($2::real) LIMIT ${CANDIDATES})
), described AS (
  SELECT place, row_number() OVER () AS found, ${rowKeyOf(table, '(c.r)')} AS row_key, ${tenantOf(table, tables, '(c.r)')} AS tenant,
         ${mappedJson(table, 'forward', '(c.r)')}::text AS row
  FROM candidate AS c
), weighed AS (
  SELECT *, octet_length(row) AS bytes, (SELECT count(*) FROM json_each_text(row::json) AS field WHERE field.value IS NULL) AS nulls FROM described
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY place ORDER BY found) AS by_place, row_number() OVER (ORDER BY nulls DESC, found) AS by_nulls,
         row_number() OVER (ORDER BY bytes DESC, found) AS by_bytes
  FROM weighed
), chosen AS (
  SELECT DISTINCT ON (row_key) row_key, tenant, bytes, CASE WHEN bytes <= $3::integer THEN row END AS row, least(by_place, by_nulls, by_bytes) AS rank
  FROM ranked WHERE least(by_place, by_nulls, by_bytes) <= $1::integer
  ORDER BY row_key
)
SELECT row_key, tenant, bytes, row
FROM (SELECT *, sum(coalesce(octet_length(row), 0)) OVER (ORDER BY rank, row_key) AS total FROM chosen) AS summed
WHERE total <= $4::integer OR row IS NULL
ORDER BY row_key`,
    values: [size.each, size.percent, size.rowBytes, size.bytes],
  };
}
