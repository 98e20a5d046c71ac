import type { Statement } from '../statement.ts';

export interface WriteCountersRow {
  /** Rows inserted, updated and deleted in the named tables, rolled back ones too, since the statistics began. */
  readonly rows: string;
  /** Commits of the whole database. */
  readonly commits: string;
}

/** The store's own count of writes: two readings make a rate. */
export function writeCounters(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT (SELECT coalesce(sum(t.n_tup_ins + t.n_tup_upd + t.n_tup_del), 0) FROM json_array_elements($1::json) AS wanted
        JOIN pg_namespace n ON n.nspname = wanted ->> 0 JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
        JOIN pg_stat_all_tables t ON t.relid IN (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)))::text AS rows,
       (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())::text AS commits`,
    values: [JSON.stringify(relations)],
  };
}
