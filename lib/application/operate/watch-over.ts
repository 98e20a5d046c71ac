/**
 * What nobody is running for and somebody has to notice: a phase past its compatibility window, capture or a fence that was
 * taken off. Called by the controller once a minute; each is a metric with an alarm.
 */
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import { FORWARD_MACHINES } from '../../domain/phase.ts';
import { uncapturedTables, unfencedTables } from '../install/install.ts';
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

  const direction = await directionInForce(deps);
  const open = await unfencedTables(migration, direction);
  deps.metrics.record('foreignWrites', open.length, { store: receiverOf(direction) });
  if (open.length > 0)
    deps.log.error('tables that must be fenced accept application writes', {
      store: receiverOf(direction),
      tables: open,
    });
  const uncaptured = await uncapturedTables(migration, direction);
  deps.metrics.record('foreignWrites', uncaptured.length, { store: sourceOf(direction) });
  if (uncaptured.length > 0)
    deps.log.error('writes escape: capture is missing or disabled', { store: sourceOf(direction), tables: uncaptured });
}
