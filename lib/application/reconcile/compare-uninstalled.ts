/**
 * Two stores compared before anything of Crossfade is in them: no tenants' states, no outbox, no record of what was applied. What
 * is on its way between them, if something is, cannot be known: a difference is one that stood still across two reads.
 */
import { inPages } from '../../domain/chunk.ts';
import { STORES, type StoreName } from '../../domain/direction.ts';
import { driftKindOf, type RowSight, standOf } from '../../domain/drift.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { formatDuration } from '../../plan/units.ts';
import { type InstalledRow, isInstalled } from '../../sql/compare/is-installed.ts';
import { fingerprintKeys, type KeyedRow } from '../../sql/compare/rows-by-key.ts';
import type { Deps } from '../deps.ts';
import { type Migration, tableNamed } from '../migration.ts';
import { type BeyondLimit, describeBeyond, estimateBeyond } from './beyond-limit.ts';
import { cutTable } from './chunk-table.ts';
import { compareSpan } from './compare-span.ts';
import { type ComparedTable, chooseMode, planFingerprint } from './comparison.ts';
import { inHalves } from './in-halves.ts';
import { nameColumns } from './name-columns.ts';
import { checkMd5 } from './probe-digests.ts';
import type { DriftRow } from './settle-round.ts';

export interface UninstalledWish {
  readonly mode: string | null;
  /** Empty: all tables of the plan. */
  readonly tables: readonly string[];
  /** Empty: every row, whoever its tenant is. */
  readonly tenants: readonly string[];
  /** Rows of each table, from its beginning; null: all. */
  readonly limit: number | null;
  /** Row keys of the one table; empty: all rows. */
  readonly keys: readonly string[];
}

export interface UninstalledResult {
  readonly notes: readonly string[];
  readonly tables: readonly {
    readonly table: string;
    readonly rows: number;
    readonly chunks: number;
    readonly leftOut: number;
  }[];
  readonly drift: readonly DriftRow[];
  readonly unsettled: number;
  readonly beyondLimit: BeyondLimit | null;
}

const ROWS_AT_ONCE = 500;
/** Rows that are read again; what lies above is counted as unsettled. */
const MAX_KEYS = 100_000;

/** Stores without Crossfade's schema. */
export async function storesWithout(deps: Deps): Promise<readonly StoreName[]> {
  const installed = await Promise.all(
    STORES.map(async (store) => (await deps.databases.open(store, 'compare').query<InstalledRow>(isInstalled))[0]),
  );
  return STORES.filter((_, index) => installed[index]?.installed !== true);
}

/** @throws {RangeError} for a mode or a table that is not known. */
export async function compareUninstalled(
  migration: Migration,
  wish: UninstalledWish,
  say: (text: string) => void,
): Promise<UninstalledResult> {
  const { recheckAfter } = migration.deps.plan.reconcile;
  const compared = await planTables(migration, wish);
  const tables = [];
  const first: [ComparedTable, readonly string[]][] = [];
  let unsettled = 0;
  for (const table of compared) {
    say(`comparing ${table.table}`);
    const tally = { table: table.table, rows: 0, chunks: 0, leftOut: 0 };
    const keys = [...wish.keys];
    if (keys.length > 0) tally.rows = keys.length;
    else {
      const options = wish.limit === null ? {} : { limitRows: wish.limit };
      for await (const span of cutTable(migration, table.table, options)) {
        const result = await compareSpan(migration, table, span, { maxKeys: Math.max(0, MAX_KEYS - keys.length) });
        tally.rows += result.rows;
        tally.chunks += result.chunks;
        tally.leftOut += result.leftOut;
        unsettled += result.unlisted;
        for (const key of result.keys) keys.push(key);
      }
    }
    tables.push(tally);
    first.push([table, keys]);
  }
  const pending: [ComparedTable, ReadonlyMap<string, RowSight>][] = [];
  for (const [table, keys] of first) pending.push([table, await differing(migration, table, keys)]);
  const drift: DriftRow[] = [];
  if (pending.some(([, sights]) => sights.size > 0)) {
    say('reading what differed again');
    await migration.deps.clock.sleep(recheckAfter);
  }
  for (const [table, before] of pending) {
    const again = await differing(migration, table, [...before.keys()]);
    const stood = [...again.values()].filter((sight) => isSame(sight, before.get(sight.rowKey)));
    unsettled += again.size - stood.length;
    const both = stood.filter(({ legacy, target }) => legacy !== null && target !== null).map(({ rowKey }) => rowKey);
    const columns = await nameColumns(migration, table.table, both);
    for (const sight of stood) {
      const { rowKey, tenant } = sight;
      const kind = driftKindOf(sight, 'legacy');
      drift.push({ table: table.table, rowKey, tenant, kind, columns: columns.get(rowKey) ?? [] });
    }
  }
  const beyondLimit = await beyondOf(migration, wish, tables);
  return {
    notes: [
      `not installed: nothing is known about rows in flight; differences are read twice, ${formatDuration(recheckAfter)} apart`,
      ...(wish.limit === null || wish.keys.length > 0
        ? []
        : [`of each table the first ${wish.limit} rows only: nothing is said of the others`]),
      ...(beyondLimit === null ? [] : [describeBeyond(beyondLimit)]),
    ],
    beyondLimit,
    tables,
    drift,
    unsettled,
  };
}

