/** Statistics of a table that a copy has just filled (prior art, trap 13): a stale plan turns the first target reads into full scans. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export function analyzeTable(table: MigratedTable): Statement {
  return { text: `ANALYZE ${quoteRelation(table)}`, values: [] };
}

export interface AnalyzedRow {
  /** Runs of ANALYZE by hand so far; a role that may not run it is only warned, so the count is the proof. */
  readonly runs: string;
}

export function countAnalyzeRuns(table: MigratedTable): Statement {
  return {
    text: `SELECT coalesce((SELECT analyze_count FROM pg_stat_all_tables WHERE relid = $1::text::regclass), 0)::text AS runs`,
    values: [quoteRelation(table)],
  };
}
