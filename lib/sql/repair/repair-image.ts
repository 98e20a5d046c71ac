/**
 * What a repair found in the rows that it writes, kept in the store that is written: `repair undo` restores it. An image also says
 * how far the applied log had come, so that a write between image and repair is never mistaken for the repair's.
 */
import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { matchesRowKey, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { foreignWriter, versionText } from '../tenants/judge-rows.ts';
import { capturedJson } from '../wire.ts';

/** The first image stays: a repair that is started again must not take its own work for what was there before. */
export function keepRepairImages(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  repair: string,
  rowKeys: readonly string[],
): Statement {
  const columns = store === 'target' ? table.targetColumns : table.legacyColumns;
  return {
    text: `
INSERT INTO crossfade.repair_image (repair, table_name, row_key, tenant, was_there, row, log_id)
SELECT $2::text, $1::text, wanted.k, p.tenant, p.image IS NOT NULL, p.image, coalesce(l.id, 0)
FROM json_array_elements_text($3::json) AS wanted(k)
LEFT JOIN LATERAL (
  SELECT ${tenantOf(table, tables, 'r')} AS tenant, ${capturedJson(columns, 'r')} AS image FROM ${quoteRelation(table)} AS r WHERE ${matchesRowKey(table, 'r', 'wanted.k')}
) AS p ON true
LEFT JOIN LATERAL (SELECT id FROM crossfade.applied_log WHERE table_name = $1::text AND row_key = wanted.k ORDER BY id + 0 DESC LIMIT 1) AS l ON true
ON CONFLICT (repair, table_name, row_key) DO NOTHING`,
    values: [table.name, repair, JSON.stringify(rowKeys)],
  };
}

export function forgetOldRepairImages(days: number): Statement {
  return {
    text: `DELETE FROM crossfade.repair_image WHERE taken_at < clock_timestamp() - $1::integer * interval '1 day'`,
    values: [days],
  };
}

/** Of these rows, those that were written under a batch: a repair that is started again tells its own work by it. */
export function writtenUnder(table: MigratedTable, batch: string, rowKeys: readonly string[]): Statement {
  return {
    text: `
SELECT DISTINCT row_key FROM crossfade.applied_log
WHERE correlation_id = $2::text AND table_name = $1::text AND row_key IN (SELECT json_array_elements_text($3::json))`,
    values: [table.name, batch, JSON.stringify(rowKeys)],
  };
}

export interface RepairedRow {
  readonly table_name: string;
  readonly row_key: string;
  readonly tenant: string | null;
  /** Whether there was a row before the repair. */
  readonly was_there: boolean;
  readonly version: string | null;
  /** Since the image only this repair has written it. */
  readonly untouched: boolean;
  /** It was undone already. */
  readonly undone: boolean;
  readonly who: string | null;
}

/** Rows of one table that a repair wrote, in key order behind `after`. */
export function repairedRows(
  tableName: string,
  repair: string,
  batch: string,
  after: string | null,
  limit: number,
): Statement {
  return {
    text: `
SELECT i.table_name, i.row_key, coalesce(i.tenant, w.tenant) AS tenant, i.was_there,
       CASE WHEN v.row_key IS NOT NULL THEN ${versionText('v')} END AS version,
       NOT EXISTS (SELECT FROM crossfade.applied_log AS n WHERE n.table_name = $1::text AND n.row_key = i.row_key AND n.id > i.log_id AND n.correlation_id IS DISTINCT FROM $3::text) AS untouched,
       EXISTS (SELECT FROM crossfade.applied_log AS n WHERE n.table_name = $1::text AND n.row_key = i.row_key AND n.id > i.log_id AND n.batch = 'undo-' || $3::text) AS undone,
       f.who
FROM crossfade.repair_image AS i
JOIN LATERAL (SELECT tenant FROM crossfade.applied_log WHERE table_name = $1::text AND row_key = i.row_key AND correlation_id = $3::text LIMIT 1) AS w ON true
LEFT JOIN crossfade.row_version AS v ON v.table_name = $1::text AND v.row_key = i.row_key
LEFT JOIN LATERAL (${foreignWriter('i.row_key')}) AS f ON true
WHERE i.repair = $2::text AND i.table_name = $1::text AND ($4::text IS NULL OR i.row_key > $4::text)
ORDER BY i.row_key LIMIT $5::integer`,
    values: [tableName, repair, batch, after, limit],
  };
}

/** Of these rows, those that are not as they were before the repair, in the columns that a repair writes. */
export function unlikeImages(table: MigratedTable, repair: string, rowKeys: readonly string[]): Statement {
  const isOwned = table.targetOwned.length > 0;
  const written = (json: string) =>
    isOwned ? `(${json}::jsonb - ARRAY(SELECT json_array_elements_text($4::json)))` : json;
  return {
    text: `
SELECT i.row_key FROM crossfade.repair_image AS i
LEFT JOIN LATERAL (
  SELECT ${capturedJson(table.targetColumns, 'r')} AS now FROM ${quoteRelation(table)} AS r WHERE ${matchesRowKey(table, 'r', 'i.row_key')}
) AS p ON true
WHERE i.repair = $2::text AND i.table_name = $1::text AND i.row_key IN (SELECT json_array_elements_text($3::json))
  AND ${written('p.now')}::text IS DISTINCT FROM ${written('i.row')}::text`,
    values: [table.name, repair, JSON.stringify(rowKeys), ...(isOwned ? [JSON.stringify(table.targetOwned)] : [])],
  };
}
