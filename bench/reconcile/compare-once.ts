/** One comparison of the whole table by the engine, through whatever sessions it is given. */

import { loadMigration } from '../../lib/application/migration.ts';
import { comparePass } from '../../lib/application/reconcile/compare-pass.ts';
import { planComparison } from '../../lib/application/reconcile/comparison.ts';
import type { DigestForm } from '../../lib/domain/digest.ts';
import type { Databases } from '../../lib/ports/sql.ts';
import { benchDeps } from '../engine-deps.ts';
import { TENANTS } from './planted.ts';
import { checkFound, PLAN_SECTIONS, type State } from './states.ts';

export interface CompareReport {
  readonly rows: number;
  readonly ids: readonly number[];
  readonly chunks: number;
  readonly differingChunks: number;
  /** In flight, or not settled. */
  readonly undecided: number;
  /** From the first connection to the verdict. */
  readonly ms: number;
  /** What the engine would have waited between two reads of a row that looked different; not waited here, where nothing is in flight. */
  readonly waitMs: number;
}

const DAY_MS = 86_400_000;

/** @throws {Error} when the engine chose another form: its number would be of something else. */
export async function compareOnce(databases: Databases, form: DigestForm, chunkRows?: number): Promise<CompareReport> {
  const began = performance.now();
  const deps = benchDeps(
    databases,
    chunkRows === undefined ? PLAN_SECTIONS : `${PLAN_SECTIONS}reconcile: { chunkRows: ${chunkRows} }\n`,
  );
  let waitMs = 0;
  const sleep = async (ms: number) => {
    waitMs += ms;
  };
  const migration = await loadMigration({ ...deps, clock: { ...deps.clock, sleep } });
  const wish = { mode: 'checksum', form, tenants: TENANTS, tables: [] } as const;
  const comparison = await planComparison(migration, 'forward', wish);
  const used = comparison.tables[0]?.fingerprint.form;
  if (used !== form) throw new Error(`the engine chose the form ${used} instead of ${form}`);
  const result = await comparePass(migration, comparison, { id: 'bench', until: new Date(Date.now() + DAY_MS) });
  if (result === undefined) throw new Error('the pass ended early');
  return {
    rows: result.rows,
    ids: result.drift.map(({ rowKey }) => idOf(rowKey)),
    chunks: result.tables.reduce((sum, table) => sum + table.chunks, 0),
    differingChunks: result.tables.reduce((sum, table) => sum + table.differingChunks, 0),
    undecided: result.unsettled + result.inFlight,
    ms: performance.now() - began,
    waitMs,
  };
}

/** A row key is a JSON list of the key's values. */
export function idOf(rowKey: string): number {
  return Number((JSON.parse(rowKey) as readonly unknown[])[0]);
}

/** @throws {Error} unless it found exactly what was planted, and decided on every row. */
export function checkReport(state: State, report: CompareReport, what: string): void {
  const { missing, extra } = state.planted;
  checkFound(state, { ids: report.ids, what });
  if (report.undecided > 0) throw new Error(`${report.undecided} rows were not settled though nothing writes`);
  // A chunk counts the rows of the store that has more of them there.
  if (Math.abs(report.rows - state.rows) > missing.length + extra.length)
    throw new Error(`${report.rows} rows were compared instead of ${state.rows}`);
}
