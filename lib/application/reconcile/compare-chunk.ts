/** Compares one chunk: two digests, and only where they differ parts, then rows (design §4). What comes out are keys, not yet drift. */
import { inPages, type KeyBounds } from '../../domain/chunk.ts';
import { STORES, type StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { chunkBounds } from '../../sql/compare/chunk-bounds.ts';
import { digestRange, type RangeDigest } from '../../sql/compare/digest-range.ts';
import { digestParts, digestRows, type PartDigest, type RowDigest, type Split } from '../../sql/compare/split-range.ts';
import { type Migration, tableNamed } from '../migration.ts';
import type { ComparedTable } from './comparison.ts';

export interface ChunkResult {
  /** Rows compared: of the store that has more of them. */
  readonly rows: number;
  readonly leftOut: number;
  readonly differs: boolean;
  /** Row keys that looked different, to be settled. */
  readonly keys: readonly string[];
}

/** Rows whose key and digest are asked for at once: about 200 bytes each, within one result of the Data API. */
const ROWS_AT_ONCE = 2_000;

export async function compareChunk(
  migration: Migration,
  compared: ComparedTable,
  range: KeyBounds,
): Promise<ChunkResult> {
  const table = tableNamed(migration, compared.table);
  const { tenants, fingerprint } = compared;
  const [legacy, target] = await inBoth(async (store) => {
    const statement = digestRange(table, migration.byName, store, range, tenants, fingerprint);
    const [digest] = await sessionOf(migration, store).query<RangeDigest>(statement);
    if (digest === undefined) throw new RangeError('an aggregate always answers with one row');
    return digest;
  });
  const rows = Math.max(Number(legacy.rows), Number(target.rows));
  const leftOut = Number(legacy.left_out);
  const differs = legacy.rows !== target.rows || legacy.digest !== target.digest;
  const keys = differs ? await findDifferingKeys(migration, table, compared, range, rows) : [];
  return { rows, leftOut, differs, keys };
}

async function findDifferingKeys(
  migration: Migration,
  table: MigratedTable,
  { tenants, fingerprint }: ComparedTable,
  range: KeyBounds,
  rows: number,
): Promise<readonly string[]> {
  const size = migration.deps.plan.reconcile.splitRows;
  // Cut where the store with more rows in the range has its keys: the other one may have none.
  const [inLegacy, inTarget] = await inBoth((store) =>
    sessionOf(migration, store).query<{ row_key: string }>(
      chunkBounds(table, range, size, Math.ceil(rows / size) + 1_000),
    ),
  );
  const bounds = (inLegacy.length >= inTarget.length ? inLegacy : inTarget).map((row) => row.row_key);
  const split: Split = { range, bounds, tenants, fingerprint };
  const [legacy, target] = await inBoth((store) =>
    sessionOf(migration, store).query<PartDigest>(digestParts(table, migration.byName, store, split)),
  );
  const parts = differingParts(legacy, target);
  const keys: string[] = [];
  for (const page of inPages(parts, Math.max(1, Math.floor(ROWS_AT_ONCE / size)))) {
    const [ofLegacy, ofTarget] = await inBoth((store) =>
      sessionOf(migration, store).query<RowDigest>(digestRows(table, migration.byName, store, split, page)),
    );
    keys.push(...differingKeys(ofLegacy, ofTarget));
  }
  return keys;
}

function differingParts(legacy: readonly PartDigest[], target: readonly PartDigest[]): readonly number[] {
  const shown = (parts: readonly PartDigest[]) =>
    new Map(parts.map((part) => [part.part, `${part.rows}/${part.digest}`]));
  const [left, right] = [shown(legacy), shown(target)];
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter((part) => left.get(part) !== right.get(part))
    .sort((a, b) => a - b);
}

function differingKeys(legacy: readonly RowDigest[], target: readonly RowDigest[]): readonly string[] {
  const digests = (rows: readonly RowDigest[]) => new Map(rows.map((row) => [row.row_key, row.digest]));
  const [left, right] = [digests(legacy), digests(target)];
  return [...new Set([...left.keys(), ...right.keys()])].filter((key) => left.get(key) !== right.get(key));
}

function sessionOf(migration: Migration, store: StoreName) {
  return migration.deps.databases.open(store, 'compare');
}

/** Legacy first. */
async function inBoth<Result>(ask: (store: StoreName) => Promise<Result>): Promise<readonly [Result, Result]> {
  const [legacy, target] = await Promise.all(STORES.map(ask));
  // STORES has two.
  return [legacy as Result, target as Result];
}
