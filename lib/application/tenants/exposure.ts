/**
 * Turning tenants on and off, in the order that loses nothing and brings nothing back (protocol §5), and mirroring what is in
 * effect to the documents that readers and `status` see.
 */
import { type Direction, receiverOf, sourceOf } from '../../domain/direction.ts';
import type { Stage } from '../../domain/stage.ts';
import { flushSource } from '../../sql/source/flush.ts';
import { currentSnapshot, type SnapshotRow } from '../../sql/source/snapshot.ts';
import { type AdmissionRow, closeAdmission, listAdmissions, openAdmission } from '../../sql/tenants/admission.ts';
import {
  listTenantStates,
  markTenantsCopied,
  setTenantStage,
  type TenantStateRow,
  turnTenantOff,
  turnTenantOn,
} from '../../sql/tenants/tenant-state.ts';
import type { Deps } from '../deps.ts';

export interface TurnOn {
  readonly tenant: string;
  readonly stage: Stage;
  /** True when the receiver is known to hold the tenant's rows already (the reverse direction at switchover). */
  readonly copied: boolean;
  readonly why: string;
  /** Version of the flags that it was decided under. */
  readonly flagsVersion?: number | undefined;
}

/** Steps (i) to (iii). Safe to repeat after a crash at any point: whatever is missing is done. */
export async function turnOn(
  deps: Deps,
  direction: Direction,
  { tenant, stage, copied, why, flagsVersion }: TurnOn,
): Promise<TenantStateRow> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const receiver = deps.databases.open(receiverOf(direction), 'apply');
  await source.query(turnTenantOn(tenant, stage, copied, why, flagsVersion));
  const state = (await tenantStates(deps, direction)).find((row) => row.tenant === tenant);
  if (state === undefined) throw new RangeError(`tenant ${tenant} was turned on but has no state`);
  const doors = await receiver.query<AdmissionRow>(listAdmissions);
  const open = doors.some((door) => door.tenant === tenant && door.is_on && door.generation === state.generation);
  if (!open) {
    // G, taken after the state is committed: every write that it does not show is an event that was not suppressed.
    const [taken] = await source.query<SnapshotRow>(currentSnapshot);
    if (taken === undefined || taken.standby)
      throw new RangeError(`${sourceOf(direction)} is a standby or has no crossfade schema; exposure needs its writer`);
    await source.query(flushSource);
    await receiver.query(openAdmission(tenant, state.generation, taken.snapshot));
  }
  return state;
}

/** Claims suppress from now on; closing the door waits for applies in flight, and later ones write nothing. */
export async function turnOff(
  deps: Deps,
  direction: Direction,
  tenant: string,
  why: string,
  flagsVersion?: number | undefined,
): Promise<void> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const [turned] = await source.query<TenantStateRow>(turnTenantOff(tenant, why, flagsVersion));
  const state = turned ?? (await tenantStates(deps, direction)).find((row) => row.tenant === tenant);
  // On again since then: the door is not this "off"'s any more.
  if (state === undefined || state.is_on) return;
  await deps.databases.open(receiverOf(direction), 'apply').query(closeAdmission(tenant, state.generation));
}

export async function tenantStates(deps: Deps, direction: Direction): Promise<readonly TenantStateRow[]> {
  return deps.databases.open(sourceOf(direction), 'relay').query<TenantStateRow>(listTenantStates);
}

/** Step (v): from here on the tenants count as on, and are compared. */
export async function markCopied(
  deps: Deps,
  direction: Direction,
  tenants: readonly { readonly tenant: string; readonly generation: number }[],
): Promise<void> {
  await deps.databases.open(sourceOf(direction), 'relay').query(markTenantsCopied(tenants));
  await mirrorTenants(deps, direction);
}

/** Moves tenants that are on to another stage, with the share of reads that the target answers, and mirrors it. */
export async function setStage(
  deps: Deps,
  direction: Direction,
  tenants: readonly string[],
  stage: Stage,
  readPercent: number,
  why: string,
): Promise<void> {
  const wish = await deps.flags.read();
  await deps.databases.open(sourceOf(direction), 'relay').query(setTenantStage(tenants, stage, why, wish?.version));
  await mirrorTenants(deps, direction, { tenants, readPercent });
}

/** Writes what is in effect to the tenant documents; the source's table is the truth, the documents its mirror. */
export async function mirrorTenants(
  deps: Deps,
  direction: Direction,
  reads?: { readonly tenants: readonly string[]; readonly readPercent: number },
): Promise<void> {
  const states = await tenantStates(deps, direction);
  const known = new Map((await deps.documents.list('tenant')).map((stored) => [stored.id, stored.value]));
  const wish = await deps.flags.read();
  for (const state of states) {
    const before = known.get(state.tenant);
    const chosen = reads?.tenants.includes(state.tenant) ? reads.readPercent : (before?.readPercent ?? 0);
    const readPercent = state.is_on && state.stage !== 'dualwrite' ? chosen : 0;
    await deps.documents.put(
      'tenant',
      state.tenant,
      {
        tenant: state.tenant,
        stage: state.stage,
        generation: state.generation,
        on: state.is_on,
        copied: state.copied,
        readPercent,
        since: state.since,
        why: state.why,
        flagsVersion: state.flags_version ?? wish?.version ?? null,
      },
      'any',
    );
  }
}
