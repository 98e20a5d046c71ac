/**
 * Tenants that appeared after the switchover: legacy has no door for them, and an event of before the door opened would be
 * refused. They are turned on, and the rows of the events at hand are queued for a fresh read, which covers those events.
 */
import { type Direction, receiverOf } from '../../domain/direction.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import type { Migration } from '../migration.ts';
import { turnOn } from '../tenants/exposure.ts';
import type { Claimed, ClaimedEvent } from './deliver.ts';

/** @returns the events that can be delivered now; the others are pending and claimed again under their tenant's new door. */
export async function adoptNewTenants(migration: Migration, direction: Direction, claimed: Claimed): Promise<Claimed> {
  if (direction === 'forward') return claimed;
  const isNew = (event: ClaimedEvent) => event.newTenant !== null && event.newGeneration === null;
  const strangers = claimed.events.filter(isNew);
  if (strangers.length === 0) return claimed;
  const { deps } = migration;
  for (const tenant of new Set(strangers.flatMap((event) => event.newTenant ?? []))) {
    await turnOn(deps, direction, { tenant, stage: 'rampdown', copied: true, why: 'new since the switchover' });
    deps.log.info('a tenant that is new since the switchover is relayed to legacy', { tenant });
  }
  const receiver = deps.databases.open(receiverOf(direction), 'backfill');
  for (const [table, events] of Map.groupBy(strangers, (event) => event.table)) {
    await receiver.query(
      queueRepairs(table, [...new Set(events.map((event) => event.rowKey))], 'its tenant is new since the switchover'),
    );
  }
  return { ...claimed, events: claimed.events.filter((event) => !isNew(event)) };
}
