import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface ErasedRow {
  readonly erased: string;
  /** Rows of the tenant that Crossfade never wrote: left alone and reported. */
  readonly foreign_rows: string;
}

/**
 * Removes up to `limit` rows whose current tenant in the receiver is `tenant` and which Crossfade wrote; their row versions
 * stay, so that no late read or event brings them back (protocol §5.4).
 */
export function eraseTenantRows(table: MigratedTable, tables: TablesByName, tenant: string, limit: number): Statement {
  const relation = quoteRelation(table);
  return {
    text: `
WITH owned AS (
  SELECT r.ctid AS place, EXISTS (SELECT FROM crossfade.applied_log AS l WHERE l.table_name = $1::text AND l.row_key = ${rowKeyOf(table, 'r')}) AS ours
  FROM ${relation} AS r WHERE ${tenantOf(table, tables, 'r')} = $2::text
), gone AS (
  DELETE FROM ${relation} AS r USING (SELECT place FROM owned WHERE ours LIMIT $3::integer) AS o WHERE r.ctid = o.place RETURNING 1
)
SELECT (SELECT count(*) FROM gone)::text AS erased, (SELECT count(*) FROM owned WHERE NOT ours)::text AS foreign_rows`,
    values: [table.name, tenant, limit],
  };
}
