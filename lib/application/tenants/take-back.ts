/**
 * Takes from the target what dual-write of some tenants made there, and puts back what it changed (protocol §5.4): rows of
 * Crossfade's own are erased, rows that were there before are restored, all others are left and listed.
 *
 * Works in passes: restored parents before children, erased children before parents, until a pass changes nothing. Every page
 * is judged afresh, so a crash anywhere costs a pass and nothing else.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError, type SqlStore } from '../../ports/sql.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import { type JudgedRow, judgeRows, type Referrer, type RowVerdict } from '../../sql/tenants/judge-rows.ts';
import { type ReferringColumnRow, referringTables } from '../../sql/tenants/referring-tables.ts';
import {
  eraseRows,
  type LostRow,
  lostRows,
  type RowToTakeBack,
  restoreRows,
  type TakenRow,
  writeOutVersions,
} from '../../sql/tenants/take-back.ts';
import type { Migration } from '../migration.ts';
import { bisect } from '../rows/bisect.ts';

/** Keys and versions of a page fit into the 1 MiB that the Data API answers with. */
const PAGE_ROWS = 500;
/** Rows named one by one; all are counted. */
const MOST_NAMED = 20;

/** Handed from call to call. */
export interface TakeBackProgress {
  readonly pass: number;
  /** Which of the pass's works, and the last key that it has judged. */
  readonly work: number;
  readonly after: string | null;
  /** Rows changed in this pass. */
  readonly changed: number;
  readonly erased: number;
  readonly restored: number;
}

export const TAKE_BACK_START: TakeBackProgress = { pass: 1, work: 0, after: null, changed: 0, erased: 0, restored: 0 };

interface Work {
  readonly kind: 'put-back' | 'restore' | 'erase';
  readonly table: MigratedTable;
}

/** @returns `done` when a whole pass found nothing left to do. */
export async function takeBack(
  migration: Migration,
  tenants: readonly string[],
  batch: string,
  from: TakeBackProgress,
  until: Date,
): Promise<{ readonly done: boolean; readonly progress: TakeBackProgress }> {
  const works: readonly Work[] = [
    ...migration.tables.flatMap((table): readonly Work[] => [
      { kind: 'put-back', table },
      { kind: 'restore', table },
    ]),
    ...migration.tables.toReversed().map((table): Work => ({ kind: 'erase', table })),
  ];
  const referrers = await readReferrers(migration);
  let progress = from;
  for (;;) {
    const work = works[progress.work];
    if (work === undefined) {
      if (progress.changed === 0) return { done: true, progress };
      progress = { ...progress, pass: progress.pass + 1, work: 0, after: null, changed: 0 };
      continue;
    }
    if (migration.deps.clock.now() >= until) return { done: false, progress };
    const page = await workPage(migration, work, tenants, batch, referrers, progress.after);
    progress = {
      ...progress,
      ...(page.last === null ? { work: progress.work + 1, after: null } : { after: page.last }),
      changed: progress.changed + page.changed,
      [work.kind === 'erase' ? 'erased' : 'restored']:
        (work.kind === 'erase' ? progress.erased : progress.restored) + page.changed,
    };
  }
}

async function workPage(
  migration: Migration,
  { kind, table }: Work,
  tenants: readonly string[],
  batch: string,
  referrers: Referrers,
  after: string | null,
): Promise<{ readonly last: string | null; readonly changed: number }> {
  const session = migration.deps.databases.open('target', 'compare');
  if (kind === 'put-back') {
    const rows = await session.query<LostRow>(lostRows(table, tenants, after, PAGE_ROWS));
    const wanted = rows.filter(({ who }) => who === null).map(toTakeBack);
    const changed = await change(migration, table, 'restore', wanted, tenants, batch);
    return { last: lastOf(rows), changed };
  }
  const rows = await judgePage(migration, table, tenants, referrers, after, null);
  const wanted = rows.filter(({ verdict }) => verdict === kind).map(toTakeBack);
  const changed = await change(migration, table, kind, wanted, tenants, batch);
  return { last: lastOf(rows), changed };
}

async function change(
  migration: Migration,
  table: MigratedTable,
  kind: 'restore' | 'erase',
  rows: readonly RowToTakeBack[],
  tenantsOff: readonly string[],
  batch: string,
): Promise<number> {
  const store = migration.deps.databases.open('target', 'backfill');
  return (await changeRows(migration, store, table, kind, { rows, tenantsOff, batch })).length;
}

/** @returns the keys that were changed. A row that cannot be changed now (a value taken, a child that came) is left for the next pass. */
export async function changeRows(
  { deps }: Migration,
  store: SqlStore,
  table: MigratedTable,
  kind: 'restore' | 'erase',
  {
    rows,
    tenantsOff,
    batch,
    queueAs,
    repair,
    leavesOwned,
  }: {
    readonly rows: readonly RowToTakeBack[];
    readonly tenantsOff: readonly string[];
    readonly batch: string;
    /** Reason under which the rows are queued for a fresh read, in the same transaction. */
    readonly queueAs?: string | undefined;
    /** Restores what stood there before this repair. */
    readonly repair?: string | undefined;
    readonly leavesOwned?: boolean | undefined;
  },
): Promise<readonly string[]> {
  const statementOf = kind === 'erase' ? eraseRows : restoreRows;
  const attempt = (part: readonly RowToTakeBack[]) =>
    store.transaction(async (session) => {
      const missing = part.filter(({ version }) => version === null).map(({ rowKey }) => rowKey);
      if (missing.length > 0) await session.query(writeOutVersions(table, missing));
      const taken = await session.query<TakenRow>(
        statementOf(table, { rows: part, tenantsOff, batch, repair, leavesOwned }),
      );
      const keys = taken.map(({ row_key }) => row_key);
      if (queueAs !== undefined && keys.length > 0) await session.query(queueRepairs(table.name, keys, queueAs));
      return keys;
    });
  return bisect(rows, attempt, async ({ rowKey }, error) => {
    if (!(error instanceof SqlError)) throw error;
    deps.log.info('a row could not be taken back now', { table: table.name, rowKey, kind, reason: error.message });
    return [];
  });
}

