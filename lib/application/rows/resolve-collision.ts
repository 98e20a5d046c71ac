/**
 * Two rows want one unique value. Versions decide (protocol §7): the newer one gets it, the loser is repaired by a fresh read.
 * Retrying alone may never end, and evicting whoever holds the value loses rows.
 */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { type Purpose, SqlError, type SqlSession } from '../../ports/sql.ts';
import {
  type ComparedRow,
  compareWithHolder,
  evictHolder,
  findHolder,
  giveAwayValue,
  type IncomingVersion,
  wantSameValues,
} from '../../sql/apply/collision.ts';
import { type UniqueIndexRow, uniqueIndex } from '../../sql/catalogue/unique-index.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import { readKeys, type SourceRow } from '../../sql/source/read-rows.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Migration } from '../migration.ts';

export type Resolution =
  /** The value is free: apply the incoming row again. */
  | { readonly kind: 'freed' }
  /** The holder is newer; the incoming row is queued for a fresh read. */
  | { readonly kind: 'older' }
  /** Never by itself: the receiver does not allow what the source holds. */
  | { readonly kind: 'stuck'; readonly reason: string }
  /** Not yet: other rows have to be delivered first. */
  | { readonly kind: 'wait'; readonly reason: string };

export async function resolveCollision(
  migration: Migration,
  direction: Direction,
  purpose: Purpose,
  table: MigratedTable,
  incoming: {
    readonly rowKey: string;
    readonly row: string;
    readonly version: IncomingVersion;
    readonly authority: string;
  },
  error: SqlError,
  /** Rows that may be evicted, and the only ones that are queued; undefined: all. */
  among?: ReadonlySet<string>,
): Promise<Resolution> {
  const store = migration.deps.databases.open(receiverOf(direction), purpose);
  const constraint = error.constraint;
  if (constraint === undefined) return { kind: 'stuck', reason: 'a unique violation that names no constraint' };
  const index = await store.query<UniqueIndexRow>(uniqueIndex(quoteRelation(table), constraint));
  if (index.length === 0)
    return { kind: 'stuck', reason: `unique violation of ${constraint}, which is not an index of ${table.name}` };

  const columns = direction === 'forward' ? table.targetColumns : table.legacyColumns;
  const free = (evict: (holder: string) => Statement) =>
    store.transaction(async (session): Promise<Resolution> => {
      const [holder] = await session.query<{ row_key: string }>(
        findHolder(table, index, incoming.rowKey, incoming.row),
      );
      if (holder === undefined) return { kind: 'freed' };
      const [compared] = await session.query<ComparedRow>(
        compareWithHolder(table.name, holder.row_key, incoming.rowKey, incoming.version, {
          authority: incoming.authority,
          direction,
        }),
      );
      // Whoever stalled here while authority moved must not touch a row of the store that is in force now (protocol §9.3); the write refuses it.
      if (compared?.in_force !== true) return { kind: 'freed' };
      const isStricter =
        compared?.same_read === true ||
        (incoming.version.kind === 'S' &&
          (await collideAtSource(migration, direction, session, table, index, incoming.rowKey, holder.row_key)));
      if (isStricter) {
        return {
          kind: 'stuck',
          reason: `${constraint}: ${sourceOf(direction)} holds two rows that the receiver's unique constraint does not allow together; the other is ${holder.row_key}`,
        };
      }
      if (among !== undefined && !among.has(holder.row_key))
        return {
          kind: 'stuck',
          reason: `${constraint}: ${table.name} ${holder.row_key} holds its value and is not written with it`,
        };
      if (compared?.newer !== true) {
        await session.query(queueRepairs(table.name, [incoming.rowKey], `${constraint} is held by a newer row`));
        return { kind: 'older' };
      }
      await session.query(evict(holder.row_key));
      await session.query(queueRepairs(table.name, [holder.row_key], `${constraint} was taken by a newer row`));
      return { kind: 'freed' };
    });

  try {
    return await free((holder) => evictHolder(table, index, holder));
  } catch (refused) {
    if (!isHeldFast(refused)) throw refused;
  }
  // The holder cannot go: its children would go with it, or refuse; or a check wants the value not to be NULL.
  const wait: Resolution = {
    kind: 'wait',
    reason: `${constraint}: the row that holds the value is referred to and its columns are NOT NULL`,
  };
  if (giveAwayValue(table, columns, index, '') === null) return wait;
  try {
    return await free((holder) => giveAwayValue(table, columns, index, holder) ?? evictHolder(table, index, holder));
  } catch (refused) {
    // A check on the column, or a child that refers to the value itself.
    if (refused instanceof SqlError && refused.sqlState?.startsWith('23') === true) return wait;
    throw refused;
  }
}

function isHeldFast(error: unknown): boolean {
  return error instanceof SqlError && (error.kind === 'foreign-key' || error.sqlState === '23514');
}

/**
 * Two rows read at different moments may still collide under one read: then each repair would evict the other for ever. Both are
 * read again together; only what collides there is the receiver's own strictness (protocol §7).
 */
async function collideAtSource(
  migration: Migration,
  direction: Direction,
  receiver: SqlSession,
  table: MigratedTable,
  index: readonly UniqueIndexRow[],
  rowKey: string,
  holder: string,
): Promise<boolean> {
  const source = migration.deps.databases.open(sourceOf(direction), 'compare');
  const rows = await source.query<SourceRow>(readKeys(table, migration.byName, direction, [rowKey, holder]));
  const [one, other] = rows.map((read) => read.row);
  if (one == null || other == null) return false;
  const [answer] = await receiver.query<{ same: boolean }>(wantSameValues(table, index, one, other));
  return answer?.same === true;
}
