import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface TenantRowsRow {
  readonly tenant: string;
  readonly rows: string;
}

export function countTenantRows(table: MigratedTable, tables: TablesByName, tenants: readonly string[]): Statement {
  return {
    text: `
SELECT tenant, count(*)::text AS rows FROM (SELECT ${tenantOf(table, tables, 'r')} AS tenant FROM ${quoteRelation(table)} AS r) AS owned
WHERE tenant IN (SELECT json_array_elements_text($1::json)) GROUP BY tenant ORDER BY tenant`,
    values: [JSON.stringify(tenants)],
  };
}
