/**
 * Step `check-payloads`: real rows of every table, mapped, written to the target in a transaction that is always rolled back
 * (guide, phase 1: "target accepts identical INSERT/UPDATE payloads without constraint violations"). Keys are named, values never.
 */

import { counted } from '../../../domain/counted.ts';
import { judgeGate, type Measurement } from '../../../domain/gate.ts';
import type { StoreTable } from '../../../domain/store-table.ts';
import type { MigratedTable } from '../../../domain/table.ts';
import { SqlError, type SqlSession } from '../../../ports/sql.ts';
import { hasRows } from '../../../sql/baseline/has-rows.ts';
import {
  CHECK_CONSTRAINTS,
  type ChangedColumnRow,
  changedColumns,
  DEFER_CONSTRAINTS,
} from '../../../sql/baseline/insert-rows.ts';
import { type OddRows, rowsLargerThan, rowsWithoutTenant } from '../../../sql/baseline/odd-rows.ts';
import { pinSession } from '../../../sql/baseline/pin-session.ts';
import type { SampledRow } from '../../../sql/baseline/sample-rows.ts';
import { handOverRows, type RefusedRow, refusedRows, tryRows } from '../../../sql/baseline/try-rows.ts';
import { crossfadeSchemaExists } from '../../../sql/catalogue/crossfade-schema.ts';
import type { TablesByName } from '../../../sql/row.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, type Migration } from '../../migration.ts';
import { readStoreTables } from '../../read-store-tables.ts';
import { judged, type Step } from '../step.ts';
import { rolledBack } from './rolled-back.ts';
import { DATA_API_ROW_BYTES, type Sample, sentRows, takeSample } from './sample.ts';

/** Rows of each sort (first, last, with most NULLs, longest, any) a table. */
const EACH = 10;
/** Tables up to this size are looked through for large rows as a whole; larger ones by their sample. */
const SCAN_BYTES = 64 * 1024 * 1024;
const COUNTED = 1_000;

export const checkPayloads: Step = async (deps) => {
  const migration = await loadMigration(deps);
  const stores = {
    legacy: await readStoreTables(deps.databases, 'legacy', migration.tables),
    target: await readStoreTables(deps.databases, 'target', migration.tables),
  };
  const sample = await takeSample(migration, stores, EACH);
  const { refused, changed } = await trySample(migration, sample);
  const odd = await findOddRows(migration, stores.legacy, sample);
  const sent = migration.tables.reduce((sum, table) => sum + sentRows(sample, table).length, 0);
  const gate = (name: string, details: readonly string[], source: string) =>
    judgeGate(countOf(deps, name, details, source), deps.clock.now());
  return judged(
    [
      gate('payload-violations', refused, 'sampled legacy rows, written to the target and rolled back'),
      gate('payloads-changed', changed, 'the same rows, read back before the rollback'),
      gate('rows-too-large', odd.large, 'rows of legacy as JSON'),
    ],
    {
      notes: [
        `${counted(sent, 'row')} of ${counted(migration.tables.length, 'table')} tried on the target and rolled back`,
        ...odd.notes,
        ...(await rowsBefore(migration)),
      ],
    },
  );
};

/** Legacy is the truth: what the target held before is overwritten by the copy, removed where legacy lacks it, and erased by a rollback. */
async function rowsBefore(migration: Migration): Promise<readonly string[]> {
  const target = migration.deps.databases.open('target', 'compare');
  const [schema] = await target.query<{ exists: boolean }>(crossfadeSchemaExists);
  // Afterwards the rows are Crossfade's own.
  if (schema?.exists === true) return [];
  const filled: string[] = [];
  for (const table of migration.tables) {
    const [row] = await target.query<{ found: boolean }>(hasRows(table));
    if (row?.found === true) filled.push(table.name);
  }
  if (filled.length === 0) return [];
  return [
    `the target already holds rows in ${filled.join(', ')}: backfill overwrites them, removes those that legacy lacks, and rollback dual-write erases them; keep a copy if they matter`,
  ];
}

function countOf(deps: Deps, gate: string, details: readonly string[], source: string): Measurement {
  return {
    gate,
    value: details.length,
    threshold: 0,
    comparison: 'equals',
    source,
    measuredAt: deps.clock.now(),
    details,
  };
}

