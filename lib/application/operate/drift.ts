/** Drift for people: the clocks, and the rows that differ. Keys and columns, never values (invariant 9). */
import type { DriftDocument, TableCycle } from '../../contracts/documents.ts';
import type { SubjectClock } from '../../domain/drift-clocks.ts';
import type { Plan } from '../../plan/plan.ts';
import { renderDriftReport } from '../drift-report/page.ts';

import { openIncidents } from '../incidents/incidents.ts';
import { PLAN_DOCUMENT } from './deployed-plan.ts';
import { type DriftClock, readDriftClocks } from './drift-clock.ts';
import { type Operator, OperatorError } from './operator.ts';
import { readFacts } from './read-facts.ts';

export interface DriftStatusPayload {
  readonly clock: DriftClock;
  readonly alert: { readonly driftPercent: number; readonly cycles: number };
  readonly openDifferences: number;
  /** Of the last cycle. */
  readonly tables: readonly TableCycle[];
  /** Worst first, as `tenantClocks`. */
  readonly tableClocks: readonly SubjectClock[];
  readonly tenantClocks: readonly SubjectClock[];
  /** Key of the HTML page in the bucket, as of the last cycle. */
  readonly report: string | null;
  readonly numbersFrom: 'plan' | 'guide';
  /** Of the plan; with `count` no clock runs. */
  readonly mode: Plan['reconcile']['mode'];
  readonly at: string;
  readonly next: string;
}

export async function readDriftStatus(operator: Operator): Promise<DriftStatusPayload> {
  const { numbers, cycles, differences, copiedIds } = await readFacts(operator);
  const now = operator.clock.now();
  const open = differences.filter(isOpen);
  const { clock, tables, tenants } = readDriftClocks(cycles, differences, numbers, copiedIds, now);
  return {
    clock,
    alert: numbers.driftAlert,
    openDifferences: open.length,
    tables: cycles[0]?.tables ?? [],
    tableClocks: tables,
    tenantClocks: tenants,
    report: cycles[0]?.report ?? null,
    numbersFrom: numbers.source,
    mode: numbers.reconcileMode,
    at: now.toISOString(),
    next: operator.command(nextOf(open.length, clock)),
  };
}

export interface DriftReportPayload {
  /** Path of the file. */
  readonly out: string;
  readonly bytes: number;
  readonly next: string;
}

/** The page that each cycle leaves in the bucket, as of now. */
export async function makeDriftReport(operator: Operator): Promise<string> {
  const [{ numbers, cycles, differences, copiedIds }, incidents] = await Promise.all([
    readFacts(operator),
    openIncidents(operator),
  ]);
  const now = operator.clock.now();
  return renderDriftReport({
    plan: operator.system.plan,
    environment: operator.system.outputs.environment ?? null,
    at: now.toISOString(),
    rule: numbers.driftGate,
    alert: numbers.driftAlert,
    view: readDriftClocks(cycles, differences, numbers, copiedIds, now),
    cycles,
    open: differences.filter(isOpen),
    incidents: incidents.map(({ id, says, firstAt }) => ({ id, says, firstAt })),
  });
}

/** `gone`: it was over without a repair of ours. */
export const DIFFERENCE_STATES = ['open', 'repaired', 'gone'] as const;
export type DifferenceState = (typeof DIFFERENCE_STATES)[number];

export interface ShownDifference extends DriftDocument {
  readonly state: DifferenceState;
}

export interface DriftShowPayload {
  /** Differences that match, before `limit`. */
  readonly total: number;
  /** Of those that match, the ones that are open. */
  readonly open: number;
  readonly differences: readonly ShownDifference[];
  /** For --after, where there are more. */
  readonly nextPage: string | null;
  readonly next: string;
}

export interface DriftFilter {
  readonly table?: string | undefined;
  readonly tenants: readonly string[];
  /** Start of a cycle, or the beginning of it: those that it saw, whatever became of them. */
  readonly cycle?: string | undefined;
  /** Those that are over too. */
  readonly all: boolean;
  /** As `nextPage` of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** @throws {OperatorError} usage, for a table that is not in the deployed plan, and a cycle that is not on record. */
export async function showDrift(operator: Operator, filter: DriftFilter): Promise<DriftShowPayload> {
  const { table, tenants, cycle, all, after, limit } = filter;
  const matching = (await operator.documents.list('drift'))
    .map(({ id, value }) => ({ id, ...value, state: stateOf(value) }))
    .filter(
      (difference) =>
        (all || cycle !== undefined || difference.state === 'open') &&
        (table === undefined || difference.table === table) &&
        (tenants.length === 0 || tenants.includes(difference.tenant ?? '*')) &&
        (cycle === undefined || sawIn(difference, cycle)),
    );
  // A name that was mistyped must not look like a table without drift.
  if (matching.length === 0) await requireKnown(operator, filter);
  const rest = after === undefined ? matching : matching.filter(({ id }) => id > after);
  const shown = rest.slice(0, limit);
  const first = shown.find(({ state }) => state === 'open') ?? shown[0];
  return {
    total: matching.length,
    open: matching.filter(({ state }) => state === 'open').length,
    differences: shown.map(({ id: _address, ...difference }) => difference),
    nextPage: shown.length < rest.length ? (shown.at(-1)?.id ?? null) : null,
    next: operator.command(
      first === undefined ? 'drift status' : `drift explain ${quote(first.table)} ${quote(first.rowKey)}`,
    ),
  };
}

async function requireKnown({ documents, command }: Operator, { table, cycle }: DriftFilter): Promise<void> {
  const recorded = table === undefined ? undefined : await documents.get('progress', PLAN_DOCUMENT);
  // recordPlan wrote it, from a checked plan.
  const plan = recorded?.value.state.plan as Pick<Plan, 'tables'> | undefined;
  if (table !== undefined && plan !== undefined && !(table in plan.tables))
    throw new OperatorError('usage', `the plan has no table ${table}; it has ${Object.keys(plan.tables).join(', ')}`, {
      next: command('drift show'),
    });
  if (cycle !== undefined && !(await documents.list('cycle')).some(({ id }) => id.startsWith(cycle)))
    throw new OperatorError('usage', `no cycle on record begins at ${cycle}`, { next: command('drift status') });
}

export function stateOf({ repairedAt, endedBy }: DriftDocument): DifferenceState {
  if (repairedAt === undefined) return 'open';
  return endedBy === 'converged' ? 'gone' : 'repaired';
}

function sawIn({ cycle: last, seen = [] }: DriftDocument, cycle: string): boolean {
  return last.startsWith(cycle) || seen.some((sighting) => sighting.cycle.startsWith(cycle));
}

function isOpen({ repairedAt }: DriftDocument): boolean {
  return repairedAt === undefined;
}

function nextOf(open: number, clock: DriftClock): string {
  if (open > 0) return 'drift show';
  if (clock.last === null) return 'reconcile --dry-run';
  return clock.pass ? 'start cutover --dry-run' : 'status --watch';
}

/** Row keys hold JSON; a shell must see one word. */
export function quote(text: string): string {
  return /^[\w.,:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
