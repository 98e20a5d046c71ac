/**
 * Step `archive`: legacy's rows as lines of JSON in the bucket, with a manifest of both stores, and a restore drill: pages are
 * read back, restored in legacy in a transaction that is rolled back, and must give the digest that they were written with.
 */

import { createHash } from 'node:crypto';
import type { Run } from '../../../contracts/machine-io.ts';
import { counted } from '../../../domain/counted.ts';
import { fingerprint } from '../../../domain/fingerprint.ts';
import { judgeGate } from '../../../domain/gate.ts';
import type { MigratedTable } from '../../../domain/table.ts';
import { pinSession } from '../../../sql/baseline/pin-session.ts';
import {
  type ArchivedRow,
  appliedSoFar,
  archivePage,
  createRestored,
  restoredDigest,
  restoreRows,
} from '../../../sql/decommission/archive-page.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, type Migration, tableNamed } from '../../migration.ts';
import { readStoreTables } from '../../read-store-tables.ts';
import { rolledBack } from '../baseline/rolled-back.ts';
import { again, judged, proceed, type Step } from '../step.ts';
import { isAuditData } from './audit.ts';
import { CALL_MS, executionName, readRetired } from './phase.ts';

const PAGE_ROWS = 5_000;
const PAGE_BYTES = 700_000;
/** Pages of each table that are restored: the first, the last, and some between. */
const DRILLED = 5;

interface ArchivedTable {
  readonly table: string;
  readonly rows: number;
  readonly pages: number;
  /** SHA-256 over the pages' digests in order. */
  readonly sha256: string;
}

interface ArchiveState {
  readonly work: 'archive';
  readonly startedAt: string;
  /** Rows that the reverse relay had written to legacy at the start: unchanged at the end means that the archive is of one moment. */
  readonly applied: string;
  readonly targetRows: Readonly<Record<string, number>>;
  readonly tables: readonly ArchivedTable[];
  /** Table under way and its last archived key; null when all are done. */
  readonly at: { readonly table: string; readonly after: string | null } | null;
}

export const archive: Step = async (deps, run, data) => {
  const migration = await loadMigration(deps);
  const retired = await readRetired(deps);
  if (retired !== undefined)
    return proceed({
      notes: [
        `archived by ${retired.execution.split(':').at(-1)} before reverse capture was retired; not archived again`,
      ],
    });
  if (run.dryRun)
    return proceed({
      notes: [
        `would archive ${counted(migration.tables.length, 'table')} of legacy to ${deps.objects.bucket}/archive/${executionName(run)}/ and restore some of its pages for proof`,
      ],
    });
  const until = deps.clock.now().getTime() + CALL_MS;
  let state = isArchiveState(data) ? data : await begin(migration, data);
  while (state.at !== null) {
    if (deps.clock.now().getTime() >= until) return again(0, { data: state, notes: [progressNote(state)] });
    state = await archiveNext(migration, run, state, state.at);
  }
  const failures = await drill(migration, run, state);
  const manifest = await writeManifest(migration, run, state);
  const now = deps.clock.now();
  const rows = state.tables.reduce((sum, table) => sum + table.rows, 0);
  return judged(
    [
      judgeGate(
        {
          gate: 'restore-drill',
          value: failures.length,
          threshold: 0,
          comparison: 'equals',
          unit: 'pages not restored as archived',
          source: `${deps.objects.bucket}/${manifest.key}, sha256 ${manifest.sha256}`,
          measuredAt: now,
          details: failures,
        },
        now,
      ),
    ],
    {
      notes: [
        `${counted(rows, 'row')} of ${counted(state.tables.length, 'table')} archived as ${deps.objects.bucket}/${manifest.key}`,
        manifest.consistent
          ? 'legacy did not change meanwhile: the archive is of one moment'
          : 'the reverse relay wrote to legacy meanwhile: pages are of different moments, and the target has what came later',
      ],
    },
  );
};

async function begin({ deps, tables }: Migration, data: unknown): Promise<ArchiveState> {
  const [first] = tables;
  return {
    work: 'archive',
    startedAt: deps.clock.now().toISOString(),
    applied: await readApplied(deps),
    targetRows: isAuditData(data) ? data.rows : {},
    tables: [],
    at: first === undefined ? null : { table: first.name, after: null },
  };
}

async function readApplied(deps: Deps): Promise<string> {
  const [row] = await deps.databases.open('legacy', 'compare').query<{ applied: string }>(appliedSoFar);
  return row?.applied ?? '0';
}

