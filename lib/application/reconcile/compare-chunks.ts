/** Step `compare-chunks`: one batch of the Distributed Map. A chunk that has a result is not read again, so a redriven cycle goes on. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { SqlError } from '../../ports/sql.ts';
import type { Deps } from '../deps.ts';
import { proceed } from '../machines/step.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { compareChunk } from './compare-chunk.ts';
import { type ChunkItem, type Cycle, hasResult, readCycle, type StoredChunk, saveResult } from './cycle-store.ts';

/** @throws {SqlError} that a retry may mend; what no retry mends is the chunk's result. */
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
  return proceed({ notes: [`compared ${compared} of ${items.length} chunks`] });
}

async function compareOne(migration: Migration, cycle: Cycle, item: ChunkItem): Promise<StoredChunk> {
  const { table } = item;
  const compared = cycle.comparison.tables.find((candidate) => candidate.table === table);
  if (compared === undefined) return { table, error: `table ${table} is not part of cycle ${cycle.id}` };
  try {
    return { table, ...(await compareChunk(migration, compared, item)) };
  } catch (error) {
    if (!(error instanceof SqlError) || error.kind === 'transient' || error.kind === 'unavailable') throw error;
    migration.deps.log.error('a chunk cannot be compared', { table, chunk: item.n, message: error.message });
    return { table, error: `chunk ${item.n} of ${table}: ${error.message}` };
  }
}

function itemsOf(data: unknown): readonly ChunkItem[] {
  if (typeof data !== 'object' || data === null || !('items' in data) || !Array.isArray(data.items))
    throw new RangeError('compare-chunks came without Items; it is called by the Distributed Map');
  // The list that plan-chunks wrote.
  return data.items as ChunkItem[];
}
