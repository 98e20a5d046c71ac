/**
 * After a store was restored to an earlier state: a new epoch in both, doors opened anew under it, and every tenant copied again
 * before its delivery counts (protocol §8). A person asks for it; the relay carries it out. Every step may be repeated.
 */
import type { ProgressDocument } from '../../contracts/documents.ts';
import { type Direction, receiverOf, type StoreName, sourceOf } from '../../domain/direction.ts';
import { MACHINES } from '../../domain/phase.ts';
import type { Stage } from '../../domain/stage.ts';
import { SqlError } from '../../ports/sql.ts';
import {
  type BegunEpochRow,
  beginReceiverEpoch,
  beginSourceEpoch,
  type OlderRow,
  olderTransactions,
  reopenTenant,
} from '../../sql/history/new-epoch.ts';
import {
  type ReceiverHistoryRow,
  readReceiverHistory,
  readSourceHistory,
  type SourceHistoryRow,
} from '../../sql/history/tokens.ts';
import { turnTenantOff } from '../../sql/tenants/tenant-state.ts';
import type { Deps } from '../deps.ts';
import { closeIncident, openIncidents } from '../incidents/incidents.ts';
import { forgetHold } from '../relay/delivery-hold.ts';
import { mirrorTenants, tenantStates, turnOn } from '../tenants/exposure.ts';
import { readAdmissions } from '../tenants/read-pages.ts';
import { HOLDER } from './guard-history.ts';

/** State of the progress document `recover/<direction>`. */
export interface RecoverState {
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly why: string;
  /** Decided once, so that a repeated step does the same. */
  readonly epoch?: number | undefined;
  readonly tenants?: readonly { readonly tenant: string; readonly generation: number }[] | undefined;
  /** Transaction that began the epoch in the source: older ones are waited for. */
  readonly xid?: string | undefined;
  /** null: not yet. */
  readonly carriedOutAt: string | null;
}

export function recoverId(direction: Direction): string {
  return `recover/${direction}`;
}

/** Cheap when nothing was asked for. Called by the relay of `direction`, held or not. */
export async function carryOutRecovery(deps: Deps, direction: Direction): Promise<void> {
  const stored = await deps.documents.get('progress', recoverId(direction));
  if (stored === undefined || stored.value.state.carriedOutAt !== null) return;
  // Written by `recover` and by this.
  let state = stored.value.state as unknown as RecoverState;
  const save = async (next: RecoverState): Promise<void> => {
    state = next;
    const document: ProgressDocument = {
      work: recoverId(direction),
      state: { ...next },
      at: deps.clock.now().toISOString(),
    };
    await deps.documents.put('progress', recoverId(direction), document, 'any');
  };
  try {
    if (state.epoch === undefined || state.tenants === undefined)
      await save({ ...state, ...(await decide(deps, direction)) });
    const { epoch = 0, tenants = [] } = state;
    await deps.databases.open(receiverOf(direction), 'apply').transaction(async (session) => {
      for (const statement of beginReceiverEpoch(epoch)) await session.query(statement);
    });
    if (state.xid === undefined) await save({ ...state, xid: await beginInSource(deps, direction, epoch) });
    if (await hasOlder(deps, direction, state.xid ?? '')) {
      deps.log.info('a new epoch waits for the transactions of the old one', { direction, epoch });
      return;
    }
    await reopen(deps, direction, epoch, tenants);
    await settle(deps, direction, state);
    await save({ ...state, carriedOutAt: deps.clock.now().toISOString() });
    deps.log.info('a new epoch has begun; every tenant is to be copied again', { direction, epoch });
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    deps.log.warn('the recovery is not carried out yet; it is tried again', { direction, reason: error.message });
  }
}

