/**
 * Whose rows they are: what the way back may take from the receiver, and what it must leave (protocol §5.4). A row is
 * Crossfade's own when the newest entry of the applied log says that Crossfade wrote it; retention keeps that entry.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import { mappingOf, matchesRowKey, orderedKey, rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';

/**
 * `erase`: Crossfade made it. `restore`: it was there before, and Crossfade changed it. `before`: it is as it was before.
 * The others are left: `unknown` (Crossfade never wrote it), `returned` (it came after Crossfade had removed it), `foreign`
 * (somebody else wrote it), `others` (last written for a tenant outside the scope), `needed` (rows that stay refer to it).
 */
export const ROW_VERDICTS = [
  'erase',
  'restore',
  'before',
  'unknown',
  'returned',
  'foreign',
  'others',
  'needed',
] as const;
export type RowVerdict = (typeof ROW_VERDICTS)[number];

export interface JudgedRow {
  readonly row_key: string;
  readonly tenant: string;
  readonly verdict: RowVerdict;
  /** Who wrote it, for whom it was written, what refers to it. */
  readonly detail: string | null;
  /** Its version in the form of `versionText`; null when it has none. */
  readonly version: string | null;
}

/** A foreign key that leads to the table. */
export interface Referrer {
  readonly schema: string;
  readonly relation: string;
  /** Undefined: a table that is not in the plan. */
  readonly table: MigratedTable | undefined;
  readonly pairs: readonly { readonly column: string; readonly parent_column: string }[];
}

export interface JudgeRequest {
  /** A page of the scope's rows in key order, or these keys whoever owns them. */
  readonly rows: { readonly after: string | null; readonly limit: number } | { readonly keys: readonly string[] };
  readonly tenants: readonly string[];
  readonly referrers: readonly Referrer[];
  /**
   * Rows that refer to a row and are about to go themselves do not hold it, but for these keys, by table. Null: whatever
   * refers to it holds it.
   */
  readonly staying: ReadonlyMap<string, readonly string[]> | null;
}

/** Epoch, kind and position of a row version, to be compared as one. `v` is an alias of crossfade.row_version. */
export function versionText(v: string): string {
  return `concat_ws('/', ${v}.epoch, ${v}.kind, ${v}.seq, ${v}.snapshot)`;
}

export function judgeRows(table: MigratedTable, tables: TablesByName, request: JudgeRequest): Statement {
  const { rows, tenants, referrers, staying } = request;
  const isPage = 'limit' in rows;
  const after = isPage ? rows.after : null;
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  const tenant = tenantOf(table, tables, 'r');
  const chosen = isPage
    ? `FROM ${quoteRelation(table)} AS r WHERE ${inRange(table, 'r', '$2::text', '$3::text', { after, through: null })} AND $6::json IS NULL
    AND ${tenant} = ANY (ARRAY(SELECT json_array_elements_text($4::json))) ORDER BY ${order} LIMIT $5::integer`
    : `FROM json_array_elements_text($6::json) AS wanted(row_key) JOIN ${quoteRelation(table)} AS r ON ${matchesRowKey(table, 'r', 'wanted.row_key')}
    WHERE $2::text IS NULL AND $3::text IS NULL AND $5::integer IS NULL`;
  return {
    text: `
WITH page AS MATERIALIZED (
  SELECT ${rowKeyOf(table, 'r')} AS k, ${tenant} AS t, r.xmin AS written_by, ${holder(table, tables, referrers)} AS holder,
         row_number() OVER (ORDER BY ${order}) AS place
  ${chosen}
), known AS (
  SELECT p.*, l.action, l.kind, l.tenant AS written_for, i.row_key IS NOT NULL AS was_there, f.who,
         CASE WHEN v.row_key IS NOT NULL THEN ${versionText('v')} END AS version,
         ${isYounger(table)} AS younger
  FROM page AS p
  -- OFFSET 0: row by row by the index, whatever the planner thinks of tables that have just been filled.
  LEFT JOIN LATERAL (
    SELECT row_key, epoch, kind, seq, snapshot, xmin AS written_by FROM crossfade.row_version WHERE table_name = $1::text AND row_key = p.k OFFSET 0
  ) AS v ON true
  LEFT JOIN LATERAL (SELECT row_key FROM crossfade.before_image WHERE table_name = $1::text AND row_key = p.k OFFSET 0) AS i ON true
  -- id + 0: by the index of the row, never backwards through the whole log.
  LEFT JOIN LATERAL (
    SELECT action, kind, tenant FROM crossfade.applied_log WHERE table_name = $1::text AND row_key = p.k ORDER BY id + 0 DESC LIMIT 1
  ) AS l ON true
  LEFT JOIN LATERAL (${foreignWriter('p.k')}) AS f ON true
)
SELECT k AS row_key, t AS tenant, version, CASE
    WHEN who IS NOT NULL THEN 'foreign'
    WHEN was_there AND (kind IS NULL OR kind = 'R') THEN 'before'
    WHEN kind IS NULL THEN 'unknown'
    WHEN kind = 'R' OR action = 'D' THEN 'returned'
    WHEN younger THEN 'foreign'
    WHEN coalesce(nullif(written_for, '*'), t) NOT IN (SELECT json_array_elements_text($4::json)) THEN 'others'
    WHEN was_there THEN 'restore'
    WHEN holder IS NOT NULL THEN 'needed'
    ELSE 'erase' END AS verdict,
  CASE WHEN who IS NOT NULL THEN who
    WHEN kind IS NULL OR kind = 'R' OR action = 'D' THEN NULL
    WHEN younger THEN 'a transaction that is not Crossfade''s wrote it last'
    WHEN coalesce(nullif(written_for, '*'), t) NOT IN (SELECT json_array_elements_text($4::json)) THEN written_for
    ELSE holder END AS detail
FROM known ORDER BY place`,
    values: [
      table.name,
      after,
      null,
      JSON.stringify(tenants),
      isPage ? rows.limit : null,
      isPage ? null : JSON.stringify(rows.keys),
      staying === null ? null : JSON.stringify(Object.fromEntries(staying)),
    ],
  };
}

