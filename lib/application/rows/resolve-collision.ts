/**
 * Two rows want one unique value. Versions decide (protocol §7): the newer one gets it, the loser is repaired by a fresh read.
 * Retrying alone may never end, and evicting whoever holds the value loses rows.
 */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { type Purpose, SqlError } from '../../ports/sql.ts';
import {
  type ComparedRow,
  compareWithHolder,
  evictHolder,
  findHolder,
  type IncomingVersion,
} from '../../sql/apply/collision.ts';
import { type UniqueIndexRow, uniqueIndex } from '../../sql/catalogue/unique-index.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import type { Migration } from '../migration.ts';

export type Resolution =
  /** The value is free: apply the incoming row again. */
  | { readonly kind: 'freed' }
  /** The holder is newer; the incoming row is queued for a fresh read. */
  | { readonly kind: 'older' }
  | { readonly kind: 'stuck'; readonly reason: string };

export async function resolveCollision(
  migration: Migration,
  direction: Direction,
  purpose: Purpose,
  table: MigratedTable,
  incoming: { readonly rowKey: string; readonly row: string; readonly version: IncomingVersion },
  error: SqlError,
): Promise<Resolution> {
  const store = migration.deps.databases.open(receiverOf(direction), purpose);
  const constraint = error.constraint;
  if (constraint === undefined) return { kind: 'stuck', reason: 'a unique violation that names no constraint' };
  const index = await store.query<UniqueIndexRow>(uniqueIndex(quoteRelation(table), constraint));
  if (index.length === 0)
    return { kind: 'stuck', reason: `unique violation of ${constraint}, which is not an index of ${table.name}` };

  try {
    return await store.transaction(async (session) => {
      const [holder] = await session.query<{ row_key: string }>(
        findHolder(table, index, incoming.rowKey, incoming.row),
      );
      if (holder === undefined) return { kind: 'freed' };
      const [compared] = await session.query<ComparedRow>(
        compareWithHolder(table.name, holder.row_key, incoming.rowKey, incoming.version),
      );
      if (compared?.same_read === true) {
        return {
          kind: 'stuck',
          reason: `${constraint}: legacy holds two rows that the receiver's unique constraint does not allow together`,
        };
      }
      if (compared?.newer !== true) {
        await session.query(queueRepairs(table.name, [incoming.rowKey], `${constraint} is held by a newer row`));
        return { kind: 'older' };
      }
      await session.query(evictHolder(table, index, holder.row_key));
      await session.query(queueRepairs(table.name, [holder.row_key], `${constraint} was taken by a newer row`));
      return { kind: 'freed' };
    });
  } catch (cause) {
    // A referenced row cannot be removed: its children would go with it, or refuse.
    if (cause instanceof SqlError && cause.kind === 'foreign-key')
      return {
        kind: 'stuck',
        reason: `${constraint}: the row that holds the value is referenced and its columns are NOT NULL`,
      };
    throw cause;
  }
}
