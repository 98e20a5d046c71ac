/**
 * Step `audit`: the target's integrity, proved once more before legacy goes (guide, phase 5). Orphans by anti-join, page by page;
 * constraints, indexes and sequences by catalogue; every row against legacy by exact digest, while the reverse relay keeps both equal.
 */

import type { Run, StepResult } from '../../../contracts/machine-io.ts';
import { counted } from '../../../domain/counted.ts';
import { type GateDecision, judgeGate } from '../../../domain/gate.ts';
import { compareTables, type DeltaKind } from '../../../domain/schema-parity.ts';
import type { StoreTable } from '../../../domain/store-table.ts';
import { type OrphanPageRow, orphanPage } from '../../../sql/decommission/orphan-page.ts';
import { highestValue, type SequenceRow, sequencesOf } from '../../../sql/switchover/sequences.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, type Migration } from '../../migration.ts';
import { readStoreTables } from '../../read-store-tables.ts';
import { comparePass, type PassResult } from '../../reconcile/compare-pass.ts';
import { planComparison } from '../../reconcile/comparison.ts';
import { copiedTenants } from '../../reconcile/settle-round.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { declarationsOf } from '../baseline/compare-schemas.ts';
import { again, judged, type Step } from '../step.ts';
import { CALL_MS, executionName, readRetired } from './phase.ts';

/** Rows of one anti-join: a page of 20 000 stays far below the 45 s of a Data API statement. */
const PAGE_ROWS = 20_000;
const MAX_DETAILS = 20;
/** Deltas that mean a guarantee of legacy is not there in the target. */
const GUARANTEES: ReadonlySet<DeltaKind> = new Set([
  'primary-key',
  'unique',
  'index',
  'foreign-key',
  'check',
  'nullability',
]);

/** Handed from call to call, and to `archive`. */
export interface AuditData {
  readonly work: 'audit';
  /** Table whose orphans are looked for, and the last key looked at; null when all are done. */
  readonly at: { readonly table: string; readonly after: string | null } | null;
  readonly looked: number;
  readonly orphans: number;
  readonly examples: readonly string[];
  /** Rows by table, once both stores were compared. */
  readonly rows: Readonly<Record<string, number>>;
}

export const audit: Step = async (deps, run, data) => {
  const migration = await loadMigration(deps);
  const target = await readStoreTables(deps.databases, 'target', migration.tables);
  const until = deps.clock.now().getTime() + CALL_MS;
  let state = isAuditData(data) ? data : begin(migration);
  while (state.at !== null) {
    if (deps.clock.now().getTime() >= until)
      return again(0, { data: state, notes: [`looked for orphans in ${counted(state.looked, 'row')}`] });
    state = await lookForOrphans(migration, target, state, state.at);
  }
  const compared = await compareStores(migration, run, new Date(until));
  if (compared === 'more') return again(0, { data: state, notes: ['compares both stores by exact digest'] });
  return conclude(migration, target, state, compared);
};

function begin({ tables }: Migration): AuditData {
  const [first] = tables;
  return {
    work: 'audit',
    at: first === undefined ? null : { table: first.name, after: null },
    looked: 0,
    orphans: 0,
    examples: [],
    rows: {},
  };
}

async function lookForOrphans(
  { deps, tables }: Migration,
  target: ReadonlyMap<string, StoreTable>,
  state: AuditData,
  at: NonNullable<AuditData['at']>,
): Promise<AuditData> {
  const index = tables.findIndex(({ name }) => name === at.table);
  const table = tables[index];
  if (table === undefined)
    throw new RangeError(`table ${at.table} is not in the plan any more; start decommission anew`);
  const next = tables[index + 1];
  const nextTable = next === undefined ? null : { table: next.name, after: null };
  const links = target.get(table.name)?.links ?? [];
  if (links.length === 0) return { ...state, at: nextTable };
  const [page] = await deps.databases
    .open('target', 'compare')
    .query<OrphanPageRow>(orphanPage(table, links, at.after, PAGE_ROWS));
  // json_build_object and json_agg made it.
  const found = JSON.parse(page?.orphans ?? '[]') as readonly {
    readonly count: number;
    readonly keys: readonly string[];
  }[];
  const examples = found.flatMap(({ count, keys }, place) =>
    count === 0
      ? []
      : [`${table.name}: ${counted(count, 'row')} without a parent by ${links[place]?.name}; keys ${keys.join(' ')}`],
  );
  const rows = Number(page?.rows ?? 0);
  const last = page?.last ?? null;
  return {
    ...state,
    at: rows < PAGE_ROWS || last === null ? nextTable : { table: table.name, after: last },
    looked: state.looked + rows,
    orphans: state.orphans + found.reduce((sum, { count }) => sum + count, 0),
    examples: [...state.examples, ...examples].slice(0, MAX_DETAILS),
  };
}

