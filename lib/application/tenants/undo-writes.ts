/**
 * Takes back what was written to the target under one correlation id (protocol §5.4): a row only while that write is its current
 * version. Legacy holds the truth: rows of tenants that are on are read afresh at once, in whatever state they are there.
 */
import type { UndoAnswer, UndoneRow, UndoOutcome, UndoQuery } from '../../contracts/undo.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import { type JudgedRow, judgeRows } from '../../sql/tenants/judge-rows.ts';
import type { TenantStateRow } from '../../sql/tenants/tenant-state.ts';
import { type WrittenRow, writesOf } from '../../sql/tenants/writes-of.ts';
import type { Migration } from '../migration.ts';
import { tenantStates } from './exposure.ts';
import { changeRows, explain, type Referrers, readReferrers } from './take-back.ts';

/** Rows of one undo. */
const MOST_ROWS = 1_000;
const WHY = 'an undo took its last write back';

interface Undoing {
  readonly migration: Migration;
  readonly referrers: Referrers;
  readonly states: ReadonlyMap<string, TenantStateRow>;
  readonly batch: string;
  readonly dryRun: boolean;
}

export async function undoWrites(
  migration: Migration,
  { correlationId, dryRun }: UndoQuery,
  batch: string,
): Promise<UndoAnswer> {
  const { deps } = migration;
  const found = await deps.databases
    .open('target', 'compare')
    .query<WrittenRow>(writesOf(correlationId, MOST_ROWS + 1));
  const states = new Map((await tenantStates(deps, 'forward')).map((state) => [state.tenant, state]));
  const undoing: Undoing = { migration, referrers: await readReferrers(migration), states, batch, dryRun };
  const rows: UndoneRow[] = [];
  const writes = Map.groupBy(found.slice(0, MOST_ROWS), (write) => write.table_name);
  for (const name of writes.keys()) {
    if (migration.byName.has(name)) continue;
    rows.push(
      ...(writes.get(name) ?? []).map((write) => resultOf(write, 'left', 'its table is not in the deployed plan')),
    );
  }
  // Children first, or their parents could not go.
  for (const table of migration.tables.toReversed())
    rows.push(...(await undoTable(undoing, table, writes.get(table.name) ?? [])));
  return { rows, truncated: found.length > MOST_ROWS };
}

async function undoTable(
  undoing: Undoing,
  table: MigratedTable,
  writes: readonly WrittenRow[],
): Promise<readonly UndoneRow[]> {
  const { migration, states, dryRun } = undoing;
  const rows: UndoneRow[] = [];
  const wanted: WrittenRow[] = [];
  for (const write of writes) {
    const state = states.get(write.tenant ?? '');
    if (!write.current) rows.push(resultOf(write, 'left', 'it was written again since'));
    else if (state?.is_on === true && state.stage !== 'dualwrite')
      rows.push(resultOf(write, 'left', `its tenant is in stage ${state.stage}: applications read the row`));
    else wanted.push(write);
  }
  const removed = wanted.filter(({ action }) => action === 'D');
  if (!dryRun) await readAfresh(undoing, table, removed);
  rows.push(...removed.map((write) => resultOf(write, 'read-afresh', afterwards(undoing, write))));

  const present = wanted.filter(({ action }) => action === 'U');
  const judged = await judge(undoing, table, present);
  for (const kind of ['erase', 'restore'] as const) {
    const going = judged.filter(({ verdict }) => verdict === kind);
    const done = dryRun
      ? new Set(going.map(({ row_key }) => row_key))
      : await takeBackRows(undoing, table, kind, going);
    for (const { row_key } of going) {
      const write = present.find((each) => each.row_key === row_key);
      if (write === undefined) continue;
      const outcome = kind === 'erase' ? 'erased' : 'restored';
      if (done.has(row_key)) rows.push(resultOf(write, outcome, afterwards(undoing, write)));
      else rows.push(resultOf(write, 'left', 'it was written meanwhile, or other rows hold it'));
    }
  }
  for (const { row_key, verdict, detail } of judged) {
    const write = present.find((each) => each.row_key === row_key);
    if (write !== undefined && verdict !== 'erase' && verdict !== 'restore')
      rows.push(resultOf(write, 'left', explain(verdict, detail)));
  }
  const seen = new Set(judged.map(({ row_key }) => row_key));
  rows.push(
    ...present
      .filter(({ row_key }) => !seen.has(row_key))
      .map((write) => resultOf(write, 'left', 'the target does not hold it')),
  );
  migration.deps.log.debug('writes of a table were undone', { table: table.name, rows: rows.length, dryRun });
  return rows;
}

function judge(
  { migration, referrers }: Undoing,
  table: MigratedTable,
  writes: readonly WrittenRow[],
): Promise<readonly JudgedRow[]> {
  if (writes.length === 0) return Promise.resolve([]);
  const request = {
    rows: { keys: writes.map(({ row_key }) => row_key) },
    tenants: [...new Set(writes.flatMap(({ tenant }) => tenant ?? []))],
    referrers: referrers.get(table.name) ?? [],
    staying: null,
  };
  return migration.deps.databases
    .open('target', 'compare')
    .query<JudgedRow>(judgeRows(table, migration.byName, request));
}

/** A row of a tenant that is off goes only while it stays off; one of a tenant that is on is queued in the same transaction. */
async function takeBackRows(
  { migration, states, batch }: Undoing,
  table: MigratedTable,
  kind: 'erase' | 'restore',
  judged: readonly JudgedRow[],
): Promise<ReadonlySet<string>> {
  const store = migration.deps.databases.open('target', 'backfill');
  const done: string[] = [];
  for (const [tenant, rows] of Map.groupBy(judged, (row) => row.tenant)) {
    const isOn = states.get(tenant)?.is_on === true;
    const toTakeBack = rows.map(({ row_key, version }) => ({ rowKey: row_key, version, tenant }));
    const tenantsOff = isOn ? [] : [tenant];
    const request = { rows: toTakeBack, tenantsOff, batch, queueAs: isOn ? WHY : undefined, leavesOwned: true };
    done.push(...(await changeRows(migration, store, table, kind, request)));
  }
  return new Set(done);
}

async function readAfresh(undoing: Undoing, table: MigratedTable, writes: readonly WrittenRow[]): Promise<void> {
  const keys = writes.filter((write) => isRead(undoing, write)).map(({ row_key }) => row_key);
  if (keys.length > 0)
    await undoing.migration.deps.databases.open('target', 'backfill').query(queueRepairs(table.name, keys, WHY));
}

/** A row that was removed has no tenant in a read's log entry; reading it by key does no harm (protocol §5.5). */
function isRead({ states }: Undoing, { tenant }: WrittenRow): boolean {
  return tenant === null || states.get(tenant)?.is_on === true;
}

function afterwards(undoing: Undoing, write: WrittenRow): string {
  return isRead(undoing, write) ? 'read afresh from legacy at once' : 'its tenant is off; turning it on copies it anew';
}

function resultOf({ table_name, row_key, tenant }: WrittenRow, outcome: UndoOutcome, detail: string): UndoneRow {
  return { table: table_name, rowKey: row_key, tenant, outcome, detail };
}
