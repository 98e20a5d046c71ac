/**
 * The drift clock of everything, of each table and of each tenant, by one rule (drift-gate.ts) on the part of the log that is
 * theirs: neither a large table nor a large tenant can hide a small one. The gate passes when all of them do.
 */
import { upperBoundPercent } from './drift-bound.ts';
import {
  type DriftJudgement,
  type DriftRule,
  judgeDrift,
  type LoggedCycle,
  type LoggedTable,
  unprovenOf,
} from './drift-gate.ts';
import { NO_TENANT } from './table.ts';

/** What the clocks need of a cycle; `CycleDocument` has it all. */
export interface MeasuredCycle extends LoggedCycle {
  /** Those that were part of it; none: it speaks of all. */
  readonly tables: readonly (LoggedTable & {
    readonly drift: { readonly missing: number; readonly extra: number; readonly different: number };
  })[];
  /** A tenant that is not listed had no drift. Undefined: drift is not told apart by tenant. */
  readonly byTenant?: Readonly<Record<string, MeasuredTenant>> | undefined;
  /** Drifted tenants that are not listed. */
  readonly tenantsUnlisted?: number | undefined;
}

export interface MeasuredTenant {
  readonly rows: number;
  readonly drift: number;
  /** Rows that are neither clean nor drift. */
  readonly unproven?: number | undefined;
}

export interface ClocksRule extends DriftRule {
  /** Interval of cycles by table; a table that no cycle has compared does not pass. */
  readonly tables: Readonly<Record<string, number>>;
}

export interface SubjectClock extends DriftJudgement {
  /** Table or tenant. */
  readonly subject: string;
}

export interface DriftClocks {
  readonly pass: boolean;
  /** Of everything first; those of tables and tenants say whose they are, and are bounded. */
  readonly reasons: readonly string[];
  /** The shortest of all clocks. */
  readonly cleanMs: number;
  readonly overall: DriftJudgement;
  /** Worst first, as `tenants`. */
  readonly tables: readonly SubjectClock[];
  readonly tenants: readonly SubjectClock[];
}

export type Subject = { readonly table: string } | { readonly tenant: string } | null;

/** Distinct keys found drifting since; undefined: not known. */
export type CountDistinct = (subject: Subject, since: string) => number | undefined;

/** Reasons of tables, and of tenants, that are told. */
const MOST_REASONS = 5;

export function judgeClocks(
  cycles: readonly MeasuredCycle[],
  rule: ClocksRule,
  scope: readonly string[],
  now: Date,
  countDistinct: CountDistinct = () => undefined,
): DriftClocks {
  const judge = (subject: Subject, log: readonly LoggedCycle[], own: DriftRule, tenants: readonly string[]) => {
    const judged = judgeDrift(log, own, tenants, now);
    const distinct = judged.since === null ? undefined : countDistinct(subject, judged.since);
    return distinct === undefined ? judged : judgeDrift(log, own, tenants, now, distinct);
  };
  const overall = judge(null, cycles, rule, scope);
  const tables = Object.entries(rule.tables).map(([table, cycleMs]): SubjectClock => {
    const log = cycles.flatMap((cycle) => ofTable(cycle, table));
    return { subject: table, ...judge({ table }, log, { ...rule, cycleMs }, scope) };
  });
  const tenants = judgeTenants(cycles, scope, (tenant, log) => judge({ tenant }, log, rule, []));
  const all = [overall, ...tables, ...tenants];
  return {
    pass: all.every(({ pass }) => pass),
    reasons: [
      ...overall.reasons,
      ...tell('table', tables, overall.reasons),
      ...tell('tenant', tenants, overall.reasons),
    ],
    cleanMs: Math.min(...all.map(({ cleanMs }) => cleanMs)),
    overall,
    tables: tables.toSorted(worstFirst),
    tenants: tenants.toSorted(worstFirst),
  };
}

/** Shared rows belong to every scope. Tenants that the same cycles covered without any drift share one judgement: there may be thousands. */
function judgeTenants(
  cycles: readonly MeasuredCycle[],
  scope: readonly string[],
  judge: (tenant: string, log: readonly LoggedCycle[]) => DriftJudgement,
): readonly SubjectClock[] {
  const covered = cycles.map((cycle) => new Set(cycle.tenants));
  const hasShared = covered.some((tenants) => tenants.has(NO_TENANT));
  const judged = new Map<string, DriftJudgement>();
  return [...new Set([...scope, ...(hasShared ? [NO_TENANT] : [])])].map((tenant) => {
    const log = cycles.flatMap((cycle, index) => (covered[index]?.has(tenant) ? [ofTenant(cycle, tenant)] : []));
    if (log.some((share) => share.drift + unprovenOf(share) > 0)) return { subject: tenant, ...judge(tenant, log) };
    const likeness = covered.map((tenants) => (tenants.has(tenant) ? 1 : 0)).join('');
    const alike = judged.get(likeness) ?? judge(tenant, log);
    judged.set(likeness, alike);
    const rows = log.reduce((most, cycle) => Math.max(most, cycle.rows), 0);
    return { subject: tenant, ...alike, rows, upperBoundPercent: upperBoundPercent(0, rows) };
  });
}

function ofTable(cycle: MeasuredCycle, table: string): readonly LoggedCycle[] {
  const { tables, ...whole } = cycle;
  if (tables.length === 0) return [whole];
  return tables
    .filter((each) => each.table === table)
    .map(({ rows, drift, ...rest }) => ({
      ...whole,
      rows,
      drift: drift.missing + drift.extra + drift.different,
      unproven: unprovenOf({ tables: [{ rows, ...rest }] }),
      isShare: whole.rows > 0,
    }));
}

function ofTenant(cycle: MeasuredCycle, tenant: string): LoggedCycle {
  const { startedAt, endedAt, scopeKind, mode, complete, failed, byTenant, tenantsUnlisted = 0 } = cycle;
  // Whose drift it was is not known: it may be this one's.
  const unknown: MeasuredTenant =
    byTenant === undefined
      ? { rows: 0, drift: cycle.drift, unproven: unprovenOf(cycle) }
      : { rows: 0, drift: tenantsUnlisted };
  const { rows, drift, unproven = 0 } = byTenant?.[tenant] ?? unknown;
  const isShare = cycle.rows > 0;
  return { startedAt, endedAt, scopeKind, mode, tenants: [], complete, failed, rows, drift, unproven, isShare };
}

/** What already holds for everything is not told again. */
function tell(kind: 'table' | 'tenant', clocks: readonly SubjectClock[], known: readonly string[]): readonly string[] {
  const told = clocks.toSorted(worstFirst).flatMap(({ subject, reasons }) => {
    const own = reasons.filter((reason) => !known.includes(reason));
    return own.length === 0 ? [] : [`${nameOf(kind, subject)}: ${own.join('; ')}`];
  });
  const beyond = told.length - MOST_REASONS;
  return beyond <= 0 ? told : [...told.slice(0, MOST_REASONS), `${beyond} more ${kind}s do not pass`];
}

export function nameOf(kind: 'table' | 'tenant', subject: string): string {
  return kind === 'tenant' && subject === NO_TENANT ? 'shared rows' : `${kind} ${subject}`;
}

function worstFirst(one: SubjectClock, other: SubjectClock): number {
  return (
    Number(one.pass) - Number(other.pass) ||
    one.cleanMs - other.cleanMs ||
    (other.ratePercent ?? 0) - (one.ratePercent ?? 0) ||
    other.drift - one.drift ||
    (one.subject < other.subject ? -1 : 1)
  );
}
