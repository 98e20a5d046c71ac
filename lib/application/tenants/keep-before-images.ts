/**
 * Keeps what the target holds before Crossfade first writes there, so that the way back can restore it (protocol §5.4). Behind
 * the fence and before anybody is exposed nothing moves: a page that is read twice is kept once.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { type ImagedPageRow, keepBeforeImages } from '../../sql/tenants/before-image.ts';
import type { Migration } from '../migration.ts';

const PAGE_ROWS = 2_000;

/** Handed from call to call. */
export interface ImageProgress {
  /** Position in the list of tables. */
  readonly table: number;
  readonly after: string | null;
  readonly kept: number;
}

export const IMAGE_START: ImageProgress = { table: 0, after: null, kept: 0 };

/** @param tables the same list in every call. */
export async function keepImages(
  { deps, byName }: Migration,
  tables: readonly MigratedTable[],
  from: ImageProgress,
  until: Date,
): Promise<{ readonly done: boolean; readonly progress: ImageProgress }> {
  const store = deps.databases.open('target', 'backfill');
  let progress = from;
  for (;;) {
    const table = tables[progress.table];
    if (table === undefined) return { done: true, progress };
    if (deps.clock.now() >= until) return { done: false, progress };
    const [page] = await store.query<ImagedPageRow>(keepBeforeImages(table, byName, progress.after, PAGE_ROWS));
    const kept = progress.kept + (page?.kept ?? 0);
    const isLast = (page?.seen ?? 0) < PAGE_ROWS;
    progress = isLast
      ? { table: progress.table + 1, after: null, kept }
      : { ...progress, after: page?.last_key ?? null, kept };
  }
}