/** The last write of somebody else that nobody has explained yet: a query of one column `who`. */
export function foreignWriter(rowKey: string): string {
  return `SELECT concat_ws(' ', 'role', coalesce(role_name, 'unknown'), 'application', nullif(application_name, ''), 'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) AS who
    FROM crossfade.foreign_write WHERE table_name = $1::text AND row_key = ${rowKey} AND closed_at IS NULL ORDER BY id DESC LIMIT 1`;
}

/**
 * Row and version are written by one statement. A younger row was written by somebody who switched every trigger off; but a row
 * that gave its unique value away, or that waits for a repair, was changed by Crossfade past its version, and so may be columns
 * that the target owns.
 */
function isYounger(table: MigratedTable): string {
  const isWritten = mappingOf(table, 'forward').some(
    ({ column, insertOnly }) => !insertOnly && !table.key.some(({ name }) => name === column),
  );
  if (!isWritten || table.targetOwned.length > 0) return 'false';
  return `coalesce(age(p.written_by) < age(v.written_by), false)
           AND NOT EXISTS (SELECT FROM crossfade.repair_queue AS q WHERE q.table_name = $1::text AND q.row_key = p.k)`;
}

/** The first relation that still refers to row `r`, or NULL. */
function holder(table: MigratedTable, tables: TablesByName, referrers: readonly Referrer[]): string {
  const cases = referrers.map((referrer) => {
    const match = referrer.pairs.map(
      ({ column, parent_column }) => `c.${quoteIdentifier(column)} = r.${quoteIdentifier(parent_column)}`,
    );
    const child = referrer.table;
    if (child?.name === table.name) match.push(`${rowKeyOf(table, 'c')} <> ${rowKeyOf(table, 'r')}`);
    if (child !== undefined)
      match.push(`($7::json IS NULL OR ${tenantOf(child, tables, 'c')} NOT IN (SELECT json_array_elements_text($4::json))
        OR ${rowKeyOf(child, 'c')} IN (SELECT json_array_elements_text($7::json -> ${quoteLiteral(child.name)})))`);
    return `WHEN EXISTS (SELECT FROM ${quoteRelation(referrer)} AS c WHERE ${match.join(' AND ')}) THEN ${quoteLiteral(`${referrer.schema}.${referrer.relation}`)}`;
  });
  // The last case only tells PostgreSQL the type of a parameter that is not used otherwise.
  return `CASE ${cases.join(' ')} WHEN $7::json IS NULL THEN NULL::text END`;
}
