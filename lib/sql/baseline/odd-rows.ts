/** Rows that need a word before the migration: too large for the driver, or without a tenant of their own. */
import { type MigratedTable, NO_TENANT } from '../../domain/table.ts';
import { quoteLiteral, quoteRelation } from '../identifier.ts';
import { mappedJson, rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface OddRows {
  /** Up to `limit`, as text. */
  readonly rows: string;
  /** Keys of the first few, a JSON list of row keys. */
  readonly examples: string;
}

export function rowsLargerThan(table: MigratedTable, bytes: number, limit: number): Statement {
  return found(
    `SELECT ${rowKeyOf(table, 'r')} AS row_key FROM ${quoteRelation(table)} AS r WHERE octet_length(${mappedJson(table, 'forward', 'r')}::text) > $2::integer`,
    limit,
    bytes,
  );
}

/** Rows of a table with tenants that belong to the shared tenant, because theirs is NULL or their parent is gone. */
export function rowsWithoutTenant(table: MigratedTable, tables: TablesByName, limit: number): Statement {
  return found(
    `SELECT ${rowKeyOf(table, 'r')} AS row_key FROM ${quoteRelation(table)} AS r WHERE ${tenantOf(table, tables, 'r')} = ${quoteLiteral(NO_TENANT)} AND $2::integer = 0`,
    limit,
    0,
  );
}

function found(rows: string, limit: number, parameter: number): Statement {
  return {
    text: `
WITH found AS (${rows} LIMIT $1::integer)
SELECT count(*)::text AS rows, coalesce((SELECT json_agg(row_key) FROM (SELECT row_key FROM found LIMIT 3) AS first), '[]')::text AS examples FROM found`,
    values: [limit, parameter],
  };
}
