/** Step `compare-chunks`: one batch of the Distributed Map. An item that has a result is not read again, so a redriven cycle goes on. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { counted } from '../../domain/counted.ts';
import { sourceOf } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import type { Deps } from '../deps.ts';
import { proceed } from '../machines/step.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { compareKeys } from './compare-keys.ts';
import { compareSpan, type SpanResult } from './compare-span.ts';
import { type ChunkItem, type Cycle, hasResult, readCycle, type StoredChunk, saveResult } from './cycle-store.ts';

/** @throws {SqlError} that a retry may mend; what no retry mends is the item's result. */
export async function compareChunks(deps: Deps, _run: Run, data: unknown): Promise<StepResult> {
  const items = itemsOf(data);
  const [first] = items;
  if (first === undefined) return proceed({ notes: ['an empty batch'] });
  const migration = await loadMigration(deps);
  const cycle = await readCycle(deps.objects, first.cycle);
  let compared = 0;
  for (const item of items) {
    if (await hasResult(deps.objects, item)) continue;
    await saveResult(deps.objects, item, await compareOne(migration, cycle, item));
    compared += 1;
  }
  return proceed({ notes: [`compared ${compared} of ${counted(items.length, 'chunk')}`] });
}

async function compareOne(migration: Migration, cycle: Cycle, item: ChunkItem): Promise<StoredChunk> {
  const { table } = item;
  const { log, clock } = migration.deps;
  const startedAt = clock.now().getTime();
  try {
    const result = await compareItem(migration, cycle, item);
    const { rows, chunks, differing, keys } = result;
    const ms = clock.now().getTime() - startedAt;
    const statement = 'keys' in item ? 'fingerprint-keys' : 'digest-parts';
    // Never values, nor keys.
    const counts = { rows, chunks, differing: differing.length, differingKeys: keys.length, ms };
    log.debug('an item is compared', { cycle: cycle.id, table, chunk: item.n, statement, ...counts });
    return { table, ...result };
  } catch (error) {
    if (!(error instanceof SqlError) || error.kind === 'transient' || error.kind === 'unavailable') throw error;
    log.error('a chunk cannot be compared', { table, chunk: item.n, message: error.message });
    return { table, error: `chunk ${item.n} of ${table}: ${error.message}` };
  }
}

async function compareItem(
  migration: Migration,
  { comparison, scopeKind }: Cycle,
  item: ChunkItem,
): Promise<SpanResult> {
  const compared = comparison.tables.find((candidate) => candidate.table === item.table);
  if (compared === undefined)
    throw new SqlError(`table ${item.table} is not part of its cycle`, { kind: 'configuration' });
  if ('keys' in item) return compareKeys(migration, comparison, compared, item.keys);
  const countTenants = scopeKind === 'full' ? sourceOf(comparison.direction) : false;
  return compareSpan(migration, compared, item, { countTenants });
}

function itemsOf(data: unknown): readonly ChunkItem[] {
  if (typeof data !== 'object' || data === null || !('items' in data) || !Array.isArray(data.items))
    throw new RangeError('compare-chunks came without Items; it is called by the Distributed Map');
  // The list that plan-chunks wrote.
  return data.items as ChunkItem[];
}
