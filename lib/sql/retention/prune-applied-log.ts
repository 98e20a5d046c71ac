import type { Statement } from '../statement.ts';

export interface PrunedLogRow {
  readonly deleted: string;
  readonly seen: string;
  /** Where the next page begins; null when nothing was old enough. */
  readonly last_id: string | null;
}

/**
 * One page of entries that have become old, in order of id: each takes the older entries of its row with it, and an entry that
 * says "removed" goes itself. So the newest entry of every row that Crossfade wrote stays, whatever its age: the way back of a
 * tenant goes by it to tell Crossfade's rows from others (protocol §5.4), and can be taken until the schema is dropped.
 * Every entry is looked at once; the caller remembers `last_id`.
 */
export function pruneAppliedLog(after: string, keepMs: number, limit: number): Statement {
  return {
    text: `
WITH page AS (
  SELECT id, table_name, row_key, action FROM (
    SELECT id, table_name, row_key, action, applied_at FROM crossfade.applied_log WHERE id > $1::bigint ORDER BY id LIMIT $3::integer
  ) AS next WHERE applied_at < clock_timestamp() - $2::bigint * interval '1 millisecond'
), newest AS (
  SELECT DISTINCT ON (table_name, row_key) table_name, row_key, id, action FROM page ORDER BY table_name, row_key, id DESC
), gone AS (
  DELETE FROM crossfade.applied_log AS l USING newest AS n
  WHERE l.table_name = n.table_name AND l.row_key = n.row_key AND (l.id < n.id OR (l.id = n.id AND n.action = 'D'))
  RETURNING 1
)
SELECT (SELECT count(*) FROM gone)::text AS deleted, count(*)::text AS seen, max(id)::text AS last_id FROM page`,
    values: [after, keepMs, limit],
  };
}
