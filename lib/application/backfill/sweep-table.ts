/** Target rows of the tenants whose key legacy does not have, or has for somebody else, by an anti-join of key pages (protocol §5.5). */
import type { MigratedTable } from '../../domain/table.ts';
import { keyPage } from '../../sql/compare/key-page.ts';
import { findKeys, type KeyedRow } from '../../sql/compare/rows-by-key.ts';
import { repairKeys } from '../rows/apply-reads.ts';
import { unwritten, withFailures } from './apply-page.ts';
import type { Copying } from './copy-table.ts';
import { findEnd } from './fix-end.ts';
import { saveProgress, type TableProgress } from './progress.ts';
import { withRetries } from './with-retries.ts';

const SAVE_EVERY_MS = 1_000;

export async function sweepTable(copying: Copying, table: MigratedTable, from: TableProgress): Promise<TableProgress> {
  if (from.swept) return from;
  const { governor, slots, migration } = copying;
  const { deps, byName } = migration;
  const tenants = copying.tenants.map(({ tenant }) => tenant);
  // What comes into the target behind this key came by the relay.
  const through = from.sweepThrough === undefined ? await findEnd(migration, table, 'target') : from.sweepThrough;
  let progress: TableProgress = { ...from, sweepThrough: through, swept: through === null };
  let savedAt = deps.clock.now().getTime();
  const sweepPage = async (limit: number): Promise<void> => {
    const after = progress.sweptAfter;
    const began = deps.clock.now().getTime();
    const { keys, result } = await withRetries(deps, `sweep of ${table.name}`, async () => {
      const found = await deps.databases
        .open('target', 'compare')
        .query<{ row_key: string }>(keyPage(table, byName, { after, through, limit, tenants }));
      const page = found.map((row) => row.row_key);
      if (page.length === 0) return { keys: page, result: null };
      const owners = await deps.databases.open('legacy', 'compare').query<KeyedRow>(findKeys(table, byName, page));
      const strays = owners.filter(({ tenant }) => tenant === null || !tenants.includes(tenant));
      const strayKeys = strays.map((row) => row.row_key);
      const batchId = `backfill-${table.name}-sweep`;
      return {
        keys: page,
        result: await repairKeys(migration, table, 'forward', strayKeys, batchId, { patience: 'retried' }),
      };
    });
    progress = {
      ...withFailures(progress, result === null ? [] : unwritten(result)),
      sweptAfter: keys.at(-1) ?? progress.sweptAfter,
      sweptKeys: (progress.sweptKeys ?? 0) + keys.length,
      removed: progress.removed + (result?.applied.length ?? 0),
      swept: keys.length < limit,
    };
    // Rows that are looked at are not rows that are copied.
    await governor.finished({ rows: 0, ms: deps.clock.now().getTime() - began });
  };
  try {
    while (!progress.swept) {
      const free = await slots.take();
      try {
        if ((await governor.permit()) !== null) break;
        await sweepPage(governor.rate().batchRows);
      } finally {
        free();
      }
      if (deps.clock.now().getTime() - savedAt < SAVE_EVERY_MS) continue;
      savedAt = deps.clock.now().getTime();
      await saveProgress(deps, progress);
    }
    if (progress.swept) progress = { ...progress, endedAt: deps.clock.now().toISOString() };
  } finally {
    await saveProgress(deps, progress);
  }
  return progress;
}
