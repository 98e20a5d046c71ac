/** Keys of rows that changed: what a window compares (design §4). Keys travel, never rows. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import { keyValues, orderedKey, rowKeyOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface ChangedPage {
  /** JSON list of [table, row key], each once. */
  readonly keys: string;
  /** Where the next page ends; null: there were no more events. */
  readonly first_seq: string | null;
  /** Nothing of this page belongs to the window, and nothing before it is young enough. */
  readonly over: boolean;
}

/**
 * One page of the outbox from its young end, older than `before`. An event belongs to the window when it was captured or touched
 * since `sinceMs` ago, or when the snapshot of the cycle before could not see it.
 * @param snapshot null: time alone decides.
 */
export function changedPage(
  before: string | null,
  sinceMs: number,
  snapshot: string | null,
  tables: readonly string[],
  limit: number,
): Statement {
  return {
    text: `
WITH page AS (
  SELECT seq, table_name, row_key, captured_at >= b.since AS young,
         (captured_at >= b.since OR touched_at >= b.since OR ($3::text IS NOT NULL AND NOT pg_visible_in_snapshot(xid, $3::pg_snapshot))) AS inside
  FROM crossfade.outbox, (SELECT clock_timestamp() - $2::double precision * interval '1 millisecond' AS since) AS b
  WHERE $1::bigint IS NULL OR seq < $1::bigint ORDER BY seq DESC LIMIT $5::integer
)
SELECT coalesce((SELECT json_agg(json_build_array(table_name, row_key)) FROM (
         SELECT DISTINCT table_name, row_key FROM page WHERE inside AND table_name IN (SELECT json_array_elements_text($4::json))
       ) AS found), '[]')::text AS keys,
       min(seq)::text AS first_seq, count(*) < $5::integer OR NOT bool_or(young OR inside) AS over
FROM page`,
    values: [before, sinceMs, snapshot, JSON.stringify(tables), limit],
  };
}

/** Rows whose event has not ended, in order of table and key: what comes of them is the next window's affair. */
export function undeliveredKeys(after: readonly [string, string] | null, limit: number): Statement {
  return {
    text: `
SELECT DISTINCT table_name, row_key FROM crossfade.outbox
WHERE state IN ('pending', 'retry', 'parked', 'dead') AND ($1::text IS NULL OR (table_name, row_key) > ($1::text, $2::text))
ORDER BY table_name, row_key LIMIT $3::integer`,
    values: [after?.[0] ?? null, after?.[1] ?? null, limit],
  };
}

/**
 * Milliseconds since the oldest transaction with an id of its own began: a capture of it may be that old and yet unseen. Null when
 * other roles' sessions are hidden (no pg_monitor): they would look like none, and a window would begin too late.
 */
export const oldestWriter: Statement = {
  text: `
SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type IS NULL) THEN coalesce(greatest(
  (SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL),
  (SELECT max(extract(epoch FROM clock_timestamp() - prepared)) FROM pg_prepared_xacts WHERE database = current_database())
) * 1000, 0)::float8 END AS ms`,
  values: [],
};

/** Whether the table has a valid index that leads with the column: without one, looking rows up by it reads the table. */
export function leadsAnIndex(table: MigratedTable, column: string): Statement {
  return {
    text: `
SELECT EXISTS (
  SELECT FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
  WHERE n.nspname = $1::text AND c.relname = $2::text AND a.attname = $3::text AND i.indisvalid AND i.indpred IS NULL
) AS leads, (
  SELECT format_type(a.atttypid, NULL) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = $1::text AND c.relname = $2::text AND a.attname = $3::text AND NOT a.attisdropped
) AS type`,
    values: [table.schema, table.relation, column],
  };
}

export interface UpdatedRow {
  readonly row_key: string;
  /** The column's value as text: with the key, where the next page begins. */
  readonly at: string;
}

export interface UpdatedColumn {
  readonly name: string;
  /** `timestamp with time zone` or `timestamp without time zone`; no other type is understood. */
  readonly type: string;
}

/** A time without a zone is in any zone: a window by it reaches back further by as much as zones lie apart. */
const ZONES_APART_MS = 26 * 3_600_000;

/** A page of the rows that say they were updated since `sinceMs` ago, by the index of the column, many of which may share a value. */
export function updatedRows(
  table: MigratedTable,
  { name, type }: UpdatedColumn,
  sinceMs: number,
  after: UpdatedRow | null,
  limit: number,
): Statement {
  const at = `r.${quoteIdentifier(name)}`;
  const key = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  const isZoned = type === 'timestamp with time zone';
  const now = isZoned ? 'clock_timestamp()' : `(clock_timestamp() AT TIME ZONE 'UTC')`;
  const behind = `(${at}, ${key}) > ($2::text::${isZoned ? 'timestamptz' : 'timestamp'}, ${keyValues(table, '$3::text').join(', ')})`;
  return {
    text: `
SELECT ${rowKeyOf(table, 'r')} AS row_key, ${at}::text AS at FROM ${quoteRelation(table)} AS r
WHERE ${at} >= ${now} - $1::double precision * interval '1 millisecond'
  AND ${after === null ? '$2::text IS NULL AND $3::text IS NULL' : behind}
ORDER BY ${at}, ${key} LIMIT $4::integer`,
    values: [sinceMs + (isZoned ? 0 : ZONES_APART_MS), after?.at ?? null, after?.row_key ?? null, limit],
  };
}

/** Of a table that nobody has analysed: rows of 2 kB, the widest outside TOAST, are 4 a page, so a sample of ten times the rows still holds enough. */
const UNKNOWN_ROWS_A_PAGE = 40;

/**
 * So many random keys of a store, from a sample of about ten times as many rows by the planner's density on today's pages. A
 * partitioned parent has no rows of its own: its leaves do. Small tables are drawn from whole.
 */
export function randomKeys(table: MigratedTable, limit: number): Statement {
  const relation = quoteRelation(table);
  const oid = `${quoteLiteral(relation)}::regclass`;
  return {
    text: `
SELECT ${rowKeyOf(table, 'r')} AS row_key FROM ${relation} AS r TABLESAMPLE SYSTEM ((
  SELECT CASE WHEN known.tuples <= 10 * $1::integer THEN 100 ELSE 1000.0 * $1::integer / known.tuples END
  FROM (
    SELECT coalesce(sum(pg_relation_size(c.oid) / current_setting('block_size')::float8
                        * CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages ELSE ${UNKNOWN_ROWS_A_PAGE} END), 0) AS tuples
    FROM pg_class AS c
    WHERE c.relkind <> 'p' AND (c.oid = ${oid} OR c.oid IN (SELECT relid FROM pg_partition_tree(${oid}) WHERE isleaf))
  ) AS known
)) ORDER BY random() LIMIT $1::integer`,
    values: [limit],
  };
}
