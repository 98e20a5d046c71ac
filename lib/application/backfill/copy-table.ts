/**
 * One table's history: pages are read in key order one ahead of the workers that write them, several at once. What is remembered
 * is the last key up to which every page is applied, so that a copy that dies goes on there and misses nothing.
 */
import type { MigratedTable } from '../../domain/table.ts';
import type { Migration } from '../migration.ts';
import type { AppliedReads } from '../rows/apply-reads.ts';
import { applyPage, retryFailed, withFailures } from './apply-page.ts';
import { findEnd } from './fix-end.ts';
import type { Governor } from './governor.ts';
import { type CopiedTenant, saveProgress, type TableProgress } from './progress.ts';
import { type Page, readCopyPage } from './read-page.ts';
import type { Slots } from './slots.ts';
import { withRetries } from './with-retries.ts';

/** Progress is written this often and at every end: a copy that is killed does so much again, and versions decide. */
const SAVE_EVERY_MS = 1_000;
/** A page that waited longer for its turn is read again: its rows would meet newer ones, or a floor. */
const STALE_PAGE_MS = 10_000;

export interface Copying {
  readonly migration: Migration;
  readonly tenants: readonly CopiedTenant[];
  readonly governor: Governor;
  readonly slots: Slots;
}

export async function copyTable(copying: Copying, table: MigratedTable, known: TableProgress): Promise<TableProgress> {
  if (known.done) return known;
  const { migration, governor, slots } = copying;
  const { deps } = migration;
  const from = await withEnd(migration, table, known);
  const { through } = from;
  if (from.done) return from;
  const names = copying.tenants.map(({ tenant }) => tenant);
  const read = (after: string | null) =>
    readCopyPage(migration, table, names, { after, through: through ?? null }, governor.rate().batchRows);
  const mark = createMark(copying, from);
  const writing = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let ahead = settled(read(from.after));
  let after = from.after;
  for (let place = 0; failures.length === 0; place++) {
    const free = await slots.take();
    // What is being written is waited for, whatever fails.
    const stop = await governor.permit().catch((error: unknown) => failures.push(error));
    let page = await ahead;
    if (stop !== null || failures.length > 0 || page instanceof Failed) {
      if (page instanceof Failed) failures.push(page.error);
      free();
      break;
    }
    if (deps.clock.now().getTime() - page.readAt > STALE_PAGE_MS) {
      const again = await settled(read(after));
      if (again instanceof Failed) {
        failures.push(again.error);
        free();
        break;
      }
      page = again;
    }
    const now = page;
    after = now.last;
    if (now.more) ahead = settled(read(after));
    const batchId = `backfill-${table.name}-${from.batches + place}`;
    const write = writePage(copying, table, now, batchId)
      .then((applied) => mark.applied(place, now, applied))
      .catch((error: unknown) => void failures.push(error))
      .finally(() => {
        writing.delete(write);
        free();
      });
    writing.add(write);
    if (!now.more) break;
  }
  await Promise.all(writing);
  // Nobody waits for a page that was read ahead.
  await ahead;
  let progress = mark.progress();
  if (failures.length === 0 && progress.done) progress = await retryFailed(migration, table, progress);
  await saveProgress(deps, progress);
  if (failures.length > 0) throw failures[0];
  return progress;
}

/** Saved before the first page: whoever goes on copies up to the same end. */
async function withEnd(migration: Migration, table: MigratedTable, progress: TableProgress): Promise<TableProgress> {
  if (progress.through !== undefined) return progress;
  const through = await findEnd(migration, table, 'legacy');
  const fixed = { ...progress, through, done: through === null };
  await saveProgress(migration.deps, fixed);
  return fixed;
}

async function writePage(
  { migration, governor }: Copying,
  table: MigratedTable,
  page: Page,
  batchId: string,
): Promise<AppliedReads | null> {
  const { clock } = migration.deps;
  if (page.failed.length > 0) return null;
  const began = clock.now().getTime();
  const applied = await withRetries(migration.deps, `copy of ${table.name}`, () =>
    applyPage(migration, table, page.read, batchId),
  );
  await governor.finished({ rows: page.read.rows.length, ms: clock.now().getTime() - began });
  return applied;
}

interface Mark {
  applied(place: number, page: Page, result: AppliedReads | null): Promise<void>;
  progress(): TableProgress;
}

/** Pages end in any order; the mark moves over those that have ended without a gap. */
function createMark({ migration: { deps } }: Copying, from: TableProgress): Mark {
  let progress = from;
  let next = 0;
  let savedAt = deps.clock.now().getTime();
  const ended = new Map<number, { readonly page: Page; readonly result: AppliedReads | null }>();
  return {
    applied: async (place, page, result) => {
      ended.set(place, { page, result });
      for (let end = ended.get(next); end !== undefined; end = ended.get(next)) {
        ended.delete(next);
        next += 1;
        progress = advance(progress, end.page, end.result);
      }
      const now = deps.clock.now().getTime();
      if (now - savedAt < SAVE_EVERY_MS) return;
      savedAt = now;
      await saveProgress(deps, progress);
    },
    progress: () => progress,
  };
}

function advance(progress: TableProgress, page: Page, result: AppliedReads | null): TableProgress {
  return {
    ...withFailures(progress, [...page.failed, ...(result?.failed ?? [])]),
    after: page.last,
    rows: progress.rows + page.read.rows.length,
    unwritten: (progress.unwritten ?? 0) + (result?.newer.length ?? 0),
    batches: progress.batches + 1,
    done: !page.more,
  };
}

class Failed {
  readonly error: unknown;
  constructor(error: unknown) {
    this.error = error;
  }
}

/** A page that is read ahead may fail while nobody looks. */
function settled(work: Promise<Page>): Promise<Page | Failed> {
  return work.catch((error: unknown) => new Failed(error));
}
