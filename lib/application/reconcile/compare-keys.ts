/** Compares rows by key in both stores: what a window, a sample and named keys consist of. */
import { inPages } from '../../domain/chunk.ts';
import type { Migration } from '../migration.ts';
import type { SpanResult } from './compare-span.ts';
import type { ComparedTable, Comparison } from './comparison.ts';
import { sightRows } from './sight-rows.ts';

const ROWS_AT_ONCE = 500;

/** As one chunk. A row that neither store has, or whose tenant is not compared, is counted neither as compared nor as left out. */
export async function compareKeys(
  migration: Migration,
  comparison: Comparison,
  compared: ComparedTable,
  rowKeys: readonly string[],
): Promise<SpanResult> {
  const keys: string[] = [];
  let rows = 0;
  for (const page of inPages(rowKeys, ROWS_AT_ONCE)) {
    for (const { rowKey, legacy, target } of await sightRows(migration, comparison, compared, page)) {
      if (legacy !== null || target !== null) rows += 1;
      if (legacy !== target) keys.push(rowKey);
    }
  }
  const differing = keys.length === 0 ? [] : [{ after: null, through: null, rows, keys: keys.length }];
  return { rows, leftOut: 0, chunks: 1, differing, keys, unlisted: 0 };
}