/** Of the tables whose limit was reached. */
async function beyondOf(
  migration: Migration,
  { limit, keys }: UninstalledWish,
  tallies: readonly { readonly table: string; readonly rows: number }[],
): Promise<BeyondLimit | null> {
  if (limit === null || keys.length > 0) return null;
  const reached = tallies.filter(({ rows }) => rows >= limit).map(({ table }) => ({ tables: [table], limit }));
  return reached.length === 0 ? null : estimateBeyond(migration, 'legacy', reached);
}

async function planTables(migration: Migration, wish: UninstalledWish): Promise<readonly ComparedTable[]> {
  const { mode, form } = chooseMode(migration.deps, wish.mode);
  for (const name of wish.tables) tableNamed(migration, name);
  if (mode === 'checksum' && form === 'md5') await checkMd5(migration.deps);
  const tables: ComparedTable[] = [];
  for (const table of migration.tables) {
    if (wish.tables.length > 0 && !wish.tables.includes(table.name)) continue;
    const isShared = table.tenant.kind === 'none';
    if (isShared && wish.tenants.length > 0 && !wish.tenants.includes(NO_TENANT)) continue;
    const fingerprint = await planFingerprint(migration.deps, table, { mode, form });
    const tenants = isShared || wish.tenants.length === 0 ? null : wish.tenants;
    tables.push({ table: table.name, fingerprint, tenants });
  }
  return tables;
}

async function differing(
  migration: Migration,
  compared: ComparedTable,
  keys: readonly string[],
): Promise<ReadonlyMap<string, RowSight>> {
  const found = new Map<string, RowSight>();
  const table = tableNamed(migration, compared.table);
  const { tenants, fingerprint } = compared;
  const isInside = (row: KeyedRow | undefined) =>
    row?.tenant != null && (tenants === null || tenants.includes(row.tenant));
  for (const page of inPages(keys, ROWS_AT_ONCE)) {
    const [legacy, target] = await Promise.all(
      STORES.map(async (store) => {
        const session = migration.deps.databases.open(store, 'compare');
        const rows = await inHalves(page, (some) =>
          session.query<KeyedRow>(fingerprintKeys(table, migration.byName, store, some, fingerprint)),
        );
        return new Map(rows.map((row) => [row.row_key, row]));
      }),
    );
    for (const rowKey of page) {
      const [has, got] = [legacy?.get(rowKey), target?.get(rowKey)];
      const wanted = isInside(has) ? (has?.digest ?? null) : null;
      const held = wanted !== null || isInside(got) ? (got?.digest ?? null) : null;
      if (wanted === held) continue;
      const tenant = has?.tenant ?? got?.tenant ?? null;
      const unknown = { inFlight: false, setAside: null, version: null } as const;
      found.set(rowKey, { rowKey, tenant, legacy: wanted, target: held, ...unknown });
    }
  }
  return found;
}

function isSame(now: RowSight, before: RowSight | undefined): boolean {
  return before !== undefined && standOf(now).print === standOf(before).print;
}
