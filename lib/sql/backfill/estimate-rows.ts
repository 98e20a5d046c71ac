import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export interface EstimateRow {
  /** As of the last ANALYZE or VACUUM; -1: never looked at. */
  readonly rows: number;
  /** Of the table's main fork and TOAST, without indexes. */
  readonly bytes: number;
}

/** Without reading the table: what it is for is that the table is large. Partitions are summed up. */
export function estimateRows(table: MigratedTable): Statement {
  return {
    text: `
SELECT CASE WHEN bool_or(c.reltuples < 0) THEN -1 ELSE coalesce(sum(c.reltuples), -1) END::float8 AS rows, coalesce(sum(pg_table_size(c.oid)), 0)::float8 AS bytes
FROM pg_class c WHERE c.relkind IN ('r', 'm') AND c.oid IN (SELECT $1::text::regclass UNION SELECT relid FROM pg_partition_tree($1::text::regclass))`,
    values: [quoteRelation(table)],
  };
}
