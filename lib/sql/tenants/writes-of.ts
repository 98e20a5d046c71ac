import type { Statement } from '../statement.ts';
import { versionText } from './judge-rows.ts';

export interface WrittenRow {
  readonly table_name: string;
  readonly row_key: string;
  readonly tenant: string | null;
  readonly action: 'U' | 'D';
  /** Nothing has been applied to the row since. */
  readonly current: boolean;
}

/**
 * Rows of the receiver that were written under a correlation id, each by its last write under it. A row whose version was
 * purged is judged by the applied log, whose newest entry of a row is kept. Current ones first, so that the next page is another one
 * when those of this page were taken back.
 */
export function writesOf(correlationId: string, limit: number): Statement {
  return {
    text: `
WITH own AS (
  SELECT DISTINCT ON (l.table_name, l.row_key) l.id, l.table_name, l.row_key, l.tenant, l.action, ${versionText('l')} AS version
  FROM crossfade.applied_log AS l WHERE l.correlation_id = $1::text AND l.kind <> 'R'
  ORDER BY l.table_name, l.row_key, l.id DESC
)
SELECT o.table_name, o.row_key, o.tenant, o.action::text AS action,
       NOT EXISTS (SELECT FROM crossfade.applied_log AS n WHERE n.table_name = o.table_name AND n.row_key = o.row_key AND n.id > o.id)
         AND (v.row_key IS NULL OR ${versionText('v')} = o.version) AS current
FROM own AS o LEFT JOIN crossfade.row_version AS v ON v.table_name = o.table_name AND v.row_key = o.row_key
ORDER BY "current" DESC, o.table_name, o.row_key LIMIT $2::integer`,
    values: [correlationId, limit],
  };
}
