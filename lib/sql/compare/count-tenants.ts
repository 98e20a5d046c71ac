import type { KeyBounds } from '../../domain/chunk.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { type TablesByName, tenantOf } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';
import { amongTenants, type ComparedTenants, insideScope, scopeValue } from './scope.ts';

export interface TenantCount {
  readonly tenant: string;
  readonly rows: string;
}

/** Rows of a range by tenant, those of compared tenants. Grouped by the tenant first, and judged once a tenant. */
export function countTenants(
  table: MigratedTable,
  tables: TablesByName,
  range: KeyBounds,
  tenants: ComparedTenants,
): Statement {
  const inside = tenants === null ? insideScope(table, tables, 'r', '$3', null) : amongTenants('tenant', '$3');
  return {
    text: `
SELECT tenant, rows::text FROM (
  SELECT ${tenantOf(table, tables, 'r')} AS tenant, count(*) AS rows FROM ${quoteRelation(table)} AS r
  WHERE ${inRange(table, 'r', '$1::text', '$2::text', range)} GROUP BY 1
) AS counted WHERE ${inside}`,
    values: [range.after, range.through, scopeValue(tenants)],
  };
}
