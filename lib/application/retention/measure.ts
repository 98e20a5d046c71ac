/** Size, age and oldest snapshot of Crossfade's own tables: metrics with alarms, and a document for `status --json` and `doctor`. */
import { type Direction, receiverOf, STORES, type StoreName, sourceOf } from '../../domain/direction.ts';
import { measureStore, type StoreSizeRow } from '../../sql/retention/measure-store.ts';
import type { Deps } from '../deps.ts';
import { type FloorState, readFloor } from './floor.ts';
import { outboxKeptMs } from './kept.ts';

export const MEASURE_EVERY_MS = 60_000;

export interface StoreSize {
  readonly store: StoreName;
  readonly bytes: number;
  readonly outboxRows: number;
  readonly versionRows: number;
  readonly logRows: number;
  /** How long ago the oldest outbox row that has ended should have gone; 0: retention keeps up, or what is old has not ended. */
  readonly overdueMs: number;
  readonly oldestTransactionMs: number;
  /** Age of the floor under the row versions; null before the first. */
  readonly floorMs: number | null;
}

export function retentionId(store: StoreName): string {
  return `retention/${store}`;
}

/** It throws nothing: what cannot be measured must not hold up delivery. */
export async function recordSizes(deps: Deps): Promise<void> {
  for (const store of STORES) {
    try {
      const size = await measure(deps, store);
      deps.metrics.record('ownBytes', size.bytes, { store });
      deps.metrics.record('retentionOverdue', size.overdueMs, { store });
      deps.metrics.record('oldestTransaction', size.oldestTransactionMs, { store });
      const at = deps.clock.now().toISOString();
      const work = retentionId(store);
      await deps.documents.put('progress', work, { work, state: { ...size }, at }, 'any');
    } catch (error) {
      deps.log.warn('the size of a store could not be measured', { store, reason: String(error) });
    }
  }
}

async function measure(deps: Deps, store: StoreName): Promise<StoreSize> {
  const [row] = await deps.databases.open(store, 'compare').query<StoreSizeRow>(measureStore);
  if (row === undefined) throw new RangeError(`${store} has no crossfade schema`);
  const direction: Direction = sourceOf('forward') === store ? 'forward' : 'reverse';
  const inbound: Direction = receiverOf('forward') === store ? 'forward' : 'reverse';
  const floor = await readFloor(deps, inbound);
  const now = deps.clock.now().getTime();
  return {
    store,
    bytes: Number(row.outbox_bytes) + Number(row.version_bytes) + Number(row.log_bytes),
    outboxRows: Number(row.outbox_rows),
    versionRows: Number(row.version_rows),
    logRows: Number(row.log_rows),
    overdueMs: (await hasSetAside(deps, direction))
      ? 0
      : Math.max(0, (row.oldest_event_ms ?? 0) - outboxKeptMs(deps.plan)),
    oldestTransactionMs: Math.round(row.oldest_transaction_ms),
    floorMs: ageOf(floor, now),
  };
}

/** The oldest row is then one that waits for a person, which has its own alarm. */
async function hasSetAside(deps: Deps, direction: Direction): Promise<boolean> {
  const state = (await deps.documents.get('progress', `relay/${direction}`))?.value.state;
  return ['pending', 'retry', 'parked', 'dead'].some((name) => Number(state?.[name] ?? 0) > 0);
}

function ageOf(floor: FloorState | undefined, now: number): number | null {
  return floor?.floorAt == null ? null : now - Date.parse(floor.floorAt);
}
