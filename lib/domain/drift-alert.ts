/** The drift alert: of everything that was compared, and of each table by itself, so that a large one hides no small one. */
import { percentOf } from './drift-bound.ts';

interface AlertRule {
  readonly driftPercent: number;
  readonly cycles: number;
}

/** What the alert needs of a cycle; `CycleDocument` has it all. */
export interface AlertedCycle {
  readonly driftPercent: number;
  readonly failed: boolean;
  readonly scopeKind: 'full' | 'window' | 'sample' | 'keys';
  readonly tables: readonly {
    readonly table: string;
    readonly rows: number;
    readonly drift: { readonly missing: number; readonly extra: number; readonly different: number };
  }[];
}

export interface DriftAlerts {
  /** Tables above the rule; null stands for all tables together. */
  readonly firing: readonly (string | null)[];
  /** Of those, the ones that the newest cycle brought above it: an episode is told once. */
  readonly began: readonly (string | null)[];
}

/** Guide phase 3: "alert on drift > 0.01 % for 5 consecutive reconciliation cycles". */
export function firesDriftAlert(
  newestFirst: readonly { readonly driftPercent: number; readonly failed: boolean }[],
  rule: AlertRule,
): boolean {
  const measured = newestFirst.filter((cycle) => hasMeasured(cycle, rule)).slice(0, rule.cycles);
  return measured.length === rule.cycles && measured.every((cycle) => cycle.driftPercent > rule.driftPercent);
}

export function findDriftAlerts(newestFirst: readonly AlertedCycle[], rule: AlertRule): DriftAlerts {
  // Somebody's look at a part, or at named rows, is no measure of the rate: it neither counts nor calms.
  const measuring = newestFirst.filter(({ scopeKind }) => scopeKind === 'full' || scopeKind === 'window');
  const names = [...new Set(measuring.flatMap(({ tables }) => tables.map(({ table }) => table)))].sort();
  const subjects = [null, ...names].map((subject) => ({ subject, cycles: measuring.flatMap(rateOf(subject)) }));
  const firing = subjects.filter(({ cycles }) => firesDriftAlert(cycles, rule));
  const newest = measuring.find(({ failed }) => !failed);
  const isInNewest = (subject: string | null) => newest !== undefined && rateOf(subject)(newest).length > 0;
  return {
    firing: firing.map(({ subject }) => subject),
    began: firing
      .filter(({ subject, cycles }) => {
        // A failed cycle told nobody: as the last one that ended well saw it, and the one before.
        const [, told] = cycles.flatMap(({ failed }, index) => (failed ? [] : [index]));
        return isInNewest(subject) && (told === undefined || !firesDriftAlert(cycles.slice(told), rule));
      })
      .map(({ subject }) => subject),
  };
}

function rateOf(subject: string | null) {
  return (cycle: AlertedCycle): readonly { readonly driftPercent: number; readonly failed: boolean }[] => {
    if (subject === null) return [cycle];
    return cycle.tables
      .filter(({ table }) => table === subject)
      .map(({ rows, drift }) => ({
        driftPercent: percentOf(drift.missing + drift.extra + drift.different, rows),
        failed: cycle.failed,
      }));
  };
}

/** A failed cycle calms nothing. What it had found before it failed counts. */
function hasMeasured(
  { failed, driftPercent }: Pick<AlertedCycle, 'failed' | 'driftPercent'>,
  rule: AlertRule,
): boolean {
  return !failed || driftPercent > rule.driftPercent;
}
