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
  tenantSetOf,
  unprovenOf,
} from './drift-gate.ts';
import { NO_TENANT } from './table.ts';

/** What the clocks need of a cycle; `CycleDocument` has it all. */
export interface MeasuredCycle extends LoggedCycle {
  /** Those that were part of it; none: it speaks of all. */
  readonly tables: readonly (LoggedTable & {
    /** What was compared of it, hashed; undefined: it changed meanwhile. */
    readonly shape?: string | undefined;
    readonly drift: { readonly missing: number; readonly extra: number; readonly different: number };
  })[];
  /** A tenant that is not listed had no drift. Undefined: drift is not told apart by tenant. */
  readonly byTenant?: Readonly<Record<string, MeasuredTenant>> | undefined;
  /** Drifted tenants that are not listed. */
  readonly tenantsUnlisted?: number | undefined;
  /** Of its tenants, those in another generation than their first. */
  readonly generations?: Readonly<Record<string, number>> | undefined;
}

/** What there is to be proved equal. A cycle of another shape or generation finds drift like any other, and proves nothing. */
export interface CycleSubject {
  /** By table, a hash of what is compared of it. */
  readonly shapes: Readonly<Record<string, string>>;
  /** By tenant: it is turned off and on again under a new one, and copied anew. */
  readonly generations: Readonly<Record<string, number>>;
}

export const FIRST_GENERATION = 1;

export interface MeasuredTenant {
  readonly rows: number;
  readonly drift: number;
  /** Rows that are neither clean nor drift. */
  readonly unproven?: number | undefined;
}

export interface ClocksRule extends DriftRule {
  /** Interval of cycles by table; a table that no cycle has compared does not pass. */
  readonly tables: Readonly<Record<string, number>>;
  /** As the databases have it; undefined: as the newest cycles had it. */
  readonly subject?: CycleSubject | undefined;
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
  const subject = rule.subject ?? newestSubject(cycles);
  const overall = judge(null, cycles, rule, scope);
  const tables = Object.entries(rule.tables).map(([table, cycleMs]): SubjectClock => {
    const log = cycles.flatMap((cycle) => ofTable(cycle, table, subject.shapes[table]));
    const judged = judge({ table }, log, { ...rule, cycleMs }, scope);
    return { subject: table, ...explain(judged, log, rule.forMs, 'the table was compared in another shape') };
  });
  const tenants = judgeTenants(cycles, scope, subject.generations, (tenant, log) =>
    explain(judge({ tenant }, log, rule, []), log, rule.forMs, 'the tenant stood in an earlier copy'),
  );
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
  generations: CycleSubject['generations'],
  judge: (tenant: string, log: readonly LoggedCycle[]) => DriftJudgement,
): readonly SubjectClock[] {
  const logged = cycles.map((cycle) => ({ cycle, tenants: tenantSetOf(cycle), unknown: unknownTenant(cycle) }));
  const hasShared = logged.some(({ tenants }) => tenants.has(NO_TENANT));
  const judged = new Map<string, DriftJudgement>();
  return [...new Set([...scope, ...(hasShared ? [NO_TENANT] : [])])].map((tenant) => {
    const generation = generations[tenant];
    const isOf = (cycle: MeasuredCycle) => generation === undefined || generationOf(cycle, tenant) === generation;
    let [likeness, rows, suspect] = ['', 0, 0];
    for (const { cycle, tenants, unknown } of logged) {
      const isCovered = tenants.has(tenant);
      likeness += isCovered ? (isOf(cycle) ? '2' : '1') : '0';
      if (!isCovered) continue;
      const share = cycle.byTenant?.[tenant] ?? unknown;
      rows = Math.max(rows, share.rows);
      suspect += share.drift + (share.unproven ?? 0);
    }
    const known = suspect === 0 ? judged.get(likeness) : undefined;
    if (known !== undefined) return { subject: tenant, ...known, rows, upperBoundPercent: upperBoundPercent(0, rows) };
    const log = logged
      .filter(({ tenants }) => tenants.has(tenant))
      .map(({ cycle, unknown }) => asProof(ofTenant(cycle, cycle.byTenant?.[tenant] ?? unknown), isOf(cycle)));
    const own = judge(tenant, log);
    if (suspect > 0) return { subject: tenant, ...own };
    judged.set(likeness, own);
    return { subject: tenant, ...own, rows, upperBoundPercent: upperBoundPercent(0, rows) };
  });
}

/** @param now shape that the table has now; undefined: nobody knows. */
function ofTable(cycle: MeasuredCycle, table: string, now: string | undefined): readonly LoggedCycle[] {
  const { tables, ...whole } = cycle;
  if (tables.length === 0) return [whole];
  return tables
    .filter((each) => each.table === table)
    .map(({ rows, drift, shape, ...rest }) => {
      const share = {
        ...whole,
        rows,
        drift: drift.missing + drift.extra + drift.different,
        unproven: unprovenOf({ tables: [{ rows, ...rest }] }),
        isShare: whole.rows > 0,
      };
      return asProof(share, now === undefined || shape === now);
    });
}

/** Like a part of the rows: what it finds counts, that it finds nothing does not. */
function asProof(cycle: LoggedCycle, isOfSubject: boolean): LoggedCycle {
  return isOfSubject ? cycle : { ...cycle, scopeKind: 'sample', isOther: true };
}

/** Why a clock that has not run for long enough began so late. */
function explain(judged: DriftJudgement, log: readonly LoggedCycle[], forMs: number, what: string): DriftJudgement {
  const others = log.filter(({ isOther }) => isOther).map(({ startedAt }) => startedAt);
  const last = others.toSorted().at(-1);
  if (judged.cleanMs >= forMs || last === undefined) return judged;
  return {
    ...judged,
    reasons: [...judged.reasons, `${what} until the cycle of ${last}, which proves nothing of it now`],
  };
}

function generationOf({ generations = {} }: MeasuredCycle, tenant: string): number {
  return generations[tenant] ?? FIRST_GENERATION;
}

/** For those who read the log alone. */
function newestSubject(cycles: readonly MeasuredCycle[]): CycleSubject {
  const shapes: Record<string, string> = {};
  const generations: Record<string, number> = {};
  const seen = new Set<readonly string[]>();
  for (const cycle of cycles.toSorted((one, other) => (one.startedAt < other.startedAt ? 1 : -1))) {
    if (cycle.failed) continue;
    for (const { table, shape } of cycle.tables) if (shape !== undefined) shapes[table] ??= shape;
    // Cycles of the same tenants share one list.
    if (!seen.has(cycle.tenants))
      for (const tenant of cycle.tenants) generations[tenant] ??= generationOf(cycle, tenant);
    seen.add(cycle.tenants);
  }
  return { shapes, generations };
}

/** Of a tenant that is not listed. Whose drift it was is not known: it may be this one's. */
function unknownTenant(cycle: MeasuredCycle): MeasuredTenant {
  const { byTenant, drift, tenantsUnlisted = 0 } = cycle;
  return byTenant === undefined ? { rows: 0, drift, unproven: unprovenOf(cycle) } : { rows: 0, drift: tenantsUnlisted };
}

function ofTenant(cycle: MeasuredCycle, { rows, drift, unproven = 0 }: MeasuredTenant): LoggedCycle {
  const { startedAt, endedAt, scopeKind, mode, complete, failed } = cycle;
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
