import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export interface TenantRow {
  readonly tenant: string;
}

/** Whether an index starts with the column that carries the tenant: then its values are found without reading the table. */
export function hasTenantIndex(table: MigratedTable, column: string): Statement {
  return {
    text: `
SELECT EXISTS (
  SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = $1::text::regclass AND a.attname = $2::text AND m.amname = 'btree' AND i.indisvalid AND i.indisready AND i.indpred IS NULL
) AS indexed`,
    values: [quoteRelation(table), column],
  };
}

/** Rows without a tenant are shared, and not among these. Jumps from one value to the next in the index: as many steps as there are tenants, however many rows they own. */
export function jumpTenants(table: MigratedTable, column: string): Statement {
  const name = quoteIdentifier(column);
  const relation = quoteRelation(table);
  return {
    text: `
WITH RECURSIVE tenants AS (
  (SELECT ${name} AS tenant FROM ${relation} ORDER BY ${name} LIMIT 1)
  UNION ALL
  SELECT (SELECT r.${name} FROM ${relation} AS r WHERE r.${name} > t.tenant ORDER BY r.${name} LIMIT 1) FROM tenants AS t WHERE t.tenant IS NOT NULL
)
SELECT tenant::text AS tenant FROM tenants WHERE tenant IS NOT NULL`,
    values: [],
  };
}

/** The same by reading every row. */
export function scanTenants(table: MigratedTable, column: string): Statement {
  const name = quoteIdentifier(column);
  return {
    text: `SELECT DISTINCT ${name}::text AS tenant FROM ${quoteRelation(table)} WHERE ${name} IS NOT NULL`,
    values: [],
  };
}
