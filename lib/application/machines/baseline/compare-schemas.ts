/** Step `compare-schemas`: catalogue against catalogue, with what the plan declares taken out (guide, phase 1). */

import { counted } from '../../../domain/counted.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { compareTables, type SchemaDelta } from '../../../domain/schema-parity.ts';
import type { MigratedTable } from '../../../domain/table.ts';
import { SqlError } from '../../../ports/sql.ts';
import { createProbeView, type ExpressionTypeRow, probeViewTypes } from '../../../sql/baseline/expression-types.ts';
import type { Deps } from '../../deps.ts';
import { missingKeyIndexes } from '../../install/look-at-key-indexes.ts';
import { loadMigration } from '../../migration.ts';
import { readStoreTables } from '../../read-store-tables.ts';
import { PlanMismatch } from '../../read-tables.ts';
import { digestForms } from '../../reconcile/probe-digests.ts';
import { judged, type Step } from '../step.ts';
import { rolledBack } from './rolled-back.ts';

export const compareSchemas: Step = async (deps) => {
  const { deltas, notes, tables } = await findDeltas(deps);
  const gate = judgeGate(
    {
      gate: 'schema-deltas',
      value: deltas.length,
      threshold: 0,
      comparison: 'equals',
      source: 'pg_catalog of both stores',
      measuredAt: deps.clock.now(),
      details: deltas.map(({ reason }) => reason),
    },
    deps.clock.now(),
  );
  // With deltas there is nothing to compare rows of yet.
  const digests = deltas.length === 0 ? await noteDigests(deps) : [];
  return judged([gate], {
    notes: [`${counted(tables, 'table')} compared, ${deltas.length} undeclared deltas`, ...notes, ...digests],
  });
};

/** What later comparisons will use: one line a form, and one for each table that gets another than the plan wishes. */
async function noteDigests(deps: Deps): Promise<readonly string[]> {
  const migration = await loadMigration(deps);
  const tables = await digestForms(migration);
  const unindexed = await missingKeyIndexes(migration);
  const asWished = Map.groupBy(
    tables.filter(({ because }) => because === undefined),
    ({ form }) => form,
  );
  return [
    ...[...asWished].map(([form, like]) => `${form} digests for ${like.map(({ table }) => table).join(', ')}`),
    ...tables.flatMap(({ table, form, because }) =>
      because === undefined ? [] : [`${form} digests for ${table}: ${because}`],
    ),
    ...(unindexed.length === 0 ? [] : [`dual-write builds an index of the key for ${unindexed.join(', ')}`]),
  ];
}

export interface Deltas {
  readonly deltas: readonly SchemaDelta[];
  readonly notes: readonly string[];
  readonly tables: number;
}

/** A plan that does not fit the databases is a finding like any other, not a crash. */
export async function findDeltas(deps: Deps): Promise<Deltas> {
  const migration = await loadMigration(deps).catch((error: unknown) => {
    if (error instanceof PlanMismatch) return error;
    throw error;
  });
  if (migration instanceof PlanMismatch) {
    const deltas = migration.problems.map((reason) => ({ table: '', kind: 'column' as const, reason }));
    return { deltas, notes: [], tables: Object.keys(deps.plan.tables).length };
  }
  const legacy = await readStoreTables(deps.databases, 'legacy', migration.tables);
  const target = await readStoreTables(deps.databases, 'target', migration.tables);
  const deltas: SchemaDelta[] = [];
  const notes: string[] = [];
  for (const table of migration.tables) {
    const [mine, theirs] = [legacy.get(table.name), target.get(table.name)];
    if (mine === undefined || theirs === undefined) continue;
    const forward = await probeExpressions(deps, 'legacy', table, deltas);
    await probeExpressions(deps, 'target', table, deltas);
    const parity = compareTables(mine, theirs, declarationsOf(deps, table, forward));
    deltas.push(...parity.deltas);
    notes.push(...parity.notes);
  }
  return { deltas, notes, tables: migration.tables.length };
}

export function declarationsOf(deps: Deps, table: MigratedTable, expressionTypes: Readonly<Record<string, string>>) {
  const rules = Object.entries(deps.plan.tables[table.name]?.columns ?? {});
  return {
    columns: Object.fromEntries(rules.map(([column, { kind }]) => [column, kind])),
    from: Object.fromEntries(rules.flatMap(([column, rule]) => ('from' in rule ? [[column, rule.from]] : []))),
    expressionTypes,
  };
}

/** Prepares every expression of the plan where it will run: `from` in legacy, `back` in the target. */
async function probeExpressions(
  deps: Deps,
  store: 'legacy' | 'target',
  table: MigratedTable,
  deltas: SchemaDelta[],
): Promise<Readonly<Record<string, string>>> {
  const rules = Object.values(deps.plan.tables[table.name]?.columns ?? {});
  const written = rules.flatMap((rule) => {
    if (store === 'legacy') return 'from' in rule ? [rule.from] : [];
    return 'back' in rule ? Object.values(rule.back) : [];
  });
  const mapping = store === 'legacy' ? table.forward : table.reverse;
  const wanted = mapping.filter(({ expression }) => written.includes(expression));
  if (wanted.length === 0) return {};
  const types: Record<string, string> = {};
  for (const column of wanted) {
    try {
      await rolledBack(deps.databases.open(store, 'install'), async (session) => {
        await session.query(createProbeView(table, column));
        for (const row of await session.query<ExpressionTypeRow>(probeViewTypes)) types[row.column] = row.type;
      });
    } catch (error) {
      noteFailure(error, store, table, column.column, deltas);
    }
  }
  return types;
}

function noteFailure(error: unknown, store: string, table: MigratedTable, column: string, deltas: SchemaDelta[]): void {
  // Without the right to make temporary objects the types stay unknown; check-payloads still tries the rows.
  if (!(error instanceof SqlError) || error.sqlState === '42501') return;
  if (error.kind !== 'permanent') throw error;
  const key = store === 'legacy' ? `columns.${column}.from` : `\`back\` for ${column}`;
  deltas.push({
    table: table.name,
    kind: 'mapping',
    reason: `${table.name}: ${key} cannot be evaluated in ${store}: ${error.message}`,
  });
}
