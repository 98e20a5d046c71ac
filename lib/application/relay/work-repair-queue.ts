/** Rows that lost a unique value, or missed their turn, are read afresh and written as they are now (protocol §7). */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf } from '../../domain/direction.ts';
import { endRepairs, type QueuedRepair, takeRepairs } from '../../sql/repair/repair-queue.ts';
import type { Migration } from '../migration.ts';
import { repairKeys } from '../rows/apply-reads.ts';

const REPAIRS_AT_ONCE = 500;

/** An entry that cannot be repaired stays queued, with its reason in the log. */
export async function workRepairQueue(migration: Migration, direction: Direction): Promise<void> {
  const { deps } = migration;
  const receiver = deps.databases.open(receiverOf(direction), 'backfill');
  const queued = await receiver.query<QueuedRepair>(takeRepairs(REPAIRS_AT_ONCE));
  for (const [name, entries] of Map.groupBy(queued, (entry) => entry.table_name)) {
    const table = migration.byName.get(name);
    if (table === undefined) continue;
    const keys = entries.map((entry) => entry.row_key);
    const result = await repairKeys(migration, table, direction, keys, `repair-${deps.newId().slice(0, 8)}`);
    const ended = [...result.applied, ...result.newer, ...result.absent];
    if (ended.length > 0)
      await receiver.query(endRepairs(name, ended, entries[0]?.taken_at ?? deps.clock.now().toISOString()));
    for (const { rowKey, reason } of result.failed)
      deps.log.warn('a queued repair failed and stays queued', { table: name, rowKey, reason });
  }
}
