import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { matchesRowKey } from '../row.ts';
import type { Statement } from '../statement.ts';

/**
 * Which of these drifting rows somebody else must have written. An apply writes a row and its version in one transaction, so a row
 * whose transaction is another one's than its version's was touched since; a row without any entry in the applied log was never
 * Crossfade's; a row that is gone though its version lives was removed. Left out: rows that wait for a repair, because taking a
 * unique value away writes the row alone; rows that an undo took back (kind R), which leaves their version as it was; and rows that the
 * witness has written down.
 *
 * Only for rows that are proved to differ: triggers of the target that touch other rows, and actions of foreign keys, part the
 * two transactions as well, and do no harm where nothing differs. A version that was purged proves nothing.
 */
export function findForeignRows(table: MigratedTable, rowKeys: readonly string[]): Statement {
  return {
    text: `
SELECT wanted.row_key, CASE WHEN t.present IS NULL THEN 'D' WHEN l.written IS NULL THEN 'I' ELSE 'U' END AS op
FROM json_array_elements_text($2::json) AS wanted(row_key)
LEFT JOIN LATERAL (SELECT true AS present, t.xmin::text AS xmin FROM ${quoteRelation(table)} AS t WHERE ${matchesRowKey(table, 't', 'wanted.row_key')}) AS t ON true
LEFT JOIN LATERAL (
  SELECT v.xmin::text AS xmin, v.deleted FROM crossfade.row_version AS v WHERE v.table_name = $1::text AND v.row_key = wanted.row_key
) AS v ON true
LEFT JOIN LATERAL (
  SELECT true AS written, l.action, l.kind = 'R' AS undone, l.xmin::text AS xmin FROM crossfade.applied_log AS l WHERE l.table_name = $1::text AND l.row_key = wanted.row_key ORDER BY l.id DESC LIMIT 1
) AS l ON true
WHERE CASE WHEN t.present IS NULL THEN coalesce(NOT v.deleted, l.action = 'U', false) ELSE l.written IS NULL OR coalesce(v.deleted OR v.xmin <> t.xmin, l.action = 'D') END
  AND NOT coalesce(l.undone AND CASE WHEN t.present IS NULL THEN l.action = 'D' ELSE l.xmin = t.xmin END, false)
  AND NOT EXISTS (SELECT FROM crossfade.repair_queue AS q WHERE q.table_name = $1::text AND q.row_key = wanted.row_key)
  AND NOT EXISTS (SELECT FROM crossfade.foreign_write AS f WHERE f.table_name = $1::text AND f.row_key = wanted.row_key AND f.closed_at IS NULL)`,
    values: [table.name, JSON.stringify(rowKeys)],
  };
}

export interface ForeignRow {
  readonly row_key: string;
  readonly op: 'I' | 'U' | 'D';
}

/** Without a name: whoever it was disabled the triggers that would have written it down. */
export function noteForeignRows(table: string, rows: readonly ForeignRow[]): Statement {
  return {
    text: `
INSERT INTO crossfade.foreign_write (table_name, row_key, op)
SELECT $1::text, f.row_key, f.op::"char" FROM json_to_recordset($2::json) AS f(row_key text, op text)`,
    values: [table, JSON.stringify(rows)],
  };
}
