/** Reads rows in both stores by key: what settles whether a difference is drift, and whether a repair worked. */
import { receiverOf, type StoreName, sourceOf } from '../../domain/direction.ts';
import { type RowSight, SET_ASIDE_STATES, type SetAside } from '../../domain/drift.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { overtakenEvents, type ReceiverRecordRow, receiverRecord } from '../../sql/compare/receiver-record.ts';
import { fingerprintKeys, type KeyedRow } from '../../sql/compare/rows-by-key.ts';
import { type AncestorMoveRow, type AncestorRow, ancestorMoves, ancestorsOf } from '../../sql/relay/ancestor-moves.ts';
import { type OpenEventRow, openEvents } from '../../sql/relay/open-events.ts';
import type { Statement } from '../../sql/statement.ts';
import { type Migration, tableNamed } from '../migration.ts';
import type { ComparedTable, Comparison } from './comparison.ts';
import { inHalves } from './in-halves.ts';

type Open = Pick<OpenEventRow, 'moving' | 'state' | 'reason' | 'open_ms'>;

/**
 * Source first, then what is open, then the receiver's records, then its rows: an event that was open when the source was read is
 * either still open, or has reached the receiver, or has left a queued repair there, before the receiver is read. Marks are
 * written after the apply has committed, repairs are queued before the mark, and leave the queue after they have committed.
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
  // Halves, because the longest keys that an index takes are 2.7 KB.
  const open = await inHalves(rowKeys, (keys) => ask<OpenEventRow>(migration, source, openEvents(table.name, keys)));
  const records = await inHalves(rowKeys, (keys) =>
    ask<ReceiverRecordRow>(migration, receiver, receiverRecord(table.name, keys)),
  );
  const atReceiver = await readStore(migration, receiver, table, compared, rowKeys);
  const waiting = new Map<string, Open>(await withoutOvertaken(migration, receiver, table, open));
  const recordOf = new Map(records.map((record) => [record.row_key, record]));
  const sights = rowKeys.map((rowKey): RowSight => {
    const has = atSource.get(rowKey);
    const got = atReceiver.get(rowKey);
    const isJudged = has?.tenant == null || !comparison.leftOut.includes(has.tenant);
    const wanted = isInside(compared, has) ? (has?.digest ?? null) : null;
    // A row that the source wants here counts wherever the receiver has put it.
    const found = wanted !== null || (isJudged && isInside(compared, got)) ? (got?.digest ?? null) : null;
    const record = recordOf.get(rowKey);
    return {
      rowKey,
      tenant: has?.tenant ?? got?.tenant ?? null,
      legacy: source === 'legacy' ? wanted : found,
      target: source === 'legacy' ? found : wanted,
      ...progressOf(waiting.get(rowKey)),
      // A queued repair is on its way like an event. One that never succeeds is not, and must not hide its row.
      ...(isQueuedOfLate(migration, record) ? { inFlight: true } : {}),
      version: record?.version ?? null,
    };
  });
  const gone = rowKeys.filter((rowKey) => atSource.get(rowKey)?.digest == null);
  return withAncestors(migration, { source, receiver }, table, sights, gone);
}

/** A parked event that is older than what the receiver holds would be refused: whatever differs, it does not explain it. */
async function withoutOvertaken(
  migration: Migration,
  receiver: StoreName,
  table: MigratedTable,
  open: readonly OpenEventRow[],
): Promise<readonly (readonly [string, Open])[]> {
  const aside = open.filter((event) => !event.moving).map(({ row_key, ...event }) => ({ rowKey: row_key, ...event }));
  const overtaken = new Set(
    aside.length === 0
      ? []
      : (await ask<{ row_key: string }>(migration, receiver, overtakenEvents(table.name, aside))).map(
          ({ row_key }) => row_key,
        ),
  );
  return open.filter(({ row_key }) => !overtaken.has(row_key)).map((event) => [event.row_key, event]);
}

/**
 * Rows that are in one store only, and that nothing of their own explains, may be waiting for a parent that moves. Their parents
 * are looked up in both stores: a row that was deleted after its parent had moved is in the receiver alone.
 */
async function withAncestors(
  migration: Migration,
  { source, receiver }: { readonly source: StoreName; readonly receiver: StoreName },
  table: MigratedTable,
  sights: readonly RowSight[],
  gone: readonly string[],
): Promise<readonly RowSight[]> {
  const alone = sights.filter(({ legacy, target, inFlight }) => !inFlight && (legacy === null) !== (target === null));
  const keys = alone.map(({ rowKey }) => rowKey);
  const lookUp = ancestorsOf(table, migration.byName, keys);
  if (keys.length === 0 || lookUp === null) return sights;
  const ancestors = [
    ...(await ask<AncestorRow>(migration, source, lookUp)),
    ...(await ask<AncestorRow>(migration, receiver, lookUp)),
  ];
  const moving = await ask<AncestorMoveRow>(migration, source, ancestorMoves(table.name, ancestors, gone));
  const moves = new Map(moving.map((move) => [move.row_key, move]));
  return sights.map((sight) =>
    moves.has(sight.rowKey) ? { ...sight, ...progressOf(moves.get(sight.rowKey)) } : sight,
  );
}

function progressOf(open: Open | undefined): Pick<RowSight, 'inFlight' | 'setAside' | 'openMs'> {
  if (open === undefined) return { inFlight: false, setAside: null };
  const state = SET_ASIDE_STATES.find((known) => known === open.state);
  const isAside = !open.moving && state !== undefined;
  const setAside: SetAside | null = isAside ? { state, reason: open.reason ?? 'no reason recorded' } : null;
  return { inFlight: true, setAside, openMs: Number(open.open_ms) };
}

/** Younger than what `dual-write` lets an event or a repair take. */
function isQueuedOfLate({ deps }: Migration, record: ReceiverRecordRow | undefined): boolean {
  const queuedMs = record?.queued_ms ?? null;
  return queuedMs !== null && queuedMs < deps.plan.dualWrite.lagLimit;
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
  const rows = await inHalves(rowKeys, (keys) =>
    ask<KeyedRow>(migration, store, fingerprintKeys(table, migration.byName, store, keys, fingerprint)),
  );
  return new Map(rows.map((row) => [row.row_key, row]));
}

function ask<Row>(migration: Migration, store: StoreName, statement: Statement): Promise<readonly Row[]> {
  return migration.deps.databases.open(store, 'compare').query<Row>(statement);
}
