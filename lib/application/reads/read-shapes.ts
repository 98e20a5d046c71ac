/**
 * The tables as the router needs them. Their shapes come from both catalogues; a container that starts while a store is down
 * takes the copy that an earlier one left in the control table, so that reads of the other store go on (invariant 8).
 */
import type { MigratedTable } from '../../domain/table.ts';
import type { TablesByName } from '../../sql/row.ts';
import type { Deps } from '../deps.ts';
import { readTables } from '../read-tables.ts';
import { withinTime } from './within-time.ts';

/** A catalogue is read in some 10 ms; a store that resumes takes up to a minute and a half. */
const PATIENCE_MS = 3_000;
/** The role `read` has 200 ms a statement on the target, and a cold cache may need more. */
const TRIES = 3;

type ShapeDeps = Pick<Deps, 'plan' | 'planHash' | 'databases' | 'documents' | 'clock' | 'log'>;

/** @throws what the catalogues threw, when there is no copy either. */
export async function readShapes(deps: ShapeDeps): Promise<TablesByName> {
  const catalogues = readCatalogues(deps);
  const read = await withinTime(deps.clock, PATIENCE_MS, catalogues).catch((error: unknown) => {
    deps.log.warn('the catalogues cannot be read', { error: String(error) });
    return undefined;
  });
  if (read !== undefined) {
    await keepCopy(deps, read.value);
    return byName(read.value);
  }
  const copy = await readCopy(deps);
  deps.log.warn(copy === undefined ? 'there is no copy of the tables' : 'the tables are taken from their last copy');
  return byName(copy ?? (await catalogues));
}

/** Everything that this function opens is opened as `read`: it answers the outside and has no other role. */
async function readCatalogues({ plan, databases }: ShapeDeps): Promise<readonly MigratedTable[]> {
  const asReader = {
    ...databases,
    open: (store: Parameters<typeof databases.open>[0]) => databases.open(store, 'read'),
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await readTables(plan, asReader);
    } catch (error) {
      if (attempt >= TRIES) throw error;
    }
  }
}

/** One document a table, because a document holds 400 KB. */
const COPY_PREFIX = 'shape/';

async function keepCopy(
  { documents, planHash, clock, log }: ShapeDeps,
  tables: readonly MigratedTable[],
): Promise<void> {
  try {
    for (const [place, table] of tables.entries()) {
      const id = `${COPY_PREFIX}${table.name}`;
      const state = { planHash, place, tables: tables.length, shape: JSON.stringify(table) };
      const kept = await documents.get('progress', id);
      if (JSON.stringify(kept?.value.state) === JSON.stringify(state)) continue;
      await documents.put('progress', id, { work: id, state, at: clock.now().toISOString() }, 'any');
    }
  } catch (error) {
    log.warn('the copy of the tables cannot be kept', { error: String(error) });
  }
}

/** undefined unless the copy is whole and of this plan. */
async function readCopy({ documents, planHash }: ShapeDeps): Promise<readonly MigratedTable[] | undefined> {
  const kept = await documents.list('progress', { from: COPY_PREFIX, to: 'shape0' }).catch(() => []);
  const states = kept.map(({ value }) => value.state).filter((state) => state.planHash === planHash);
  const isWhole = states.length > 0 && states.every((state) => state.tables === states.length);
  if (!isWhole) return undefined;
  // Written by keepCopy.
  return states
    .toSorted((one, other) => Number(one.place) - Number(other.place))
    .map((state) => JSON.parse(String(state.shape)) as MigratedTable);
}

function byName(tables: readonly MigratedTable[]): TablesByName {
  return new Map(tables.map((table) => [table.name, table]));
}