/** null: legacy is no longer kept equal, so there is nothing to compare with. */
async function compareStores(migration: Migration, run: Run, until: Date): Promise<PassResult | null | 'more'> {
  const { deps } = migration;
  if ((await readRetired(deps)) !== undefined) return null;
  const tenants = copiedTenants(await tenantStates(deps, 'reverse'));
  const comparison = await planComparison(migration, 'reverse', {
    mode: 'columns',
    form: 'exact',
    tenants,
    tables: [],
  });
  return (await comparePass(migration, comparison, { id: `decommission-${executionName(run)}`, until })) ?? 'more';
}

async function conclude(
  migration: Migration,
  target: ReadonlyMap<string, StoreTable>,
  state: AuditData,
  compared: PassResult | null,
): Promise<StepResult> {
  const { deps } = migration;
  const legacy = await readStoreTables(deps.databases, 'legacy', migration.tables);
  const missing = missingGuarantees(deps, migration, legacy, target);
  const behind = await sequencesBehind(migration);
  const gates = [
    equalsZero(
      deps,
      'orphans',
      state.orphans,
      `anti-joins over ${counted(state.looked, 'row')} of the target`,
      state.examples,
    ),
    equalsZero(deps, 'missing-guarantees', missing.length, 'pg_catalog of both stores', missing.slice(0, MAX_DETAILS)),
    equalsZero(deps, 'sequences-behind', behind.length, 'sequences and highest values of the target', behind),
    ...(compared === null
      ? []
      : [
          equalsZero(
            deps,
            'final-differences',
            compared.drift.length,
            `exact digests of ${counted(compared.rows, 'row')} in both stores`,
            describeDrift(compared),
          ),
        ]),
  ];
  const rows = Object.fromEntries((compared?.tables ?? []).map((tally) => [tally.table, tally.rows]));
  const note =
    compared === null
      ? 'reverse capture is retired: legacy is no longer kept equal and was not compared'
      : `${counted(compared.rows, 'row')} equal by exact digest but for ${compared.drift.length}; ${compared.inFlight} in flight, ${compared.unsettled} would not stand still`;
  return judged(gates, {
    data: { ...state, rows },
    notes: [`${counted(state.looked, 'row')} looked at for orphans`, note],
  });
}

function equalsZero(deps: Deps, gate: string, value: number, source: string, details: readonly string[]): GateDecision {
  const now = deps.clock.now();
  return judgeGate({ gate, value, threshold: 0, comparison: 'equals', source, measuredAt: now, details }, now);
}

function missingGuarantees(
  deps: Deps,
  { tables }: Migration,
  legacy: ReadonlyMap<string, StoreTable>,
  target: ReadonlyMap<string, StoreTable>,
): readonly string[] {
  return tables.flatMap((table) => {
    const [mine, theirs] = [legacy.get(table.name), target.get(table.name)];
    if (mine === undefined || theirs === undefined) return [];
    const { deltas } = compareTables(mine, theirs, declarationsOf(deps, table, {}));
    const unproved = [...theirs.links, ...theirs.checks].filter(({ validated }) => !validated);
    return [
      ...deltas.filter(({ kind }) => GUARANTEES.has(kind)).map(({ reason }) => reason),
      ...unproved.map(
        ({ name }) => `${table.name}: constraint ${name} is NOT VALID; run ALTER TABLE … VALIDATE CONSTRAINT ${name}`,
      ),
    ];
  });
}

async function sequencesBehind({ deps, tables }: Migration): Promise<readonly string[]> {
  const session = deps.databases.open('target', 'compare');
  const behind: string[] = [];
  for (const row of await session.query<SequenceRow>(
    sequencesOf(tables.map(({ schema, relation }) => [schema, relation] as const)),
  )) {
    if (row.increment.startsWith('-')) continue;
    const [held] = await session.query<{ highest: string | null }>(highestValue(row, row.column));
    if (held?.highest == null || BigInt(row.last_value ?? '0') >= BigInt(held.highest)) continue;
    behind.push(
      `${row.sequence_schema}.${row.sequence} stands at ${row.last_value ?? 'its start'}, ${row.relation}.${row.column} holds ${held.highest}: the next insert would fail`,
    );
  }
  return behind;
}

function describeDrift({ drift }: PassResult): readonly string[] {
  return drift
    .slice(0, MAX_DETAILS)
    .map(
      ({ table, rowKey, kind, columns }) =>
        `${table} ${rowKey} is ${kind}${columns.length === 0 ? '' : ` in ${columns.join(', ')}`}; run: npx crossfade start reconcile --repair`,
    );
}

/** The step's own data comes back as JSON; any other data is of the step before. */
export function isAuditData(data: unknown): data is AuditData {
  return typeof data === 'object' && data !== null && 'work' in data && data.work === 'audit';
}
