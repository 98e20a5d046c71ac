/** The guide's maintenance without its locks: VACUUM FULL and a plain REINDEX keep readers out (prior art, trap 42). None of this runs inside a transaction. */
import { quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

interface Relation {
  readonly schema: string;
  readonly relation: string;
}

export function vacuumTable(table: Relation): Statement {
  return { text: `VACUUM (ANALYZE) ${quoteRelation(table)}`, values: [] };
}

/** `index` is the index's own name, in its table's schema. */
export function reindex(index: Relation): Statement {
  return { text: `REINDEX INDEX CONCURRENTLY ${quoteRelation(index)}`, values: [] };
}

export interface VacuumRunsRow {
  readonly runs: string;
}

/** VACUUM by a role without the right to it is only warned, so whether it ran is counted. Partitions are counted together. */
export function countVacuumRuns(table: Relation): Statement {
  return {
    text: `
SELECT coalesce(sum(t.vacuum_count), 0)::text AS runs FROM pg_stat_all_tables t
WHERE t.relid IN (SELECT $1::text::regclass UNION SELECT relid FROM pg_partition_tree($1::text::regclass))`,
    values: [quoteRelation(table)],
  };
}

/** What a REINDEX CONCURRENTLY that broke off leaves behind. */
export function dropIndex(index: Relation): Statement {
  return { text: `DROP INDEX CONCURRENTLY IF EXISTS ${quoteRelation(index)}`, values: [] };
}
