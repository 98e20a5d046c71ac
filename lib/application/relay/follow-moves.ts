/**
 * A row that moves to another tenant takes along what hangs on it. Capture sees those rows as its own transaction does: a child
 * that another transaction was writing at the same time was captured under the old tenant, and would be suppressed, or left
 * behind. So the move's event ends only when all transactions of its time have ended and its descendants are queued for a fresh
 * read; until then it waits, and a relay that dies begins anew.
 */
import { type Direction, receiverOf, sourceOf } from '../../domain/direction.ts';
import {
  descendantChains,
  descendantKeys,
  type HorizonRow,
  transactionHorizon,
} from '../../sql/relay/descendant-keys.ts';
import type { EventMark } from '../../sql/relay/mark-events.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import type { Deps } from '../deps.ts';
import type { Migration } from '../migration.ts';
import type { Claimed, ClaimedEvent } from './deliver.ts';

const LOOK_AGAIN_MS = 200;
const KEYS_A_PAGE = 2_000;

/** By event: the first transaction that began after its move was seen. Kept in memory only, because a later one is as good. */
const horizons = new WeakMap<Deps, Map<string, bigint>>();

/** @returns the marks, with those of moves that have not been followed yet turned into waiting. */
export async function followMoves(
  migration: Migration,
  direction: Direction,
  claimed: Claimed,
  marks: readonly EventMark[],
): Promise<readonly EventMark[]> {
  const moves = endedMoves(migration, claimed, marks);
  if (moves.length === 0) return marks;
  const { deps } = migration;
  const [horizon] = await deps.databases.open(sourceOf(direction), 'relay').query<HorizonRow>(transactionHorizon);
  if (horizon === undefined) throw new RangeError('a snapshot always has an horizon');
  const known = horizons.get(deps) ?? new Map<string, bigint>();
  horizons.set(deps, known);
  const waiting = new Set<string>();
  const ready: ClaimedEvent[] = [];
  for (const move of moves) {
    const name = `${direction} ${move.seq}`;
    const since = known.get(name) ?? BigInt(horizon.next);
    if (BigInt(horizon.oldest) >= since) {
      known.delete(name);
      ready.push(move);
    } else {
      known.set(name, since);
      waiting.add(String(move.seq));
    }
  }
  for (const [name, events] of Map.groupBy(ready, ({ table }) => table))
    await queueDescendants(migration, direction, name, events);
  return marks.map((mark) =>
    waiting.has(mark.seq)
      ? {
          seq: mark.seq,
          state: 'pending',
          reason:
            'its row moved to another tenant; waits for the transactions of that time, to read afresh what hangs on it',
          waitMs: LOOK_AGAIN_MS,
        }
      : mark,
  );
}

function endedMoves({ byName }: Migration, { events }: Claimed, marks: readonly EventMark[]): readonly ClaimedEvent[] {
  const moves = events.filter(({ table, oldTenant, newTenant }) => {
    if (oldTenant === null || newTenant === null || oldTenant === newTenant) return false;
    const known = byName.get(table);
    return known !== undefined && descendantChains(known, byName).length > 0;
  });
  if (moves.length === 0) return [];
  const ended = new Set(
    marks
      .filter(({ state }) => state === 'published' || state === 'superseded' || state === 'covered')
      .map(({ seq }) => seq),
  );
  return moves.filter(({ seq }) => ended.has(String(seq)));
}

async function queueDescendants(
  migration: Migration,
  direction: Direction,
  tableName: string,
  events: readonly ClaimedEvent[],
): Promise<void> {
  const table = migration.byName.get(tableName);
  if (table === undefined) return;
  const { databases } = migration.deps;
  const source = databases.open(sourceOf(direction), 'relay');
  const receiver = databases.open(receiverOf(direction), 'apply');
  const rowKeys = [...new Set(events.map(({ rowKey }) => rowKey))];
  for (const chain of descendantChains(table, migration.byName)) {
    // In the receiver too: a row that was deleted behind the move is there alone, its own event suppressed.
    for (const session of [source, receiver]) {
      let after: string | null = null;
      for (;;) {
        const found: readonly { row_key: string }[] = await session.query<{ row_key: string }>(
          descendantKeys(table, chain, rowKeys, after, KEYS_A_PAGE),
        );
        const keys = found.map(({ row_key }) => row_key);
        if (keys.length > 0)
          await receiver.query(queueRepairs(chain[0]?.name ?? '', keys, `follows ${tableName} to another tenant`));
        if (keys.length < KEYS_A_PAGE) break;
        after = keys.at(-1) ?? null;
      }
    }
  }
}
