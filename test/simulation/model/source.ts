/** Statements on the source, each atomic: claims, marks, and reads under a snapshot. */
import type { Authority, ClaimedEvent, ReadRow } from './receiver.ts';
import type { Snapshot } from './snapshot.ts';
import type { Key, OutboxEvent, Status, Store, TenantState } from './store.ts';
import type { Direction, Tenant } from './verdicts.ts';
import type { World } from './world.ts';

export interface Claim extends Authority {
  readonly events: readonly ClaimedEvent[];
}

export interface ClaimRequest {
  readonly direction: Direction;
  readonly shard: number;
  readonly shards: number;
  readonly holder: string;
  readonly limit: number;
  /** What a relay that remembers flags believes; the correct one reads them here. */
  readonly remembered?: ReadonlyMap<Tenant, TenantState> | undefined;
  /** Only events behind this seq: the weaker rule of a high-water mark. */
  readonly behind?: number | undefined;
}

/** Lease, suppression and claim under one snapshot (protocol §5.1). @returns undefined while another worker has the shard. */
export function claim(world: World, request: ClaimRequest): Claim | undefined {
  const { direction, shard, shards, holder, limit, remembered, behind = 0 } = request;
  const source = world.sourceOf(direction);
  const { authority } = source.control;
  if (source.control.direction !== direction) return { authority, direction, events: [] };
  const lease = source.leases.get(shard);
  if (lease !== undefined && lease !== holder) return undefined;
  source.leases.set(shard, holder);
  const pending = source.outbox
    .filter(({ status, seq, key }) => status === 'pending' && seq > behind && key % shards === shard)
    .toSorted((one, other) => one.seq - other.seq)
    .slice(0, limit);
  return { authority, direction, events: wantedOf(world, source, pending, remembered ?? source.tenants) };
}

/** One event that went to the retry queue, under the generation and authority of now. */
export function claimOne(world: World, direction: Direction, seq: number, epoch: number): Claim {
  const source = world.sourceOf(direction);
  const { authority } = source.control;
  const isInForce = source.control.direction === direction;
  const found = source.outbox.filter(
    (event) => isInForce && event.seq === seq && event.epoch === epoch && event.status === 'retry',
  );
  return { authority, direction, events: wantedOf(world, source, found, source.tenants) };
}

function wantedOf(
  world: World,
  source: Store,
  events: readonly OutboxEvent[],
  tenants: ReadonlyMap<Tenant, TenantState>,
): readonly ClaimedEvent[] {
  return events.flatMap((event): readonly ClaimedEvent[] => {
    const was = event.oldTenant === null ? undefined : tenants.get(event.oldTenant);
    const now = event.newTenant === null ? undefined : tenants.get(event.newTenant);
    if (was?.isOn !== true && now?.isOn !== true) {
      event.status = 'suppressed';
      world.note(() => `  seq ${event.seq} is suppressed`);
      return [];
    }
    const epoch = world.rules.epochStamped === 'at-claim' ? source.epoch : event.epoch;
    const stamped = { oldGeneration: generationOf(was), newGeneration: generationOf(now) };
    return [{ event, epoch, oldTenant: event.oldTenant, ...stamped }];
  });
}

/** Of a tenant that is on. */
function generationOf(state: TenantState | undefined): number | null {
  return state?.isOn === true ? state.generation : null;
}

/** A terminal state is never left, and what waits for a person only by redrive. */
export function mark(world: World, source: Store, marks: ReadonlyMap<OutboxEvent, Status>): void {
  for (const [event, status] of marks) {
    // Restored: the event of the lost timeline is not there any more.
    if (!source.outbox.includes(event)) continue;
    if (event.status !== 'pending' && event.status !== 'retry') continue;
    event.status = status;
    world.note(() => `  seq ${event.seq}: ${status}`);
  }
}

export function readRows(source: Store, keys: readonly Key[]): readonly ReadRow[] {
  return keys.map((key) => ({ key, state: source.stateOf(key) }));
}

export function sourceFacts(world: World, direction: Direction): Authority & { epoch: number; snapshot: Snapshot } {
  const source = world.sourceOf(direction);
  return {
    authority: source.control.authority,
    direction,
    epoch: source.epoch,
    snapshot: source.snapshot(world.rules.snapshotText),
  };
}
