/** Reads rows in both stores by key: what settles whether a difference is drift, and whether a repair worked. */
import { receiverOf, type StoreName, sourceOf } from '../../domain/direction.ts';
import type { RowSight } from '../../domain/drift.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { fingerprintKeys, type KeyedRow } from '../../sql/compare/rows-by-key.ts';
import { undeliveredKeys } from '../../sql/relay/undelivered-keys.ts';
import { type Migration, tableNamed } from '../migration.ts';
import type { ComparedTable, Comparison } from './comparison.ts';

/**
 * Source first, then what is undelivered, then the receiver: an event that was open when the source was read is either still
 * open, or has reached the receiver before it is read.
 */
export async function sightRows(
  migration: Migration,
  comparison: Comparison,
  compared: ComparedTable,
  rowKeys: readonly string[],
): Promise<readonly RowSight[]> {
  const table = tableNamed(migration, compared.table);
  const source = sourceOf(comparison.direction);
  const receiver = receiverOf(comparison.direction);
  const atSource = await readStore(migration, source, table, compared, rowKeys);
  // A queued repair is not in flight: one that can never succeed stays queued, and must not hide its row.
  const inFlight = new Set(await keysOf(migration, source, undeliveredKeys(table.name, rowKeys)));
  const atReceiver = await readStore(migration, receiver, table, compared, rowKeys);
  return rowKeys.map((rowKey) => {
    const has = atSource.get(rowKey);
    const got = atReceiver.get(rowKey);
    const isJudged = has?.tenant == null || !comparison.leftOut.includes(has.tenant);
    const wanted = isInside(compared, has) ? (has?.digest ?? null) : null;
    // A row that the source wants here counts wherever the receiver has put it.
    const found = wanted !== null || (isJudged && isInside(compared, got)) ? (got?.digest ?? null) : null;
    return {
      rowKey,
      tenant: has?.tenant ?? got?.tenant ?? null,
      legacy: source === 'legacy' ? wanted : found,
      target: source === 'legacy' ? found : wanted,
      inFlight: inFlight.has(rowKey),
    };
  });
}

function isInside({ tenants }: ComparedTable, row: KeyedRow | undefined): boolean {
  if (row?.tenant == null) return false;
  return tenants === null || tenants.includes(row.tenant);
}

async function readStore(
  migration: Migration,
  store: StoreName,
  table: MigratedTable,
  { fingerprint }: ComparedTable,
  rowKeys: readonly string[],
): Promise<ReadonlyMap<string, KeyedRow>> {
  const session = migration.deps.databases.open(store, 'compare');
  const rows = await session.query<KeyedRow>(fingerprintKeys(table, migration.byName, store, rowKeys, fingerprint));
  return new Map(rows.map((row) => [row.row_key, row]));
}

async function keysOf(
  migration: Migration,
  store: StoreName,
  statement: ReturnType<typeof undeliveredKeys>,
): Promise<readonly string[]> {
  const rows = await migration.deps.databases.open(store, 'compare').query<{ row_key: string }>(statement);
  return rows.map((row) => row.row_key);
}
