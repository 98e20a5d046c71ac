/**
 * Takes a repair back: each row that it wrote is as it was before, from the images that the repair kept. A row is touched only
 * while that repair is the last that wrote it. The authoritative store is not touched, so the rows drift again: the next cycle
 * finds them.
 */

import { repairBatch } from '../../contracts/repair.ts';
import type { UndoAnswer, UndoneRow, UndoOutcome } from '../../contracts/undo.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { type RepairedRow, repairedRows, unlikeImages } from '../../sql/repair/repair-image.ts';
import type { Deps } from '../deps.ts';
import type { Migration } from '../migration.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { changeRows } from '../tenants/take-back.ts';
import { findRepair, updateRepair } from './repair-store.ts';

export interface RepairUndo {
  readonly repair: string;
  readonly dryRun: boolean;
  readonly by: string;
  readonly why: string;
}

/** Rows of one undo, in pages of a statement each. */
const MOST_ROWS = 20_000;
const PAGE_ROWS = 500;
const AFTERWARDS = 'as it was before the repair; the next cycle will find that it differs';

/** @returns `refused` when the repair cannot be undone at all. */
export async function undoRepair(
  migration: Migration,
  { repair, dryRun, by, why }: RepairUndo,
): Promise<UndoAnswer | { readonly refused: string }> {
  const { deps } = migration;
  const document = await findRepair(deps, repair);
  if (document === undefined) return { refused: `there is no repair ${repair}` };
  if (document.direction !== 'forward') return { refused: `repair ${repair} wrote legacy, which is not taken back` };
  if (document.ranBy === undefined) return { refused: `repair ${repair} is ${document.state}: it has written nothing` };
  if (document.state === 'running' && (await holders(deps)).includes(document.ranBy))
    return {
      refused: `repair ${repair} is still running, as ${document.ranBy}; wait for its end, or, where it was stopped, run: npx crossfade repair run ${repair}`,
    };
  const stages = new Map((await tenantStates(deps, 'forward')).map((state) => [state.tenant, state]));
  const rows: UndoneRow[] = [];
  const found: (readonly [MigratedTable, readonly RepairedRow[]])[] = [];
  for (const table of migration.tables) found.push([table, await readRepaired(migration, table, repair)]);
  const isReadable = ({ tenant }: RepairedRow) => {
    const state = stages.get(tenant ?? NO_TENANT);
    return state?.is_on === true && state.stage !== 'dualwrite';
  };
  const judge = (row: RepairedRow): string | null => {
    if (row.undone) return 'it was undone before';
    if (row.who !== null)
      return `somebody else wrote it (${row.who}); a write that the repair has mended is forgotten within a minute`;
    if (!row.untouched) return 'it was written again since';
    if (isReadable(row)) return 'applications read the row in this stage of its tenant';
    return null;
  };
  const undo = async (table: MigratedTable, all: readonly RepairedRow[], kind: 'erase' | 'restore') => {
    const own = all.filter(({ was_there }) => was_there === (kind === 'restore'));
    rows.push(...own.flatMap((row) => (judge(row) === null ? [] : [resultOf(row, 'left', judge(row) ?? '')])));
    const wanted = own.filter((row) => judge(row) === null);
    const done = dryRun
      ? new Set(wanted.map((row) => row.row_key))
      : await takeBack(migration, table, wanted, kind, repair);
    const outcome = kind === 'erase' ? 'erased' : 'restored';
    for (const row of wanted)
      rows.push(
        done.has(row.row_key)
          ? resultOf(row, outcome, AFTERWARDS)
          : resultOf(row, 'left', 'it was written meanwhile, or other rows hold it'),
      );
  };
  for (const [table, all] of found.toReversed()) await undo(table, all, 'erase');
  for (const [table, all] of found) await undo(table, all, 'restore');
  if (!dryRun) await noteUndone(migration, repair, by, why, rows);
  return { rows, truncated: rows.length >= MOST_ROWS };
}

/** Executions of the machines that carry out repairs. */
async function holders({ documents }: Deps): Promise<readonly string[]> {
  const machines = await Promise.all(
    (['reconcile', 'rollback'] as const).map((name) => documents.get('machine', name)),
  );
  return machines.flatMap((machine) => machine?.value.current?.execution ?? []);
}

async function readRepaired(
  migration: Migration,
  table: MigratedTable,
  repair: string,
): Promise<readonly RepairedRow[]> {
  const session = migration.deps.databases.open('target', 'compare');
  const rows: RepairedRow[] = [];
  for (let after: string | null | undefined; after !== null && rows.length < MOST_ROWS; ) {
    const statement = repairedRows(table.name, repair, repairBatch(repair), after ?? null, PAGE_ROWS);
    const page = await session.query<RepairedRow>(statement);
    rows.push(...page);
    after = page.length < PAGE_ROWS ? null : (page.at(-1)?.row_key ?? null);
  }
  return rows;
}

/** @returns the keys of rows that are, byte by byte, what they were before. */
async function takeBack(
  migration: Migration,
  table: MigratedTable,
  rows: readonly RepairedRow[],
  kind: 'erase' | 'restore',
  repair: string,
): Promise<ReadonlySet<string>> {
  if (rows.length === 0) return new Set();
  const store = migration.deps.databases.open('target', 'backfill');
  const toTakeBack = rows.map(({ row_key, version, tenant }) => ({
    rowKey: row_key,
    version,
    tenant: tenant ?? NO_TENANT,
  }));
  const batch = `undo-${repairBatch(repair)}`;
  const request = { rows: toTakeBack, tenantsOff: [], batch, repair, leavesOwned: true };
  const done = await changeRows(migration, store, table, kind, request);
  const unlike = await store.query<{ row_key: string }>(unlikeImages(table, repair, done));
  const isUnlike = new Set(unlike.map(({ row_key }) => row_key));
  return new Set(done.filter((key) => !isUnlike.has(key)));
}

async function noteUndone(
  { deps }: Migration,
  repair: string,
  by: string,
  why: string,
  rows: readonly UndoneRow[],
): Promise<void> {
  const left = rows.filter(({ outcome }) => outcome === 'left').length;
  if (rows.length === left) return;
  const undone = { by, at: deps.clock.now().toISOString(), why, rows: rows.length - left, left };
  await updateRepair(deps, repair, { state: 'undone', undone });
}

function resultOf({ table_name, row_key, tenant }: RepairedRow, outcome: UndoOutcome, detail: string): UndoneRow {
  return { table: table_name, rowKey: row_key, tenant, outcome, detail };
}
