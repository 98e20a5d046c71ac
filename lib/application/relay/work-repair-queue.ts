/** Rows that lost a unique value, or missed their turn, are read afresh and written as they are now (protocol §7). */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf } from '../../domain/direction.ts';
import { endRepairs, type QueuedRepair, queueRepairs, takeRepairs } from '../../sql/repair/repair-queue.ts';
import type { Migration } from '../migration.ts';
import { repairKeys } from '../rows/apply-reads.ts';
import { type RowAddress, readReferences, repairTogether } from '../rows/repair-together.ts';
import { isDeliveryHeld } from './delivery-hold.ts';

const REPAIRS_AT_ONCE = 500;
/** Groups of rows that wait for each other: each costs several round trips. */
const GROUPS_AT_ONCE = 50;

/** An entry that cannot be repaired stays queued, behind the others and with its reason. */
export async function workRepairQueue(migration: Migration, direction: Direction): Promise<void> {
  const { deps } = migration;
  if (await isDeliveryHeld(deps)) return;
  const receiver = deps.databases.open(receiverOf(direction), 'backfill');
  const queued = await receiver.query<QueuedRepair>(takeRepairs(REPAIRS_AT_ONCE));
  const takenAt = queued[0]?.taken_at ?? deps.clock.now().toISOString();
  const batchId = () => `repair-${deps.newId().slice(0, 8)}`;
  const end = async (table: string, keys: readonly string[]) => {
    if (keys.length > 0) await receiver.query(endRepairs(table, keys, takenAt));
  };
  const waiting: RowAddress[] = [];
  for (const [name, entries] of Map.groupBy(queued, (entry) => entry.table_name)) {
    const table = migration.byName.get(name);
    const keys = entries.map((entry) => entry.row_key);
    if (table === undefined) {
      // To the back: left in front, they would be all that is ever taken.
      await receiver.query(queueRepairs(name, keys, 'its table is not in the deployed plan'));
      continue;
    }
    const result = await repairKeys(migration, table, direction, keys, batchId(), { rememberAbsent: true });
    await end(name, [...result.applied, ...result.newer, ...result.absent]);
    waiting.push(...result.queued.map((rowKey) => ({ table, rowKey })));
    for (const [reason, failed] of Map.groupBy(result.failed, (failure) => failure.reason)) {
      deps.log.warn('queued repairs failed and stay queued', { table: name, rows: failed.length, reason });
      await receiver.query(
        queueRepairs(
          name,
          failed.map(({ rowKey }) => rowKey),
          reason,
        ),
      );
    }
  }
  await repairWaiting(migration, direction, waiting, batchId);
}

/** What waits for other rows is tried together with them. */
async function repairWaiting(
  migration: Migration,
  direction: Direction,
  waiting: readonly RowAddress[],
  batchId: () => string,
): Promise<void> {
  if (waiting.length === 0) return;
  const receiver = migration.deps.databases.open(receiverOf(direction), 'backfill');
  const references = await readReferences(migration, direction);
  const done = new Set<string>();
  for (const address of waiting.slice(0, GROUPS_AT_ONCE)) {
    if (done.has(`${address.table.name} ${address.rowKey}`)) continue;
    // They have been queued anew meanwhile; what is queued after this read stays.
    const [now] = await receiver.query<{ at: string }>(CLOCK);
    const together = await repairTogether(migration, direction, references, address, batchId());
    for (const { table, rowKey } of together) {
      done.add(`${table.name} ${rowKey}`);
      await receiver.query(endRepairs(table.name, [rowKey], now?.at ?? ''));
    }
  }
}

const CLOCK = { text: 'SELECT clock_timestamp()::text AS at', values: [] };
