/** One store's view of rows by key, absent ones included, whoever their tenant is. */
import type { Fingerprint } from '../../domain/digest.ts';
import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { matchesRowKey, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { columnDigests, fingerprintSql, rowFingerprint } from './fingerprint.ts';

export interface KeyedRow {
  readonly row_key: string;
  /** Null: the store has no such row. */
  readonly tenant: string | null;
  readonly digest: string | null;
}

export function fingerprintKeys(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  rowKeys: readonly string[],
  fingerprint: Fingerprint,
): Statement {
  return byKey(table, tables, rowKeys, rowFingerprint(fingerprintSql(table, store, 'r', fingerprint)));
}

/** `digest` is a JSON list with one short digest a compared column. */
export function digestColumns(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  rowKeys: readonly string[],
): Statement {
  return byKey(table, tables, rowKeys, columnDigests(table, store, 'r'));
}

/** Only whether the rows are there, and whose they are. */
export function findKeys(table: MigratedTable, tables: TablesByName, rowKeys: readonly string[]): Statement {
  return byKey(table, tables, rowKeys, 'NULL::text');
}

/** Where a unique index is gone or broken a key can have several rows: they are one difference, whose columns cannot be named. */
function byKey(table: MigratedTable, tables: TablesByName, rowKeys: readonly string[], digest: string): Statement {
  return {
    text: `
SELECT wanted.row_key, p.tenant, p.digest FROM json_array_elements_text($1::json) AS wanted(row_key)
LEFT JOIN LATERAL (
  SELECT min(found.tenant) AS tenant, CASE WHEN count(*) = 1 THEN min(found.digest) ELSE count(*) || ' rows' END AS digest
  FROM (
    SELECT ${tenantOf(table, tables, 'r')} AS tenant, ${digest} AS digest FROM ${quoteRelation(table)} AS r WHERE ${matchesRowKey(table, 'r', 'wanted.row_key')}
  ) AS found HAVING count(*) > 0
) AS p ON true`,
    values: [JSON.stringify(rowKeys)],
  };
}
