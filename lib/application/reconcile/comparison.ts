/** What a comparison is about: direction, tenants, tables and, for each table, the form of its digest. Plain data, so that it travels. */
import {
  type CompareMode,
  type DigestWish,
  type Fingerprint,
  fingerprintFor,
  isCompareMode,
  isDigestForm,
  mayBeFast,
} from '../../domain/digest.ts';
import { type Direction, STORES } from '../../domain/direction.ts';
import { type MigratedTable, NO_TENANT } from '../../domain/table.ts';
import { type ControlRow, directionInForce } from '../../sql/compare/direction-in-force.ts';
import { blindColumns } from '../../sql/compare/fast-form.ts';
import type { ComparedTenants } from '../../sql/compare/scope.ts';
import type { Deps } from '../deps.ts';
import { type Migration, tableNamed } from '../migration.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { checkMd5, unlikeTypes } from './probe-digests.ts';

export interface ComparedTable {
  readonly table: string;
  readonly fingerprint: Fingerprint;
  /** Null: every row of the table. */
  readonly tenants: ComparedTenants;
}

export interface Comparison {
  readonly mode: CompareMode;
  readonly direction: Direction;
  /** Tenants that are compared, the shared one included. */
  readonly tenants: readonly string[];
  /** Tenants that are on and yet not compared, still being copied or outside of the scope: a row that the source gives to one of them is not judged. */
  readonly leftOut: readonly string[];
  readonly tables: readonly ComparedTable[];
  /** By tenant of a cycle, the one that was copied when it was planned: under another one it is not the same tenant's rows. */
  readonly generations?: Readonly<Record<string, number>> | undefined;
}

export interface ComparisonWish {
  readonly mode: CompareMode;
  readonly form: DigestWish;
  readonly tenants: readonly string[];
  /** Empty: all tables of the plan. */
  readonly tables: readonly string[];
  /** Only what changed is read. Default: false. */
  readonly isWindow?: boolean | undefined;
}

/**
 * Asks both servers whether they hash alike where the fast form is wished. A table none of whose rows are compared is left out.
 * @throws {RangeError} for `md5` where a server refuses MD5.
 */
export async function planComparison(
  migration: Migration,
  direction: Direction,
  { mode, form, tenants, tables, isWindow = false }: ComparisonWish,
): Promise<Comparison> {
  const wanted = migration.tables.filter((table) => tables.length === 0 || tables.includes(table.name));
  if (mode === 'checksum' && form === 'md5') await checkMd5(migration.deps);
  const compared: ComparedTable[] = [];
  for (const table of wanted) {
    const scope = tenantsOf(table, tenants);
    if (scope !== null && scope.length === 0) continue;
    compared.push({
      table: table.name,
      fingerprint: await planFingerprint(migration.deps, table, { mode, form, isWindow }),
      tenants: scope,
    });
  }
  const states = await tenantStates(migration.deps, direction);
  return { mode, direction, tenants, leftOut: onBut(states, tenants), tables: compared };
}

export async function planFingerprint(
  deps: Deps,
  table: MigratedTable,
  { mode, form, isWindow = false }: Pick<ComparisonWish, 'mode' | 'form' | 'isWindow'>,
): Promise<Fingerprint> {
  const hashesAlike = mayBeFast(mode, form) && (await unlikeTypes(deps, table)).length === 0;
  return fingerprintFor(mode, form, { hashesAlike, blindColumns: blindColumns(table), isWindow });
}

/** Tables that a form named by a run shows less of than the plan asks for: what is equal there proves less. */
export function tablesSeenLess(
  migration: Migration,
  { mode, tables }: Comparison,
  isWindow: boolean,
): readonly string[] {
  const { mode: plannedMode, digest } = migration.deps.plan.reconcile;
  if (mode !== 'checksum') return [];
  return tables
    .filter(({ table, fingerprint }) => {
      const planned = { hashesAlike: true, blindColumns: blindColumns(tableNamed(migration, table)), isWindow };
      return fingerprint.form === 'fast' && fingerprintFor(plannedMode, digest, planned).form !== 'fast';
    })
    .map(({ table }) => table);
}

/** Tenants that are on, without these. */
export function onBut(
  states: readonly { readonly tenant: string; readonly is_on: boolean }[],
  tenants: readonly string[],
): readonly string[] {
  return states.filter((state) => state.is_on && !tenants.includes(state.tenant)).map((state) => state.tenant);
}

/**
 * Mode and form of a run: `count`, `checksum`, `columns`, or a form by name (`exact`, `fast`, `md5`), which means checksums of it.
 * @throws {RangeError} for anything else.
 */
export function chooseMode(deps: Deps, mode: string | null): { readonly mode: CompareMode; readonly form: DigestWish } {
  const { mode: planned, digest } = deps.plan.reconcile;
  if (mode === null) return { mode: planned, form: digest };
  if (isCompareMode(mode)) return { mode, form: digest };
  if (isDigestForm(mode)) return { mode: 'checksum', form: mode };
  throw new RangeError(`mode ${mode} is not known; use count, checksum, columns, exact, fast or md5`);
}

/**
 * The direction whose source is authoritative now.
 * @throws {RangeError} while the two stores disagree: authority is moving, and nothing should be compared or repaired.
 */
export async function currentDirection(deps: Deps): Promise<Direction> {
  const [legacy, target] = await Promise.all(
    STORES.map(async (store) => (await deps.databases.open(store, 'compare').query<ControlRow>(directionInForce))[0]),
  );
  if (legacy === undefined || target === undefined)
    throw new RangeError('a store has no crossfade.control row; run: npx crossfade start dual-write');
  if (legacy.direction !== target.direction || legacy.authority !== target.authority)
    throw new RangeError(
      `authority is moving: legacy says ${legacy.direction} ${legacy.authority}, the target ${target.direction} ${target.authority}; try again when the switchover has ended`,
    );
  return legacy.direction;
}

/** A table without tenants belongs to the shared tenant, whole. */
function tenantsOf(table: MigratedTable, tenants: readonly string[]): ComparedTenants {
  if (table.tenant.kind !== 'none') return tenants;
  return tenants.includes(NO_TENANT) ? null : [];
}
