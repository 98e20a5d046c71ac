/** Row keys at random, for synthetic reads: blocks are sampled, so a large table is never read whole. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { isShared } from './answer.ts';

export interface SampledKey {
  readonly row_key: string;
  readonly tenant: string;
}

/** Blocks of the table with its partitions; planner statistics may be missing, its size is not. */
export function countBlocks(table: MigratedTable): Statement {
  return {
    text: `
SELECT greatest(1, sum(pg_relation_size(part.oid)) / current_setting('block_size')::integer)::float8 AS blocks
FROM (SELECT $1::text::regclass::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::text::regclass)) AS part`,
    values: [quoteRelation(table)],
  };
}

/** @param blockPercent share of the table's blocks to look into. */
export function sampleKeys(
  table: MigratedTable,
  tables: TablesByName,
  tenants: readonly string[],
  blockPercent: number,
  limit: number,
): Statement {
  const tenant = tenantOf(table, tables, 'r');
  const isAsked = isShared(table, tables)
    ? '$1::text IS NOT NULL'
    : `${tenant} IN (SELECT json_array_elements_text($1::json))`;
  return {
    text: `
SELECT ${rowKeyOf(table, 'r')} AS row_key, ${tenant} AS tenant
FROM ${quoteRelation(table)} AS r TABLESAMPLE SYSTEM ($2::float8)
WHERE ${isAsked}
ORDER BY random() LIMIT $3::integer`,
    values: [JSON.stringify(tenants), blockPercent, limit],
  };
}
