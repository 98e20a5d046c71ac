/** Step `copy`: history in key order, page by page, at the plan's rate and inside its window; then rows that legacy does not have are removed by key. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { type Pace, paceNext } from '../../domain/pacing.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { isOpen } from '../../plan/plan.ts';
import { keyPage } from '../../sql/compare/key-page.ts';
import { findKeys, type KeyedRow } from '../../sql/compare/rows-by-key.ts';
import { readPage, type SourceRow } from '../../sql/source/read-rows.ts';
import type { Deps } from '../deps.ts';
import { again, proceed } from '../machines/step.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { describeHold, isDeliveryHeld, readHold } from '../relay/delivery-hold.ts';
import { type AppliedReads, addApplied, applyReads, repairKeys, toSnapshotRead } from '../rows/apply-reads.ts';
import { copyData } from './plan-copy.ts';
import { type CopiedTenant, MAX_FAILED, readProgress, saveProgress, type TableProgress } from './progress.ts';
import { withRetries } from './with-retries.ts';

/**
 * A call ends after this long and is called again. A function has 300 s, and an execution 25 000 events at nine a call: calls of
 * 200 s let it copy for six days.
 */
const CALL_MS = 200_000;
/** How often a closed window is looked at. */
const WINDOW_SECONDS = 60;
/** How often a held delivery is looked at. */
const HOLD_SECONDS = 5;
/** Rows that were refused because their door opened after the snapshot are read again so often. */
const FRESH_READS = 3;

interface Copying {
  readonly migration: Migration;
  readonly tenants: readonly CopiedTenant[];
  readonly until: number;
  pace: Pace;
}

export async function copy(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const { tenants } = copyData(data);
  if (run.dryRun || tenants.length === 0) return proceed({ data });
  const migration = await loadMigration(deps);
  const copying: Copying = {
    migration,
    tenants,
    until: deps.clock.now().getTime() + CALL_MS,
    pace: { batchesPerSecond: deps.plan.backfill.batchesPerSecond, lastMs: null },
  };
  const notes: string[] = [];
  const answer = (wait: number | null, why: readonly string[] = []) =>
    wait === null ? proceed({ data, notes }) : again(wait, { data, notes: [...notes, ...why] });

  for (const phase of [copyTable, sweepTable]) {
    // Written parents first, removed children first: neither misses a foreign key.
    const tables = phase === copyTable ? migration.tables : migration.tables.toReversed();
    for (const table of tables) {
      const progress = await readProgress(deps, table.name, tenants);
      const end = await phase(copying, table, progress);
      const now = end.progress;
      notes.push(
        `${table.name}: ${now.rows} rows in ${now.batches} batches, ${now.removed} removed, ${now.failures} failed`,
      );
      if (end.stop === 'held') return answer(HOLD_SECONDS, [describeHold((await readHold(deps)) ?? undefined)]);
      if (end.stop === 'window') return answer(WINDOW_SECONDS, ['outside the off-peak window; waits until it opens']);
      if (end.stop === 'time') return answer(0);
    }
    if (phase === copyTable) notes.length = 0;
  }
  return answer(null);
}

interface PhaseEnd {
  readonly progress: TableProgress;
  readonly stop: 'window' | 'time' | 'held' | null;
}

async function copyTable(copying: Copying, table: MigratedTable, from: TableProgress): Promise<PhaseEnd> {
  const { deps, byName } = copying.migration;
  const source = deps.databases.open('legacy', 'compare');
  const tenants = copying.tenants.map(({ tenant }) => tenant);
  let progress = from;
  while (!progress.done) {
    const stop = await mayGoOn(copying);
    if (stop !== null) return { progress, stop };
    const batch = await withRetries(deps, `copy of ${table.name}`, async () => {
      const page = readPage(table, byName, 'forward', {
        after: progress.after,
        through: null,
        limit: deps.plan.backfill.batchRows,
        bytes: deps.databases.pageBytes,
        tenants,
      });
      const rows = await source.query<SourceRow>(page);
      const read = toSnapshotRead(rows);
      const batchId = `backfill-${table.name}-${progress.batches}`;
      const applied = await applyReads(copying.migration, table, 'forward', read, batchId);
      return { read, more: rows.some((row) => row.more), applied: await readRefused(copying, table, applied, batchId) };
    });
    const { read, more, applied } = batch;
    progress = {
      ...withFailures(progress, applied.failed),
      after: read.rows.at(-1)?.rowKey ?? progress.after,
      rows: progress.rows + read.rows.length,
      batches: progress.batches + 1,
      done: !more,
    };
    if (progress.done) progress = await retryFailed(copying, table, progress);
    await saveProgress(deps, progress);
  }
  return { progress, stop: null };
}