/** Who was on is what the store remembers that was not restored. */
async function decide(deps: Deps, direction: Direction): Promise<Pick<RecoverState, 'epoch' | 'tenants'>> {
  const [sent] = await deps.databases.open(sourceOf(direction), 'relay').query<SourceHistoryRow>(readSourceHistory);
  const receiver = deps.databases.open(receiverOf(direction), 'apply');
  const [seen] = await receiver.query<ReceiverHistoryRow>(readReceiverHistory);
  const doors = await readAdmissions(receiver);
  const states = await tenantStates(deps, direction);
  const isReceiverLost = (await lostStore(deps, direction)) === receiverOf(direction);
  const on = (isReceiverLost ? states : doors).filter(({ is_on }) => is_on).map(({ tenant }) => tenant);
  return {
    epoch: Math.max(sent?.epoch ?? 0, seen?.source_epoch ?? 0) + 1,
    tenants: on.map((tenant) => ({
      tenant,
      generation: Math.max(
        0,
        ...[...doors, ...states].filter((known) => known.tenant === tenant).map(({ generation }) => generation),
      ),
    })),
  };
}

async function lostStore(deps: Deps, direction: Direction): Promise<StoreName | undefined> {
  return (await openIncidents(deps)).find(({ kind, subject }) => kind === 'history-lost' && subject === direction)
    ?.store;
}

async function beginInSource(deps: Deps, direction: Direction, epoch: number): Promise<string> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const [begun] = await source.query<BegunEpochRow>(beginSourceEpoch(epoch));
  if (begun !== undefined) return begun.xid;
  // Begun already, and the note of it was lost: every transaction that is open now is waited for instead.
  const [now] = await source.query<BegunEpochRow>({ text: 'SELECT pg_current_xact_id()::text AS xid', values: [] });
  return now?.xid ?? '';
}

async function hasOlder(deps: Deps, direction: Direction, xid: string): Promise<boolean> {
  const [row] = await deps.databases.open(sourceOf(direction), 'relay').query<OlderRow>(olderTransactions(xid));
  return (row?.older ?? 0) > 0;
}

/** Forward a tenant is copied anew by `backfill`; in reverse a cycle compares and repairs, because the receiver was whole before. */
async function reopen(
  deps: Deps,
  direction: Direction,
  epoch: number,
  tenants: NonNullable<RecoverState['tenants']>,
): Promise<void> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const why = `epoch ${epoch}: a store was restored to an earlier state`;
  const stage: Stage = direction === 'forward' ? 'dualwrite' : 'rampdown';
  const copied = direction === 'reverse';
  const doors = await readAdmissions(deps.databases.open(receiverOf(direction), 'apply'));
  const wanted = new Set(tenants.map(({ tenant }) => tenant));
  for (const state of await tenantStates(deps, direction))
    if (state.is_on && !wanted.has(state.tenant)) await source.query(turnTenantOff(state.tenant, why));
  for (const { tenant, generation } of tenants) {
    if (doors.some((door) => door.tenant === tenant && door.is_on && door.generation > generation)) continue;
    await source.query(reopenTenant(tenant, generation, stage, copied, why));
    await turnOn(deps, direction, { tenant, stage, copied, why });
  }
  await mirrorTenants(deps, direction);
}

/** What was passed was passed with rows of another history. */
async function settle(
  deps: Deps,
  direction: Direction,
  { requestedBy, why, epoch, tenants = [] }: RecoverState,
): Promise<void> {
  if (direction === 'forward') {
    for (const machine of MACHINES.slice(MACHINES.indexOf('backfill'))) {
      const stored = await deps.documents.get('machine', machine);
      if (stored === undefined) continue;
      const left = Object.entries(stored.value.passed).filter(
        ([tenant]) => !tenants.some((each) => each.tenant === tenant),
      );
      await deps.documents.put(
        'machine',
        machine,
        { ...stored.value, passed: Object.fromEntries(left) },
        stored.version,
      );
    }
  }
  const at = deps.clock.now().toISOString();
  for (const incident of await openIncidents(deps)) {
    if (incident.kind !== 'history-lost' || incident.subject !== direction) continue;
    await closeIncident(deps, incident, { by: requestedBy, at, why: `epoch ${epoch} has begun: ${why}` });
  }
  const control = await deps.documents.get('control', 'control');
  if (control?.value.deliveryHeld?.by !== HOLDER) return;
  const { deliveryHeld: _, ...kept } = control.value;
  await deps.documents.put('control', 'control', kept, control.version);
  forgetHold(deps);
}
