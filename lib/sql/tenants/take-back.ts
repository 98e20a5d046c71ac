/**
 * Taking rows back from the receiver: erased, or put back as they were before Crossfade (protocol §5.4). Versions are kept, so
 * that no late read or event brings a row back; the applied log says kind `R`, so that the row is nobody's of ours any more.
 *
 * Each statement locks the row's version first, as an apply does, and goes on only where the version is still the one that was
 * judged: a row that was written since, for whatever tenant, is left.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { matchesRowKey } from '../row.ts';
import type { Statement } from '../statement.ts';
import { capturedRow } from '../wire.ts';
import { versionText } from './judge-rows.ts';

export interface RowToTakeBack {
  readonly rowKey: string;
  readonly version: string | null;
  /** Whose way back it is; the log carries it. */
  readonly tenant: string;
}

export interface TakeBack {
  readonly rows: readonly RowToTakeBack[];
  /** Nothing is done while one of these is on in the receiver. */
  readonly tenantsOff: readonly string[];
  readonly batch: string;
  /** Restores what stood there before this repair, and not what stood there before Crossfade. */
  readonly repair?: string | undefined;
  /** Columns that the target owns stay as it has filled them: an undo takes back what Crossfade wrote, and it wrote none of them. */
  readonly leavesOwned?: boolean | undefined;
}

/**
 * A row whose version was purged stands under the floor (protocol §6); written out, there is something to lock. To be run in
 * one transaction with what follows.
 */
export function writeOutVersions(table: MigratedTable, rowKeys: readonly string[]): Statement {
  return {
    text: `
INSERT INTO crossfade.row_version (table_name, row_key, epoch, kind, snapshot, deleted)
SELECT $1::text, wanted.k, c.source_epoch, 'S', c.floor, false FROM json_array_elements_text($2::json) AS wanted(k) CROSS JOIN crossfade.control AS c
ORDER BY wanted.k COLLATE "C" ON CONFLICT (table_name, row_key) DO NOTHING`,
    values: [table.name, JSON.stringify(rowKeys)],
  };
}

export interface TakenRow {
  readonly row_key: string;
}

export function eraseRows(table: MigratedTable, request: TakeBack): Statement {
  return {
    text: `${lockVersions()}, gone AS (
  DELETE FROM ${quoteRelation(table)} AS r USING locked AS l WHERE ${matchesRowKey(table, 'r', 'l.row_key')} RETURNING l.row_key
), ${logOf('gone', 'D')}
SELECT row_key FROM gone ORDER BY row_key`,
    values: valuesOf(table, request),
  };
}

/** Rows come back by key, whether the receiver still has them or not. */
export function restoreRows(table: MigratedTable, request: TakeBack): Statement {
  const columns = table.targetColumns.filter((column) => !column.generated);
  const names = columns.map(({ name }) => quoteIdentifier(name));
  const key = table.key.map(({ name }) => name);
  const kept = request.leavesOwned === true ? [...key, ...table.targetOwned] : key;
  const assigned = columns.filter(({ name, identity }) => !kept.includes(name) && identity !== 'always');
  const update =
    assigned.length === 0
      ? 'NOTHING'
      : `UPDATE SET ${assigned.map(({ name }) => `${quoteIdentifier(name)} = excluded.${quoteIdentifier(name)}`).join(', ')}`;
  return {
    text: `${lockVersions()}, put AS (
  INSERT INTO ${quoteRelation(table)} AS r (${names.join(', ')}) OVERRIDING SYSTEM VALUE
  SELECT ${names.map((name) => `m.${name}`).join(', ')}
  FROM locked AS l JOIN ${request.repair === undefined ? 'crossfade.before_image AS i ON' : 'crossfade.repair_image AS i ON i.repair = $5::text AND'} i.table_name = $1::text AND i.row_key = l.row_key
  CROSS JOIN LATERAL ${capturedRow(table, 'reverse', 'i.row')} AS m
  ON CONFLICT (${key.map(quoteIdentifier).join(', ')}) DO ${update}
), ${logOf('locked', 'U')}
SELECT row_key FROM locked ORDER BY row_key`,
    values: [...valuesOf(table, request), ...(request.repair === undefined ? [] : [request.repair])],
  };
}

