import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';

/** Tenants that own rows of a table which carries its tenant itself. */
export function listTenants(table: MigratedTable, tables: TablesByName): Statement {
  return {
    text: `SELECT DISTINCT ${tenantOf(table, tables, 'r')} AS tenant FROM ${quoteRelation(table)} AS r ORDER BY 1`,
    values: [],
  };
}
