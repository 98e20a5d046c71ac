import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import type { TablesByName } from '../row.ts';
import type { Statement } from '../statement.ts';
import { type ComparedTenants, insideScope, scopeValue } from './scope.ts';

export function countRows(table: MigratedTable, tables: TablesByName, tenants: ComparedTenants): Statement {
  return {
    text: `SELECT count(*)::text AS rows FROM ${quoteRelation(table)} AS r WHERE ${insideScope(table, tables, 'r', '$1', tenants)}`,
    values: [scopeValue(tenants)],
  };
}
