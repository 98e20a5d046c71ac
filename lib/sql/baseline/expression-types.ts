/** Types that the plan's expressions yield, asked of the database that evaluates them: a view knows them, modifiers included. */
import type { MappedColumn, MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

const PROBE_VIEW = 'crossfade_expression_probe';

export interface ExpressionTypeRow {
  readonly column: string;
  readonly type: string;
}

/** Rolled back by the caller; a temporary view cannot be seen by anybody else meanwhile. */
export function createProbeView(table: MigratedTable, { column, expression }: MappedColumn): Statement {
  return {
    text: `CREATE OR REPLACE TEMPORARY VIEW ${PROBE_VIEW} AS SELECT (${expression}) AS ${quoteIdentifier(column)} FROM ${quoteRelation(table)}`,
    values: [],
  };
}

export const probeViewTypes: Statement = {
  text: `
SELECT a.attname::text AS column, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute a WHERE a.attrelid = 'pg_temp.${PROBE_VIEW}'::regclass AND a.attnum > 0`,
  values: [],
};
