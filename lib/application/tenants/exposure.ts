/**
 * Turning tenants on and off, in the order that loses nothing and brings nothing back (protocol §5), and mirroring what is in
 * effect to the documents that readers and `status` see.
 */
import type { TenantDocument } from '../../contracts/documents.ts';
import { type Direction, receiverOf, sourceOf } from '../../domain/direction.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import type { Stage } from '../../domain/stage.ts';
import { flushSource } from '../../sql/source/flush.ts';
import { currentSnapshot, type SnapshotRow } from '../../sql/source/snapshot.ts';
import { type AdmissionRow, closeAdmission, openAdmission } from '../../sql/tenants/admission.ts';
import {
  markTenantsCopied,
  setTenantStage,
  type TenantStateRow,
  turnTenantOff,
  turnTenantOn,
} from '../../sql/tenants/tenant-state.ts';
import type { Deps } from '../deps.ts';
import { readAdmissions, readTenantStates } from './read-pages.ts';

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
  const doors = await doorsOf(deps, direction);
  const door = doors.find((known) => known.tenant === tenant);
  await deps.databases
    .open(sourceOf(direction), 'relay')
    .query(turnTenantOn(tenant, door?.generation ?? 0, stage, copied, why, flagsVersion));
  const state = (await tenantStates(deps, direction)).find((row) => row.tenant === tenant);
  if (state === undefined) throw new RangeError(`tenant ${tenant} was turned on but has no state`);
  if (!isOpenFor(door, state)) await openDoor(deps, direction, state);
  return state;
}

/** Steps (ii) and (iii). G is taken after the state is committed: every write that it does not show is an event that was not suppressed. */
async function openDoor(deps: Deps, direction: Direction, { tenant, generation }: TenantStateRow): Promise<void> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const [taken] = await source.query<SnapshotRow>(currentSnapshot);
  if (taken === undefined || taken.standby)
    throw new RangeError(`${sourceOf(direction)} is a standby or has no crossfade schema; exposure needs its writer`);
  await source.query(flushSource);
  await deps.databases
    .open(receiverOf(direction), 'apply')
    .query(openAdmission(tenant, generation, taken.snapshot, taken.epoch));
}

/** Whoever turned a tenant on or off may have died half way: its door is brought in line with its state. */
export async function mendDoors(deps: Deps, direction: Direction): Promise<void> {
  const doors = new Map((await doorsOf(deps, direction)).map((door) => [door.tenant, door]));
  for (const state of await tenantStates(deps, direction)) {
    const door = doors.get(state.tenant);
    if (state.is_on && !isOpenFor(door, state)) {
      deps.log.warn('the door of a tenant that is on was not open; it is opened', { tenant: state.tenant });
      await openDoor(deps, direction, state);
    } else if (!state.is_on && door?.is_on === true && door.generation <= state.generation) {
      deps.log.warn('the door of a tenant that is off was open; it is closed', { tenant: state.tenant });
      await deps.databases.open(receiverOf(direction), 'apply').query(closeAdmission(state.tenant, state.generation));
    }
  }
}

function isOpenFor(door: AdmissionRow | undefined, { generation }: TenantStateRow): boolean {
  return door?.is_on === true && door.generation === generation;
}

function doorsOf(deps: Deps, direction: Direction): Promise<readonly AdmissionRow[]> {
  return readAdmissions(deps.databases.open(receiverOf(direction), 'apply'));
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
  return readTenantStates(deps.databases.open(sourceOf(direction), 'relay'));
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
    const document: TenantDocument = {
      tenant: state.tenant,
      stage: state.stage,
      generation: state.generation,
      on: state.is_on,
      copied: state.copied,
      readPercent,
      since: state.since,
      why: state.why,
      flagsVersion: state.flags_version ?? before?.flagsVersion ?? wish?.version ?? null,
    };
    if (before === undefined || !isSame(document, before))
      await deps.documents.put('tenant', state.tenant, document, 'any');
  }
}

/** A store of documents gives fields back in an order of its own. */
function isSame(one: TenantDocument, other: TenantDocument): boolean {
  return fingerprint(Object.entries(one).toSorted()) === fingerprint(Object.entries(other).toSorted());
}