/** Target rows of the tenants whose key legacy does not have, or has for somebody else, by an anti-join of key pages (protocol §5.5). */
async function sweepTable(copying: Copying, table: MigratedTable, from: TableProgress): Promise<PhaseEnd> {
  const { deps, byName } = copying.migration;
  const { batchRows: limit } = deps.plan.backfill;
  const tenants = copying.tenants.map(({ tenant }) => tenant);
  let progress = from;
  while (!progress.swept) {
    const stop = await mayGoOn(copying);
    if (stop !== null) return { progress, stop };
    const after = progress.sweptAfter;
    const { keys, result } = await withRetries(deps, `sweep of ${table.name}`, async () => {
      const found = await deps.databases
        .open('target', 'compare')
        .query<{ row_key: string }>(keyPage(table, byName, { after, limit, tenants }));
      const page = found.map((row) => row.row_key);
      const owners = await deps.databases.open('legacy', 'compare').query<KeyedRow>(findKeys(table, byName, page));
      const strays = owners.filter(({ tenant }) => tenant === null || !tenants.includes(tenant));
      const strayKeys = strays.map((row) => row.row_key);
      const batchId = `backfill-${table.name}-sweep`;
      return { keys: page, result: await repairKeys(copying.migration, table, 'forward', strayKeys, batchId) };
    });
    progress = {
      ...withFailures(progress, unwritten(result)),
      sweptAfter: keys.at(-1) ?? progress.sweptAfter,
      removed: progress.removed + result.applied.length,
      swept: keys.length < limit,
    };
    await saveProgress(deps, progress);
  }
  return { progress, stop: null };
}

/** Keeps to the window, to the call's time and to the rate. */
async function mayGoOn(copying: Copying): Promise<PhaseEnd['stop']> {
  const { clock, plan } = copying.migration.deps;
  if (await isDeliveryHeld(copying.migration.deps)) return 'held';
  const now = clock.now();
  if (plan.backfill.offPeak !== undefined && !isOpen(plan.backfill.offPeak, now)) return 'window';
  if (now.getTime() >= copying.until) return 'time';
  const { waitMs, pace } = paceNext(copying.pace, now.getTime());
  copying.pace = pace;
  if (waitMs > 0) await clock.sleep(waitMs);
  return null;
}

/** The door of a tenant opened after the snapshot: a fresh read is newer. What is refused again is reported. */
async function readRefused(
  copying: Copying,
  table: MigratedTable,
  applied: AppliedReads,
  batchId: string,
): Promise<AppliedReads> {
  let total = applied;
  for (let read = 0; read < FRESH_READS && total.refused.length > 0; read++) {
    const fresh = await repairKeys(copying.migration, table, 'forward', total.refused, batchId);
    total = addApplied({ ...total, refused: [] }, fresh);
  }
  const reason = 'refused: epoch, floor, admission or authority has moved';
  return {
    ...total,
    refused: [],
    failed: [...unwritten(total), ...total.refused.map((rowKey) => ({ rowKey, reason }))],
  };
}

/** A row that references a later one of its own table (a manager, say) can be written once that one is there. */
async function retryFailed(copying: Copying, table: MigratedTable, from: TableProgress): Promise<TableProgress> {
  let progress = from;
  for (;;) {
    const keys = progress.failed.map((row) => row.rowKey);
    if (keys.length === 0) return progress;
    const result = await withRetries(copying.migration.deps, `failed rows of ${table.name}`, () =>
      repairKeys(copying.migration, table, 'forward', keys, `backfill-${table.name}-failed`),
    );
    const beyond = progress.failures - progress.failed.length;
    const failed = unwritten(result);
    const hasGained = failed.length < keys.length;
    progress = { ...progress, failed, failures: beyond + failed.length };
    if (!hasGained) return progress;
  }
}

/** The relay works its queue as well; here the rows are kept because only an equal copy counts. */
function unwritten({ failed, queued }: AppliedReads): TableProgress['failed'] {
  return [...failed, ...queued.map((rowKey) => ({ rowKey, reason: 'waits for a row that it references' }))];
}

function withFailures(progress: TableProgress, failed: TableProgress['failed']): TableProgress {
  const unknown = failed.filter(({ rowKey }) => !progress.failed.some((known) => known.rowKey === rowKey));
  return {
    ...progress,
    failed: [...progress.failed, ...unknown].slice(0, MAX_FAILED),
    failures: progress.failures + unknown.length,
  };
}
