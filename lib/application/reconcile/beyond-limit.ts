/** How much a limit left out. What was listed is counted; of whole tables the planner's estimate is told, because a count would read them all. */
import type { CycleDocument } from '../../contracts/documents.ts';
import type { StoreName } from '../../domain/direction.ts';
import { type EstimateRow, estimateRows } from '../../sql/backfill/estimate-rows.ts';
import { type Migration, tableNamed } from '../migration.ts';

export type BeyondLimit = NonNullable<CycleDocument['beyondLimit']>;

/** @param limits rows that may be compared of one table, or of several together. */
export async function estimateBeyond(
  migration: Migration,
  store: StoreName,
  limits: readonly { readonly tables: readonly string[]; readonly limit: number }[],
): Promise<BeyondLimit> {
  const session = migration.deps.databases.open(store, 'compare');
  let beyond = 0;
  for (const { tables, limit } of limits) {
    let rows = 0;
    for (const table of tables) {
      const [estimate] = await session.query<EstimateRow>(estimateRows(tableNamed(migration, table)));
      if (estimate === undefined || estimate.rows < 0) return { rows: null, counted: 'estimated' };
      rows += estimate.rows;
    }
    beyond += Math.max(0, rows - limit);
  }
  return { rows: beyond, counted: 'estimated' };
}

/** One sentence for a person. */
export function describeBeyond({ rows, counted }: BeyondLimit): string {
  if (rows === null)
    return 'the limit was reached: rows beyond it were not compared, and how many is not known before an ANALYZE; raise it with --limit';
  const words = { exactly: '', 'at-least': 'at least ', estimated: 'about ' } as const;
  return `the limit left out ${words[counted]}${rows} rows, which were not compared; raise it with --limit`;
}