/** One transaction, parents first; nothing of it stays. */
function trySample(
  migration: Migration,
  sample: Sample,
): Promise<{ readonly refused: readonly string[]; readonly changed: readonly string[] }> {
  return rolledBack(migration.deps.databases.open('target', 'backfill'), async (session) => {
    const refused: string[] = [];
    const changed: string[] = [];
    await session.query(pinSession);
    await session.query(DEFER_CONSTRAINTS);
    for (const table of migration.tables) {
      const rows = sentRows(sample, table);
      if (rows.length === 0) continue;
      const bad = await tryTable(session, table, rows);
      refused.push(...describeRefused(table, rows.length, bad));
      const badKeys = new Set(bad.map(({ key }) => key));
      const kept = rows.flatMap(({ row_key, row }) => (row === null || badKeys.has(row_key) ? [] : [row]));
      for (const { column, rows: count } of kept.length === 0
        ? []
        : await session.query<ChangedColumnRow>(changedColumns(table, kept)))
        changed.push(
          `${table.name}: column ${column} of ${count} sampled rows is not held as sent (rounded, padded, or changed by a trigger); cast it in the plan or make the types equal`,
        );
    }
    // Last, because a failure ends the transaction.
    await session.query(CHECK_CONSTRAINTS).catch((error: unknown) => {
      if (!(error instanceof SqlError) || error.kind === 'unavailable') throw error;
      refused.push(`a deferred constraint refuses the sampled rows: ${error.message}`);
    });
    return { refused, changed };
  });
}

/** @returns what the target says against each row that it refuses. */
async function tryTable(
  session: SqlSession,
  table: MigratedTable,
  rows: readonly SampledRow[],
): Promise<readonly RefusedRow[]> {
  await session.query(handOverRows(rows));
  await session.query(tryRows(table));
  const [answer] = await session.query<{ refused: string }>(refusedRows);
  // The statement above wrote it.
  return JSON.parse(answer?.refused ?? '[]') as readonly RefusedRow[];
}

function describeRefused(table: MigratedTable, tried: number, refused: readonly RefusedRow[]): readonly string[] {
  const byMessage = Map.groupBy(refused, ({ message, state }) => `${message} (SQLSTATE ${state})`);
  return [...byMessage].map(
    ([message, rows]) =>
      `${table.name}: ${rows.length} of ${tried} sampled rows refused: ${message}; keys ${someKeys(rows.map(({ key }) => key))}`,
  );
}

function someKeys(keys: readonly string[]): string {
  return `${keys.slice(0, 3).join(' ')}${keys.length > 3 ? ' …' : ''}`;
}

async function findOddRows(migration: Migration, legacy: ReadonlyMap<string, StoreTable>, sample: Sample) {
  const { deps, tables, byName } = migration;
  const session = deps.databases.open('legacy', 'compare');
  const limited = deps.plan.legacy.driver === 'rds-data' || deps.plan.target.driver === 'rds-data';
  const large: string[] = [];
  const notes: string[] = [];
  for (const table of tables) {
    const rows = [...(sample.rows.get(table.name)?.values() ?? [])];
    const wide = rows.filter(({ bytes }) => bytes > DATA_API_ROW_BYTES).map(({ row_key }) => row_key);
    const scanned = limited && (legacy.get(table.name)?.bytes ?? 0) <= SCAN_BYTES;
    const [all] = scanned ? await session.query<OddRows>(rowsLargerThan(table, DATA_API_ROW_BYTES, COUNTED)) : [];
    const count = Math.max(wide.length, Number(all?.rows ?? 0));
    const found = `${table.name}: ${count === COUNTED ? `${COUNTED} or more` : count} rows are larger than ${DATA_API_ROW_BYTES} bytes; keys ${all === undefined ? someKeys(wide) : all.examples}`;
    if (count > 0 && limited)
      large.push(`${found}; the Data API returns no row above 64 KB: use driver pg for both stores`);
    else if (count > 0) notes.push(found);
    if (limited && !scanned)
      notes.push(`${table.name}: looked for rows above 64 KB in a sample only, because the table is large`);
    if (table.tenant.kind !== 'none') notes.push(...(await noteTenantless(session, table, byName)));
  }
  return { large, notes };
}

async function noteTenantless(
  session: SqlSession,
  table: MigratedTable,
  tables: TablesByName,
): Promise<readonly string[]> {
  try {
    const [row] = await session.query<OddRows>(rowsWithoutTenant(table, tables, COUNTED));
    const count = Number(row?.rows ?? 0);
    if (count === 0) return [];
    return [
      `${table.name}: ${count === COUNTED ? `${COUNTED} or more` : count} rows have no tenant and follow the most advanced one; keys ${row?.examples}`,
    ];
  } catch (error) {
    if (!(error instanceof SqlError) || error.sqlState !== '57014') throw error;
    return [`${table.name}: too large to look for rows without a tenant in time`];
  }
}
