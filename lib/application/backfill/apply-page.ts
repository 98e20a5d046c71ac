/** Writes a page that was read under one snapshot, and what came back from it: refused rows are read afresh, failed ones kept. */
import type { MigratedTable } from '../../domain/table.ts';
import type { Migration } from '../migration.ts';
import { type AppliedReads, addApplied, applyReads, repairKeys, type SnapshotRead } from '../rows/apply-reads.ts';
import { MAX_FAILED, type TableProgress } from './progress.ts';
import { withRetries } from './with-retries.ts';

/** Rows that were refused because their door opened after the snapshot are read again so often. */
const FRESH_READS = 3;

/** The door of a tenant opened after the snapshot: a fresh read is newer. What is refused again is reported. */
export async function applyPage(
  migration: Migration,
  table: MigratedTable,
  read: SnapshotRead,
  batchId: string,
): Promise<AppliedReads> {
  let total = await applyReads(migration, table, 'forward', read, batchId, { patience: 'retried' });
  for (let fresh = 0; fresh < FRESH_READS && total.refused.length > 0; fresh++) {
    const again = await repairKeys(migration, table, 'forward', total.refused, batchId, { patience: 'retried' });
    total = addApplied({ ...total, refused: [] }, again);
  }
  const reason = 'refused: epoch, floor, admission or authority has moved';
  return {
    ...total,
    refused: [],
    failed: [...unwritten(total), ...total.refused.map((rowKey) => ({ rowKey, reason }))],
  };
}

/** A row that references a later one of its own table (a manager, say) can be written once that one is there. */
export async function retryFailed(
  migration: Migration,
  table: MigratedTable,
  from: TableProgress,
): Promise<TableProgress> {
  let progress = from;
  for (;;) {
    const keys = progress.failed.map((row) => row.rowKey);
    if (keys.length === 0) return progress;
    const result = await withRetries(migration.deps, `failed rows of ${table.name}`, () =>
      repairKeys(migration, table, 'forward', keys, `backfill-${table.name}-failed`, { patience: 'retried' }),
    );
    const beyond = progress.failures - progress.failed.length;
    const failed = unwritten(result);
    const hasGained = failed.length < keys.length;
    progress = { ...progress, failed, failures: beyond + failed.length };
    if (!hasGained) return progress;
  }
}

/** The relay works its queue as well; here the rows are kept because only an equal copy counts. */
export function unwritten({ failed, queued }: AppliedReads): TableProgress['failed'] {
  return [...failed, ...queued.map((rowKey) => ({ rowKey, reason: 'waits for a row that it references' }))];
}

export function withFailures(progress: TableProgress, failed: TableProgress['failed']): TableProgress {
  if (failed.length === 0) return progress;
  const unknown = failed.filter(({ rowKey }) => !progress.failed.some((known) => known.rowKey === rowKey));
  return {
    ...progress,
    failed: [...progress.failed, ...unknown].slice(0, MAX_FAILED),
    failures: progress.failures + unknown.length,
  };
}
