import type { Direction } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { jsonList } from '../json-list.ts';
import { matchesRowKey } from '../row.ts';
import type { Statement } from '../statement.ts';
import { commentSafe } from './apply-events.ts';
import { REMOVES_WHAT_IT_SEES, wasOvertaken, writeRows } from './write-rows.ts';

export interface RowRead {
  readonly rowKey: string;
  /** The row's tenant under the snapshot; null when the row is absent. */
  readonly tenant: string | null;
  /** JSON text of the receiver's columns; null when the row is absent. */
  readonly row: string | null;
}

export const READ_VERDICTS = ['applied', 'newer', 'absent', 'refused', 'authority'] as const;
/** `newer`: the receiver already holds something at least as new. `absent`: neither store has the row. `refused`: epoch, floor, admission, or a removal that another writer overtook; read again. */
export type ReadVerdict = (typeof READ_VERDICTS)[number];

export interface ReadVerdictRow {
  readonly row_key: string;
  readonly verdict: ReadVerdict;
}

/**
 * Applies rows read under one snapshot of the source (backfill, repair): protocol §2 second line, §4, §5.5. A row goes under
 * the tenant that it had in the snapshot if that tenant is on and the snapshot is not older than its admission; a row that is
 * absent, or whose tenant is off, is removed where the receiver has it. No two rows of a batch share a key.
 */
export function applySnapshot(
  table: MigratedTable,
  direction: Direction,
  batch: {
    readonly id: string;
    readonly authority: string;
    readonly epoch: number;
    readonly snapshot: string;
    readonly rows: readonly RowRead[];
    /** Absence is kept as a version even where the receiver has no row either, so that an older event that waits for its parent ends. */
    readonly rememberAbsent?: boolean | undefined;
  },
): Statement {
  return {
    text: `/* crossfade batch ${commentSafe(batch.id)} */
WITH incoming AS (
  SELECT * FROM ROWS FROM (json_to_recordset($1::json) AS (k text, t text, present boolean)) WITH ORDINALITY AS e(k, t, present, place)
), control AS (
  SELECT authority, direction, source_epoch, floor FROM crossfade.control WHERE one FOR SHARE
), door AS (
  SELECT tenant, generation, opened_under FROM crossfade.admission
  WHERE is_on AND tenant IN (SELECT json_array_elements_text($8::json)) ORDER BY tenant FOR SHARE
), judged AS (
  SELECT i.*, d.generation, CASE
    WHEN c.authority <> $3::bigint OR c.direction <> $4::text THEN 'authority'
    WHEN c.source_epoch <> $6::integer OR NOT crossfade.not_newer(c.floor, $7::pg_snapshot) THEN 'refused'
    WHEN i.present AND d.tenant IS NOT NULL THEN CASE WHEN crossfade.not_newer(d.opened_under, $7::pg_snapshot) THEN 'write' ELSE 'refused' END
    WHEN ${batch.rememberAbsent === true ? 'true OR ' : ''}EXISTS (SELECT FROM ${quoteRelation(table)} AS t WHERE ${matchesRowKey(table, 't', 'i.k')}) THEN 'remove'
    ELSE 'absent' END AS verdict
  FROM incoming AS i CROSS JOIN control AS c LEFT JOIN door AS d ON d.tenant = i.t
), guard AS (
  INSERT INTO crossfade.row_version AS v (table_name, row_key, epoch, kind, seq, xid, snapshot, deleted)
  SELECT $2::text, k, $6::integer, 'S', NULL, NULL, $7::pg_snapshot, verdict = 'remove' FROM judged WHERE verdict IN ('write', 'remove') ORDER BY k COLLATE "C"
  ON CONFLICT (table_name, row_key) DO UPDATE
  SET epoch = excluded.epoch, kind = 'S', seq = NULL, xid = NULL, snapshot = excluded.snapshot, deleted = excluded.deleted
  WHERE ${beats('excluded.epoch', 'excluded.snapshot')} AND ${REMOVES_WHAT_IT_SEES}
  RETURNING row_key, deleted
), ${writeRows(table, direction, '$9::json', true)}, logged AS (
  INSERT INTO crossfade.applied_log (correlation_id, batch, tenant, generation, table_name, row_key, kind, epoch, snapshot, action)
  SELECT $5::text, $5::text, j.t, j.generation, $2::text, j.k, 'S', $6::integer, $7::pg_snapshot, CASE WHEN g.deleted THEN 'D' ELSE 'U' END
  FROM guard AS g JOIN judged AS j ON j.k = g.row_key
)
SELECT j.k AS row_key, CASE WHEN j.verdict NOT IN ('write', 'remove') THEN j.verdict WHEN g.row_key IS NOT NULL THEN 'applied'
  WHEN ${wasOvertaken(beats('$6::integer', '$7::pg_snapshot'))} THEN 'refused' ELSE 'newer' END AS verdict
FROM judged AS j LEFT JOIN guard AS g ON g.row_key = j.k
ORDER BY j.k`,
    values: [
      JSON.stringify(batch.rows.map(({ rowKey, tenant, row }) => ({ k: rowKey, t: tenant, present: row !== null }))),
      table.name,
      batch.authority,
      direction,
      batch.id,
      batch.epoch,
      batch.snapshot,
      JSON.stringify([...new Set(batch.rows.flatMap(({ tenant }) => (tenant === null ? [] : [tenant])))]),
      jsonList(batch.rows.map(({ row }) => row)),
    ],
  };
}

/** Whether rows read under a snapshot go over the version `v` (protocol §2, third line). */
function beats(epoch: string, snapshot: string): string {
  return `(${epoch} > v.epoch OR (${epoch} = v.epoch AND CASE v.kind WHEN 'E' THEN pg_visible_in_snapshot(v.xid, ${snapshot}) ELSE crossfade.not_newer(v.snapshot, ${snapshot}) END))`;
}
