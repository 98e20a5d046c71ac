/** One read of everything that is not settled yet (design §4): the caller waits between rounds for longer than the relay's lag. */
import { inPages } from '../../domain/chunk.ts';
import { STORES, sourceOf } from '../../domain/direction.ts';
import {
  type DriftKind,
  driftKindOf,
  judgeRow,
  type RowSight,
  type SetAside,
  type Stand,
  standOf,
} from '../../domain/drift.ts';
import { type ControlRow, directionInForce } from '../../sql/compare/direction-in-force.ts';
import type { Migration } from '../migration.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { type Comparison, onBut } from './comparison.ts';
import { nameColumns } from './name-columns.ts';
import { sightRows } from './sight-rows.ts';

export interface PendingRow {
  readonly table: string;
  readonly rowKey: string;
  /** Whose it is. Absent before the first read; null: the stores do not say, as of a row whose parent is missing. */
  readonly tenant?: string | null | undefined;
  /** How the round before saw it; null before the first one. */
  readonly before: Stand | null;
}

export interface DriftRow {
  readonly table: string;
  readonly rowKey: string;
  readonly tenant: string | null;
  readonly kind: DriftKind;
  /** Target columns that differ; empty for a row that one store lacks. */
  readonly columns: readonly string[];
}

/** A row that differs because its event, or its parent's, is parked or dead: no drift, and nothing that comes by itself. */
export interface SetAsideRow extends SetAside {
  readonly table: string;
  readonly rowKey: string;
  readonly tenant: string | null;
  readonly kind: DriftKind;
}

export interface RoundResult {
  readonly pending: readonly PendingRow[];
  readonly drift: readonly DriftRow[];
  /** Rows that differed before and are equal now, by table. */
  readonly converged: Readonly<Record<string, number>>;
  /** Rows in flight, by table; those that were set aside among them. */
  readonly inFlight: Readonly<Record<string, number>>;
  /** Those rows, which are not read again in this cycle. */
  readonly waiting: readonly WaitingRow[];
  readonly setAside: readonly SetAsideRow[];
}

export interface WaitingRow extends Pick<PendingRow, 'table' | 'rowKey' | 'tenant'> {
  /** For longer than `dualWrite.lagLimit`: whether it ever arrives is not known. */
  readonly late?: boolean | undefined;
}

/** Reads after which a row that still moves is reported as unsettled: neither clean nor drift. */
export const MAX_ROUNDS = 4;
/** Rows that are settled one by one in a cycle; what lies above stays unsettled, and the cycle is not clean. */
export const MAX_PENDING = 100_000;

const ROWS_AT_ONCE = 500;
/** Pages of rows that are read at the same time: each asks one store after the other, and both shall have something to do. */
const PAGES_AT_ONCE = 3;

/** @param round 1 for the first read. */
export async function settleRound(
  migration: Migration,
  comparison: Comparison,
  pending: readonly PendingRow[],
  round: number,
): Promise<RoundResult> {
  const next: PendingRow[] = [];
  const drift: DriftRow[] = [];
  const setAside: SetAsideRow[] = [];
  const converged: Record<string, number> = {};
  const inFlight: Record<string, number> = {};
  const waiting: WaitingRow[] = [];
  const authoritative = sourceOf(comparison.direction);
  const before = pending.length === 0 ? new Map() : await generationsOf(migration, comparison);
  for (const [name, rows] of Map.groupBy(pending, (row) => row.table)) {
    const compared = comparison.tables.find((candidate) => candidate.table === name);
    if (compared === undefined) continue;
    const befores = new Map(rows.map((row) => [row.rowKey, row.before ?? undefined]));
    // What was seen of a row lives no longer than its pages: a hundred thousand of them may be pending.
    for (const pages of inPages(inPages([...befores.keys()], ROWS_AT_ONCE), PAGES_AT_ONCE)) {
      const sights = await Promise.all(pages.map((page) => sightRows(migration, comparison, compared, page)));
      const drifting: RowSight[] = [];
      for (const sight of sights.flat()) {
        const verdict = judgeRow(befores.get(sight.rowKey), sight);
        const isWaiting = verdict === 'in-flight' || verdict === 'set-aside';
        const { rowKey, tenant } = sight;
        if (verdict === 'converged') converged[name] = (converged[name] ?? 0) + 1;
        else if (verdict === 'drift') drifting.push(sight);
        else if (isWaiting && round > 1) {
          inFlight[name] = (inFlight[name] ?? 0) + 1;
          waiting.push({ table: name, rowKey, tenant, ...(isLate(migration, sight) ? { late: true } : {}) });
        } else next.push({ table: name, rowKey, tenant, before: standOf(sight) });
        if (verdict === 'set-aside' && round > 1 && sight.setAside !== null)
          setAside.push({ table: name, rowKey, tenant, kind: driftKindOf(sight, authoritative), ...sight.setAside });
      }
      for (const row of await describe(migration, comparison, name, drifting)) drift.push(row);
    }
  }
  if (drift.length === 0) return { pending: next, drift, converged, inFlight, waiting, setAside };
  const stands = await standsAfter(migration, comparison, before);
  const moved = drift
    .filter((row) => !stands(row))
    .map(({ table, rowKey, tenant }) => ({ table, rowKey, tenant, before: null }));
  return { pending: [...next, ...moved], drift: drift.filter(stands), converged, inFlight, waiting, setAside };
}

