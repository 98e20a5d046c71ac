import type { Direction } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { keyValues, matchesRowKey, orderedKey, rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { wireJson } from '../wire.ts';

export interface SourceRow {
  readonly snapshot: string;
  readonly epoch: number;
  readonly authority: string;
  /** A standby's snapshot shows transactions in progress as visible (protocol §4.3): its reads are never applied. */
  readonly standby: boolean;
  /** Null when nothing was found (first form), or the row is absent (second form: row is null, row_key is not). */
  readonly row_key: string | null;
  readonly tenant: string | null;
  readonly row: string | null;
  /** True when the page was cut by bytes or by its limit: there is more behind the last key. */
  readonly more: boolean;
}

/** Exclusive lower and inclusive upper bound as row keys; null is open. */
export interface KeyRange {
  readonly after: string | null;
  readonly through: string | null;
}

const FACTS = `pg_current_snapshot()::text AS snapshot, s.epoch, c.authority::text AS authority, pg_is_in_recovery() AS standby`;

/**
 * One page of a table in key order, with the snapshot that it was read under: one top-level statement, no row locks, nothing
 * volatile (protocol §4). Cut at `limit` rows or `bytes`, whichever comes first, but never below one row.
 */
export function readPage(
  table: MigratedTable,
  tables: TablesByName,
  direction: Direction,
  page: KeyRange & { readonly limit: number; readonly bytes: number; readonly tenants: readonly string[] | null },
): Statement {
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  const tenant = tenantOf(table, tables, 'r');
  return {
    text: `
WITH page AS MATERIALIZED (
  SELECT ${rowKeyOf(table, 'r')} AS row_key, ${tenant} AS tenant, ${wireJson(table, direction, 'r')}::text AS row, row_number() OVER (ORDER BY ${order}) AS place
  FROM ${quoteRelation(table)} AS r
  WHERE ${inRange(table, 'r', '$1::text', '$2::text', page)} AND ($5::text IS NULL OR ${tenant} IN (SELECT json_array_elements_text($5::json)))
  ORDER BY ${order} LIMIT $3::integer
), sized AS (
  SELECT *, sum(octet_length(row) + octet_length(row_key) + 100) OVER (ORDER BY place) AS bytes, count(*) OVER () AS found FROM page
)
SELECT ${FACTS}, p.row_key, p.tenant, p.row,
       coalesce(p.found = $3::integer OR EXISTS (SELECT FROM sized WHERE place > 1 AND sized.bytes > $4::bigint), false) AS more
FROM crossfade.source AS s CROSS JOIN crossfade.control AS c
LEFT JOIN sized AS p ON p.place = 1 OR p.bytes <= $4::bigint
ORDER BY p.place`,
    values: [
      page.after,
      page.through,
      page.limit,
      page.bytes,
      page.tenants === null ? null : JSON.stringify(page.tenants),
    ],
  };
}

/** The rows of these keys, absent ones included: the only way in which repair reads (protocol §4, §5.5). */
export function readKeys(
  table: MigratedTable,
  tables: TablesByName,
  direction: Direction,
  rowKeys: readonly string[],
): Statement {
  return {
    text: `
SELECT ${FACTS}, wanted.row_key, p.tenant, p.row, false AS more
FROM crossfade.source AS s CROSS JOIN crossfade.control AS c
CROSS JOIN json_array_elements_text($1::json) AS wanted(row_key)
LEFT JOIN LATERAL (
  SELECT ${tenantOf(table, tables, 'r')} AS tenant, ${wireJson(table, direction, 'r')}::text AS row
  FROM ${quoteRelation(table)} AS r WHERE ${matchesRowKey(table, 'r', 'wanted.row_key')}
  -- Row by row: joined otherwise, PostgreSQL maps every row of the table first, and one that cannot be mapped fails all keys.
  OFFSET 0
) AS p ON true`,
    values: [JSON.stringify(rowKeys)],
  };
}

/** `after < key <= through` over the whole key, bytewise for text; a bound that is not given is left out of the text, so that the index is used. */
export function inRange(
  table: MigratedTable,
  row: string,
  afterParameter: string,
  throughParameter: string,
  { after, through }: KeyRange,
): string {
  const key = `(${table.key.map((part) => orderedKey(part, row)).join(', ')})`;
  // The unused parameter is mentioned all the same: PostgreSQL wants to know the type of every parameter.
  const lower = after === null ? `${afterParameter} IS NULL` : `${key} > (${bound(table, afterParameter)})`;
  const upper = through === null ? `${throughParameter} IS NULL` : `${key} <= (${bound(table, throughParameter)})`;
  return `${lower} AND ${upper}`;
}

function bound(table: MigratedTable, parameter: string): string {
  return keyValues(table, parameter).join(', ');
}
