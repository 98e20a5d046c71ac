/** A dry run as an application asks for it (guide phase 2): validated, routed, mapped and tried; nothing is changed anywhere. */
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { isShared } from '../../sql/reads/answer.ts';
import { type DirectionRow, directionInForce } from '../../sql/reads/direction-in-force.ts';
import type { Deps } from '../deps.ts';
import type { Migration } from '../migration.ts';
import { holdOf } from '../relay/delivery-hold.ts';
import { readTenantStates } from '../tenants/read-pages.ts';
import { type DryRunWrite, dryRunWrite } from './dry-run-write.ts';

export interface DryRunRequest {
  readonly tenant: string;
  /** null: the one table whose columns fit the payload. */
  readonly table: string | null;
  /** JSON text of a legacy row. */
  readonly payload: string;
}

/** What the relay would do with the event, and why. */
export const RELAY_ACTIONS = ['deliver', 'suppress', 'hold', 'refuse'] as const;
export type RelayAction = (typeof RELAY_ACTIONS)[number];

export interface DryRunAnswer extends Omit<DryRunWrite, 'tenant'> {
  readonly table: string;
  /** Whose row it would be; null when legacy cannot map it. */
  readonly tenant: string | null;
  readonly relay: { readonly action: RelayAction; readonly why: string };
  /** The target would hold the row as `row` shows it. */
  readonly wouldWrite: boolean;
}

/** The request names no table that could be meant. */
export class NoSuchWrite extends Error {
  override readonly name = 'NoSuchWrite';
}

/** @throws {NoSuchWrite} when the table is unknown, or cannot be told from the payload. */
export async function dryRunRequest(migration: Migration, request: DryRunRequest): Promise<DryRunAnswer> {
  const table = chooseTable(migration, request);
  const tried = await dryRunWrite(migration, { table: table.name, payload: request.payload });
  const isOthers = tried.tenant !== null && tried.tenant !== request.tenant && !isShared(table, migration.byName);
  const violations = isOthers
    ? [...tried.violations, `legacy tenant: the row would be tenant ${tried.tenant}'s, not ${request.tenant}'s`]
    : tried.violations;
  const relay = await routeWrite(migration.deps, tried.tenant ?? request.tenant);
  return {
    ...tried,
    // A row that is there already may hold columns of another tenant's.
    row: isOthers ? null : tried.row,
    violations,
    table: table.name,
    relay,
    wouldWrite: violations.length === 0 && tried.row !== null && relay.action === 'deliver',
  };
}

function chooseTable({ tables, byName }: Migration, { table: name, payload }: DryRunRequest): MigratedTable {
  const known = tables.map((table) => table.name).join(', ');
  if (name !== null) {
    const table = byName.get(name);
    if (table === undefined) throw new NoSuchWrite(`there is no table ${name} in the plan; it has ${known}`);
    return table;
  }
  const given = Object.keys(JSON.parse(payload) as object);
  const fitting = tables.filter(
    ({ key, legacyColumns }) =>
      key.every((part) => given.includes(part.name)) &&
      given.every((column) => legacyColumns.some((candidate) => candidate.name === column)),
  );
  const [only] = fitting;
  if (only === undefined) throw new NoSuchWrite(`the payload fits no table; name one of ${known}`);
  if (fitting.length > 1) {
    throw new NoSuchWrite(`the payload fits ${fitting.map((table) => table.name).join(' and ')}; name the table`);
  }
  return only;
}

async function routeWrite(deps: Deps, tenant: string): Promise<DryRunAnswer['relay']> {
  const legacy = deps.databases.open('legacy', 'compare');
  const control = (await deps.documents.get('control', 'control'))?.value;
  try {
    const [inForce] = await legacy.query<DirectionRow>(directionInForce);
    if (inForce?.direction === 'reverse') {
      return { action: 'refuse', why: 'write authority is with the target; legacy is fenced' };
    }
    const states = await readTenantStates(legacy);
    const state = states.find((candidate) => candidate.tenant === tenant);
    if (state?.is_on !== true) return { action: 'suppress', why: `tenant ${tenant} is not exposed` };
    const hold = holdOf(control, deps.clock.now().getTime());
    if (hold !== undefined) return { action: 'hold', why: `delivery is held by ${hold.by}: ${hold.why}` };
    return { action: 'deliver', why: `tenant ${tenant} is in stage ${state.stage}, generation ${state.generation}` };
  } catch (error) {
    // No crossfade schema yet.
    if (error instanceof SqlError && ['42P01', '3F000'].includes(error.sqlState ?? '')) {
      return { action: 'suppress', why: 'capture is not installed; run: npx crossfade start dual-write' };
    }
    throw error;
  }
}