export interface LostRow {
  readonly row_key: string;
  readonly tenant: string;
  readonly version: string | null;
  /** Somebody else's write, which nobody has explained. */
  readonly who: string | null;
}

/** Rows that the receiver held before Crossfade, for these tenants, and does not hold any more. Behind its parent a child is deleted for `*`. */
export function lostRows(
  table: MigratedTable,
  tenants: readonly string[],
  after: string | null,
  limit: number,
): Statement {
  return {
    text: `
SELECT i.row_key, coalesce(nullif(l.tenant, '*'), i.tenant) AS tenant, CASE WHEN v.row_key IS NOT NULL THEN ${versionText('v')} END AS version, f.who
FROM crossfade.before_image AS i
LEFT JOIN crossfade.row_version AS v ON v.table_name = $1::text AND v.row_key = i.row_key
LEFT JOIN LATERAL (SELECT tenant FROM crossfade.applied_log WHERE table_name = $1::text AND row_key = i.row_key ORDER BY id + 0 DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (SELECT concat_ws(' ', 'role', role_name, 'application', nullif(application_name, '')) AS who FROM crossfade.foreign_write
  WHERE table_name = $1::text AND row_key = i.row_key AND closed_at IS NULL ORDER BY id DESC LIMIT 1) AS f ON true
WHERE i.table_name = $1::text AND ($3::text IS NULL OR i.row_key > $3::text) AND coalesce(nullif(l.tenant, '*'), i.tenant) IN (SELECT json_array_elements_text($2::json))
  AND NOT EXISTS (SELECT FROM ${quoteRelation(table)} AS r WHERE ${matchesRowKey(table, 'r', 'i.row_key')})
ORDER BY i.row_key LIMIT $4::integer`,
    values: [table.name, JSON.stringify(tenants), after, limit],
  };
}

/** Once everything is restored, and before the fence goes: afterwards the rows are the applications' own. */
export const FORGET_BEFORE_IMAGES: Statement = { text: 'DELETE FROM crossfade.before_image', values: [] };

function lockVersions(): string {
  return `
WITH wanted AS (
  SELECT k, v, t FROM json_to_recordset($2::json) AS w(k text, v text, t text)
), door AS (
  SELECT is_on FROM crossfade.admission WHERE tenant IN (SELECT json_array_elements_text($3::json)) ORDER BY tenant FOR SHARE
), locked AS (
  SELECT v.row_key, v.epoch, w.t FROM wanted AS w JOIN crossfade.row_version AS v ON v.row_key = w.k
  WHERE v.table_name = $1::text AND v.row_key = ANY (ARRAY(SELECT k FROM wanted))
    AND ${versionText('v')} = coalesce(w.v, (SELECT concat_ws('/', source_epoch, 'S', floor) FROM crossfade.control))
    AND NOT EXISTS (SELECT FROM door WHERE is_on)
  ORDER BY v.row_key FOR UPDATE OF v
)`;
}

function logOf(source: string, action: 'U' | 'D'): string {
  return `logged AS (
  INSERT INTO crossfade.applied_log (correlation_id, batch, tenant, table_name, row_key, kind, epoch, action)
  SELECT $4::text, $4::text, l.t, $1::text, l.row_key, 'R', l.epoch, '${action}' FROM locked AS l JOIN ${source} AS s ON s.row_key = l.row_key
)`;
}

function valuesOf(table: MigratedTable, { rows, tenantsOff, batch }: TakeBack): Statement['values'] {
  const wanted = rows.map(({ rowKey, version, tenant }) => ({ k: rowKey, v: version, t: tenant }));
  return [table.name, JSON.stringify(wanted), JSON.stringify(tenantsOff), batch];
}
