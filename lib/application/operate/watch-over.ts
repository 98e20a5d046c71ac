/**
 * What nobody is running for and somebody has to notice: a phase past its compatibility window, capture or a fence that was
 * taken off, a write past the fence. Called by the controller once a minute; each is a metric with an alarm.
 */
import { FORWARD_MACHINES } from '../../domain/phase.ts';
import { watchStores } from '../incidents/watch-stores.ts';
import type { Migration } from '../migration.ts';
import { directionInForce } from '../switch/authority.ts';
import { numbersOf } from './deployed-plan.ts';
import { type MachineDocuments, useWindows } from './migration-progress.ts';

export async function watchOver(migration: Migration): Promise<void> {
  const { deps } = migration;
  const documents = await Promise.all(
    FORWARD_MACHINES.map(async (machine) => [machine, (await deps.documents.get('machine', machine))?.value] as const),
  );
  // Object.fromEntries forgets that the names are machines.
  const machines = Object.fromEntries(documents) as MachineDocuments;
  const windows = useWindows(machines, numbersOf(deps.plan).windows, deps.clock.now());
  const exceeded = windows.filter(
    (window) => window.closedAt === null && window.maxMs !== null && window.usedMs > window.maxMs,
  );
  deps.metrics.record('windowExceeded', exceeded.length);
  for (const { phase, usedMs, maxMs } of exceeded)
    deps.log.warn('a phase is past its compatibility window', { phase, usedMs, maxMs });

  await watchStores(migration, await directionInForce(deps));
}
