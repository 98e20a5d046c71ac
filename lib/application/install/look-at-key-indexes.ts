/**
 * Whether every table with a text key has an index in the order of the walk, in both stores: what notes, `doctor` and the install go
 * by. Reads catalogues only.
 */
import { STORES, type StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { type KeyIndexRow, keyIndexes, needsKeyIndex } from '../../sql/install/key-index.ts';
import type { Migration } from '../migration.ts';

/** Progress document, from the install to the end: `missing`, for doctor. */
export const KEY_INDEXES = 'key-indexes';

export interface KeyIndexState extends KeyIndexRow {
  readonly store: StoreName;
  readonly table: MigratedTable;
}

/** Every table with a text key and each of its partitions; those of one table with the partitioned ones last. */
export async function readKeyIndexes(
  migration: Migration,
  stores: readonly StoreName[] = STORES,
): Promise<readonly KeyIndexState[]> {
  const found: KeyIndexState[] = [];
  for (const store of stores) {
    // With pg_monitor, so that a build of whomever is seen.
    const session = migration.deps.databases.open(store, 'compare');
    for (const table of migration.tables.filter(needsKeyIndex)) {
      const rows = await session.query<KeyIndexRow>(keyIndexes(table));
      found.push(...rows.map((row) => ({ ...row, store, table })));
    }
  }
  return found;
}

/** `legacy public.orders`: walked by sorting all of it for every page. */
export async function missingKeyIndexes(migration: Migration): Promise<readonly string[]> {
  return (await readKeyIndexes(migration)).filter(isKeyIndexMissing).map(describeKeyIndex);
}

/** Once a minute by the relay, for `doctor`: somebody may drop one. Before the install and after the end nobody misses any. */
export async function watchKeyIndexes(migration: Migration): Promise<void> {
  const { documents, log } = migration.deps;
  try {
    const stored = await documents.get('progress', KEY_INDEXES);
    if (stored === undefined || !migration.tables.some(needsKeyIndex)) return;
    await rememberKeyIndexes(migration, await missingKeyIndexes(migration));
  } catch (error) {
    log.warn('the indexes of the keys cannot be looked at', { reason: String(error) });
  }
}

export async function rememberKeyIndexes({ deps }: Migration, missing: readonly string[]): Promise<void> {
  const at = deps.clock.now().toISOString();
  await deps.documents.put('progress', KEY_INDEXES, { work: KEY_INDEXES, state: { missing }, at }, 'any');
}

export function isKeyIndexMissing({ served, own, valid }: KeyIndexState): boolean {
  return !served && (own === null || !valid);
}

export async function readKeyIndex(
  { deps }: Migration,
  { store, table, schema, relation }: KeyIndexState,
): Promise<KeyIndexState | undefined> {
  const rows = await deps.databases.open(store, 'compare').query<KeyIndexRow>(keyIndexes(table));
  const row = rows.find((candidate) => candidate.schema === schema && candidate.relation === relation);
  return row === undefined ? undefined : { ...row, store, table };
}

export function describeKeyIndex({ store, schema, relation }: KeyIndexState): string {
  return `${store} ${schema}.${relation}`;
}
