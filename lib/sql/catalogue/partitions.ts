import type { Statement } from '../statement.ts';

export interface PartitionRow {
  readonly schema: string;
  readonly relation: string;
}

/** The relation and all its partitions: a statement trigger fires only for the relation that a statement names. */
export function withPartitions(relation: string): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation
FROM (SELECT $1::text::regclass AS oid UNION SELECT relid FROM pg_partition_tree($1::text::regclass)) AS part
JOIN pg_class c ON c.oid = part.oid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1, 2`,
    values: [relation],
  };
}