/** A row that is set aside is counted as that. */
function isLate({ deps }: Migration, { openMs, setAside }: RowSight): boolean {
  return setAside === null && (openMs ?? 0) > deps.plan.dualWrite.lagLimit;
}

type Generations = ReadonlyMap<string, number | 'off'>;

async function generationsOf({ deps }: Migration, { direction }: Comparison): Promise<Generations> {
  const states = await tenantStates(deps, direction);
  return new Map(states.map(({ tenant, generation, is_on }) => [tenant, is_on ? generation : 'off']));
}

/**
 * A tenant that was turned off while its rows were read is being taken back; when authority has moved, the other outbox says what
 * is open: what was read then proves nothing.
 */
async function standsAfter(
  migration: Migration,
  comparison: Comparison,
  before: Generations,
): Promise<(row: DriftRow) => boolean> {
  const controls = await Promise.all(
    STORES.map((store) => migration.deps.databases.open(store, 'compare').query<ControlRow>(directionInForce)),
  );
  if (controls.some(([control]) => control?.direction !== comparison.direction)) return () => false;
  const after = await generationsOf(migration, comparison);
  const isSteady = (tenant: string) => after.get(tenant) === before.get(tenant) && after.get(tenant) !== 'off';
  // A row may stand in the receiver under one of its earlier tenants.
  const areAllSteady = comparison.tenants.every(isSteady);
  return ({ tenant }) => areAllSteady || (tenant !== null && comparison.tenants.includes(tenant) && isSteady(tenant));
}

/** A tenant that was turned off, or on anew, since the cycle was planned is left out: its rows are being taken away or copied. */
export async function narrowToCopied(migration: Migration, comparison: Comparison): Promise<Comparison> {
  const states = await tenantStates(migration.deps, comparison.direction);
  const { generations = {} } = comparison;
  const isAsPlanned = ({ tenant, generation }: { readonly tenant: string; readonly generation: number }) =>
    generation === (generations[tenant] ?? generation);
  const copied = new Set(copiedTenants(states.filter(isAsPlanned)));
  const keep = (tenants: readonly string[]) => tenants.filter((tenant) => copied.has(tenant));
  const tenants = keep(comparison.tenants);
  return {
    ...comparison,
    tenants,
    leftOut: onBut(states, tenants),
    tables: comparison.tables.map((table) =>
      table.tenants === null ? table : { ...table, tenants: keep(table.tenants) },
    ),
  };
}

export function copiedTenants(
  states: readonly { readonly tenant: string; readonly is_on: boolean; readonly copied: boolean }[],
): readonly string[] {
  return states.filter((state) => state.is_on && state.copied).map((state) => state.tenant);
}

async function describe(
  migration: Migration,
  comparison: Comparison,
  table: string,
  sights: readonly RowSight[],
): Promise<readonly DriftRow[]> {
  const authoritative = sourceOf(comparison.direction);
  const kinds = sights.map((sight) => ({ sight, kind: driftKindOf(sight, authoritative) }));
  const different = kinds.filter(({ kind }) => kind === 'different').map(({ sight }) => sight.rowKey);
  const columns = await nameColumns(migration, table, different);
  return kinds.map(({ sight, kind }) => ({
    table,
    rowKey: sight.rowKey,
    tenant: sight.tenant,
    kind,
    columns: columns.get(sight.rowKey) ?? [],
  }));
}
