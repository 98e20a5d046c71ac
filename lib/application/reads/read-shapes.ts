/**
 * The tables as the router needs them. Their shapes come from both catalogues; a container that starts while a store is down
 * takes the copy that an earlier one left in the bucket, so that reads of the other store go on (invariant 8).
 */
import type { MigratedTable } from '../../domain/table.ts';
import type { TablesByName } from '../../sql/row.ts';
import type { Deps } from '../deps.ts';
import { readTables } from '../read-tables.ts';
import { withinTime } from './within-time.ts';

/** A catalogue is read in some 10 ms; a store that resumes takes up to a minute and a half. */
const PATIENCE_MS = 3_000;

/** @throws what the catalogues threw, when there is no copy either. */
export async function readShapes(deps: Deps): Promise<TablesByName> {
  const copy = `shapes/${deps.planHash}.json`;
  const catalogues = readTables(deps.plan, deps.databases);
  const read = await withinTime(deps.clock, PATIENCE_MS, catalogues).catch((error: unknown) => {
    deps.log.warn('the catalogues cannot be read; the tables are taken from the last copy', { error: String(error) });
    return undefined;
  });
  if (read !== undefined) {
    await keepCopy(deps, copy, read.value);
    return byName(read.value);
  }
  const kept = await deps.objects.get(copy).catch(() => undefined);
  // Written by keepCopy, and by the same plan.
  return byName(kept === undefined ? await catalogues : (JSON.parse(kept) as readonly MigratedTable[]));
}

async function keepCopy(deps: Deps, copy: string, tables: readonly MigratedTable[]): Promise<void> {
  const text = JSON.stringify(tables);
  try {
    if ((await deps.objects.get(copy)) !== text) await deps.objects.put(copy, text, 'application/json');
  } catch (error) {
    deps.log.warn('the copy of the tables cannot be kept', { error: String(error) });
  }
}

function byName(tables: readonly MigratedTable[]): TablesByName {
  return new Map(tables.map((table) => [table.name, table]));
}
