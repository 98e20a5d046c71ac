/** Cuts a table into chunks by walking legacy's keys, a bounded statement at a time. */
import { type KeyBounds, rangesBetween } from '../../domain/chunk.ts';
import { chunkBounds } from '../../sql/compare/chunk-bounds.ts';
import { type Migration, tableNamed } from '../migration.ts';

/** Bounds that one statement walks: 500 000 rows of the guide's chunks. */
const BOUNDS_AT_ONCE = 100;

/** @param limitRows stops after about so many rows of legacy (a dry run); the last range then ends there instead of being open. */
export async function chunkTable(
  migration: Migration,
  tableName: string,
  limitRows = Number.POSITIVE_INFINITY,
): Promise<readonly KeyBounds[]> {
  const table = tableNamed(migration, tableName);
  const size = Math.min(migration.deps.plan.reconcile.chunkRows, Math.max(1, limitRows));
  const session = migration.deps.databases.open('legacy', 'compare');
  const bounds: string[] = [];
  for (;;) {
    const range = { after: bounds.at(-1) ?? null, through: null };
    const rows = await session.query<{ row_key: string }>(chunkBounds(table, range, size, BOUNDS_AT_ONCE));
    bounds.push(...rows.map((row) => row.row_key));
    if (rows.length < BOUNDS_AT_ONCE || bounds.length * size >= limitRows) break;
  }
  const ranges = rangesBetween(bounds);
  return bounds.length * size >= limitRows ? ranges.slice(0, Math.ceil(limitRows / size)) : ranges;
}