export interface Judgement {
  readonly table: string;
  readonly tenant: string;
  readonly verdict: RowVerdict;
  readonly rows: number;
}

export interface Judged {
  readonly counts: readonly Judgement[];
  /** Rows that are left and why, table and key, the first of each kind. */
  readonly named: readonly string[];
  /** Rows that were there before and are not now. */
  readonly lost: number;
}

/** Verdicts on rows that neither are Crossfade's to take nor stand as they were before. */
export const REFUSED_VERDICTS: readonly RowVerdict[] = ['unknown', 'returned', 'foreign', 'others'];

/**
 * Judges every row of the tenants, and changes nothing.
 * @param isForecast true: as if the rows that can go had gone, children first; false: as things are.
 */
export async function judgeTenants(
  migration: Migration,
  tenants: readonly string[],
  isForecast: boolean,
): Promise<Judged> {
  const referrers = await readReferrers(migration);
  const session = migration.deps.databases.open('target', 'compare');
  const counts = new Map<string, { table: string; tenant: string; verdict: RowVerdict; rows: number }>();
  const named: string[] = [];
  const staying = new Map<string, string[]>();
  let lost = 0;
  for (const table of migration.tables.toReversed()) {
    for (let after: string | null | undefined; after !== null; ) {
      const rows = await judgePage(migration, table, tenants, referrers, after ?? null, isForecast ? staying : null);
      for (const { row_key, tenant, verdict, detail } of rows) {
        const id = `${table.name} ${tenant} ${verdict}`;
        const count = counts.get(id) ?? { table: table.name, tenant, verdict, rows: 0 };
        counts.set(id, { ...count, rows: count.rows + 1 });
        if (!REFUSED_VERDICTS.includes(verdict) && verdict !== 'needed') continue;
        staying.set(table.name, [...(staying.get(table.name) ?? []), row_key]);
        if (named.length < MOST_NAMED) named.push(`${table.name} ${row_key} of ${tenant}: ${explain(verdict, detail)}`);
      }
      after = lastOf(rows);
    }
    for (let after: string | null | undefined; after !== null; ) {
      const rows: readonly LostRow[] = await session.query<LostRow>(lostRows(table, tenants, after ?? null, PAGE_ROWS));
      lost += rows.length;
      after = lastOf(rows);
    }
  }
  return { counts: [...counts.values()], named, lost };
}

/** What one verdict means for a person. */
export function explain(verdict: RowVerdict, detail: string | null): string {
  switch (verdict) {
    case 'erase':
      return 'made by Crossfade';
    case 'restore':
      return 'was there before and was changed by Crossfade';
    case 'before':
      return 'was there before';
    case 'unknown':
      return 'Crossfade never wrote it';
    case 'returned':
      return 'came after Crossfade had removed it';
    case 'foreign':
      return `written by somebody else (${detail ?? 'unknown'})`;
    case 'others':
      return `last written for tenant ${detail ?? 'unknown'}`;
    case 'needed':
      return `rows of ${detail ?? 'another table'} that stay refer to it`;
  }
}

/** Sum of the rows with one of these verdicts. */
export function countRows({ counts }: Judged, verdicts: readonly RowVerdict[]): number {
  return counts.filter(({ verdict }) => verdicts.includes(verdict)).reduce((sum, { rows }) => sum + rows, 0);
}

export type Referrers = ReadonlyMap<string, readonly Referrer[]>;

/** Foreign keys of the target that lead to each table of the plan. */
export async function readReferrers({ deps, tables }: Migration): Promise<Referrers> {
  const rows = await deps.databases
    .open('target', 'compare')
    .query<ReferringColumnRow>(referringTables(tables.map(({ schema, relation }) => [schema, relation])));
  const tableOf = (schema: string, relation: string) =>
    tables.find((table) => table.schema === schema && table.relation === relation);
  const referrers = new Map<string, Referrer[]>();
  for (const pairs of Map.groupBy(rows, (row) => `${row.schema}.${row.relation}.${row.name}`).values()) {
    const [first] = pairs;
    const parent = first === undefined ? undefined : tableOf(first.parent_schema, first.parent_relation);
    if (first === undefined || parent === undefined) continue;
    const { schema, relation } = first;
    const referrer = { schema, relation, table: tableOf(schema, relation), pairs };
    referrers.set(parent.name, [...(referrers.get(parent.name) ?? []), referrer]);
  }
  return referrers;
}

function judgePage(
  { deps, byName }: Migration,
  table: MigratedTable,
  tenants: readonly string[],
  referrers: Referrers,
  after: string | null,
  staying: ReadonlyMap<string, readonly string[]> | null,
): Promise<readonly JudgedRow[]> {
  const request = {
    rows: { after, limit: PAGE_ROWS },
    tenants,
    referrers: referrers.get(table.name) ?? [],
    staying,
  };
  return deps.databases.open('target', 'compare').query<JudgedRow>(judgeRows(table, byName, request));
}

function toTakeBack({ row_key, version, tenant }: Pick<JudgedRow, 'row_key' | 'version' | 'tenant'>): RowToTakeBack {
  return { rowKey: row_key, version, tenant };
}

/** Null: the page was the last. */
function lastOf(rows: readonly { readonly row_key: string }[]): string | null {
  return rows.length < PAGE_ROWS ? null : (rows.at(-1)?.row_key ?? null);
}
