import type { KeyBounds } from '../../domain/chunk.ts';
import type { Fingerprint } from '../../domain/digest.ts';
import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { orderedKey, type TablesByName } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';
import { aggregateFingerprint, fingerprintSql } from './fingerprint.ts';
import { type ComparedTenants, insideScope, scopeValue } from './scope.ts';

export interface RangeDigest {
  readonly rows: string;
  /** Rows of the range whose tenant is off or not copied yet. */
  readonly left_out: string;
  readonly digest: string;
}

/**
 * Count and digest of a key range of one store: one statement, one row. OFFSET 0: or the way to a parent's tenant is copied
 * into each aggregate and gone three times a row.
 */
export function digestRange(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  range: KeyBounds,
  tenants: ComparedTenants,
  fingerprint: Fingerprint,
): Statement {
  const sql = fingerprintSql(table, store, 'r', fingerprint);
  const parts = { hash: sql.hash ?? 'NULL', bytes: sql.bytes ?? 'NULL' };
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  return {
    text: `
SELECT count(*) FILTER (WHERE scope.inside)::text AS rows, count(*) FILTER (WHERE NOT scope.inside)::text AS left_out,
       ${aggregateFingerprint(sql, parts, order, 'scope.inside')} AS digest
FROM ${quoteRelation(table)} AS r CROSS JOIN LATERAL (SELECT ${insideScope(table, tables, 'r', '$3', tenants)} AS inside OFFSET 0) AS scope
WHERE ${inRange(table, 'r', '$1::text', '$2::text', range)}`,
    values: [range.after, range.through, scopeValue(tenants)],
  };
}
