import type { Statement } from '../statement.ts';

export interface VersionPosition {
  readonly table: string;
  readonly rowKey: string;
}

export interface PrunedVersionsRow {
  readonly deleted: string;
  readonly seen: string;
  /** Where the next page begins; null when nothing was seen. */
  readonly last_table: string | null;
  readonly last_key: string | null;
}

/**
 * One page of row_version in key order, without the versions that the floor covers: tombstones and live rows alike, and all of
 * earlier epochs, which lose against everything that is accepted. A row that an apply holds is passed over: nobody waits for
 * a purge longer than one page takes, and no purge waits for an apply.
 */
export function pruneVersions(after: VersionPosition | null, limit: number): Statement {
  return {
    text: `
WITH page AS (
  SELECT table_name, row_key FROM crossfade.row_version
  WHERE (table_name, row_key) > ($1::text, $2::text) ORDER BY table_name, row_key LIMIT $3::integer
), last AS (
  SELECT table_name, row_key FROM page ORDER BY table_name DESC, row_key DESC LIMIT 1
), covered AS (
  SELECT v.ctid AS place FROM crossfade.row_version AS v CROSS JOIN crossfade.control AS c CROSS JOIN last AS l
  WHERE (v.table_name, v.row_key) > ($1::text, $2::text) AND (v.table_name, v.row_key) <= (l.table_name, l.row_key)
    AND (v.epoch < c.source_epoch OR (v.epoch = c.source_epoch
      AND CASE v.kind WHEN 'E' THEN pg_visible_in_snapshot(v.xid, c.floor) ELSE crossfade.not_newer(v.snapshot, c.floor) END))
  FOR UPDATE OF v SKIP LOCKED
), gone AS (
  DELETE FROM crossfade.row_version WHERE ctid = ANY (ARRAY(SELECT place FROM covered)) RETURNING 1
)
SELECT (SELECT count(*) FROM gone)::text AS deleted, (SELECT count(*) FROM page)::text AS seen,
       (SELECT table_name FROM last) AS last_table, (SELECT row_key FROM last) AS last_key`,
    values: [after?.table ?? '', after?.rowKey ?? '', limit],
  };
}