/** A page that is archived twice is written under the same key. */
async function archiveNext(
  { deps, tables }: Migration,
  run: Run,
  state: ArchiveState,
  at: NonNullable<ArchiveState['at']>,
): Promise<ArchiveState> {
  const index = tables.findIndex(({ name }) => name === at.table);
  const table = tables[index];
  if (table === undefined)
    throw new RangeError(`table ${at.table} is not in the plan any more; start decommission anew`);
  const bytes = Math.min(PAGE_BYTES, deps.databases.pageBytes);
  const rows = await deps.databases
    .open('legacy', 'compare')
    .query<ArchivedRow>(archivePage(table, at.after, PAGE_ROWS, bytes));
  const before = state.tables.find((known) => known.table === table.name) ?? {
    table: table.name,
    rows: 0,
    pages: 0,
    sha256: '',
  };
  const body = rows.map(({ line }) => `${line}\n`).join('');
  if (rows.length > 0) await deps.objects.put(pageKey(run, table.name, before.pages + 1), body, 'application/x-ndjson');
  const archived: ArchivedTable = {
    table: table.name,
    rows: before.rows + rows.length,
    pages: before.pages + (rows.length > 0 ? 1 : 0),
    sha256: sha256(`${before.sha256}${sha256(body)}`),
  };
  const last = rows.at(-1);
  const next = tables[index + 1];
  return {
    ...state,
    tables: [...state.tables.filter((known) => known.table !== table.name), archived],
    at:
      last?.more === true
        ? { table: table.name, after: last.row_key }
        : next === undefined
          ? null
          : { table: next.name, after: null },
  };
}

async function drill(migration: Migration, run: Run, state: ArchiveState): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const { table: name, pages } of state.tables) {
    const table = tableNamed(migration, name);
    for (const page of drilledPages(pages)) {
      const key = pageKey(run, name, page);
      const body = await migration.deps.objects.get(key);
      if (body === undefined) failures.push(`${key} is not in the bucket`);
      else if ((await restore(migration.deps, table, body)) !== sha256(body))
        failures.push(`${key}: the restored rows are not the archived ones`);
    }
  }
  return failures;
}

/** @returns the digest of the rows as the database holds them after a restore that is rolled back. */
function restore(deps: Deps, table: MigratedTable, body: string): Promise<string> {
  const lines = `[${body.trimEnd().replaceAll('\n', ',')}]`;
  return rolledBack(deps.databases.open('legacy', 'backfill'), async (session) => {
    await session.query(pinSession);
    await session.query(createRestored(table));
    await session.query(restoreRows(table, lines));
    const [row] = await session.query<{ digest: string }>(restoredDigest(table));
    return row?.digest ?? '';
  });
}

function drilledPages(pages: number): readonly number[] {
  const wanted = Math.min(pages, DRILLED);
  const step = wanted <= 1 ? 0 : (pages - 1) / (wanted - 1);
  return [...new Set(Array.from({ length: wanted }, (_, index) => 1 + Math.round(index * step)))];
}

async function writeManifest(migration: Migration, run: Run, state: ArchiveState) {
  const { deps, tables } = migration;
  const legacy = await readStoreTables(deps.databases, 'legacy', tables);
  const target = await readStoreTables(deps.databases, 'target', tables);
  const consistent = (await readApplied(deps)) === state.applied;
  const key = `archive/${executionName(run)}/manifest.json`;
  const manifest = {
    plan: deps.plan.name,
    planHash: deps.planHash,
    execution: run.execution,
    startedAt: state.startedAt,
    endedAt: deps.clock.now().toISOString(),
    consistent,
    restore:
      'each line is a row: a JSON object of column to text; insert (line ->> column)::type, generated columns left out',
    legacy: tables.map((table) => ({
      ...state.tables.find((archived) => archived.table === table.name),
      pages: state.tables.find((archived) => archived.table === table.name)?.pages ?? 0,
      keys: `archive/${executionName(run)}/${table.name}/`,
      schema: legacy.get(table.name),
    })),
    target: tables.map((table) => ({
      table: table.name,
      rows: state.targetRows[table.name] ?? null,
      schema: target.get(table.name),
    })),
  };
  await deps.objects.put(key, JSON.stringify(manifest, null, 1), 'application/json');
  return { key, consistent, sha256: fingerprint(manifest) };
}

function pageKey(run: Run, table: string, page: number): string {
  return `archive/${executionName(run)}/${table}/${String(page).padStart(6, '0')}.jsonl`;
}

function progressNote({ tables }: ArchiveState): string {
  return `archived ${counted(
    tables.reduce((sum, table) => sum + table.rows, 0),
    'row',
  )} of ${tables.map(({ table }) => table).join(', ')}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The step's own data comes back as JSON; any other data is of the step before. */
function isArchiveState(data: unknown): data is ArchiveState {
  return typeof data === 'object' && data !== null && 'work' in data && data.work === 'archive';
}
