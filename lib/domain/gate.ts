/** A gate is a decision with evidence (design §2): what was measured, against which threshold, where, and how old it is. */
export const GATE_COMPARISONS = ['below', 'at most', 'at least', 'equals'] as const;
export type GateComparison = (typeof GATE_COMPARISONS)[number];

export interface GateDecision {
  /** Stable name, e.g. `schema-deltas`, `drift-rate`. */
  readonly gate: string;
  readonly pass: boolean;
  /** What was measured; null when the evidence is missing, which always refuses (invariant 5). */
  readonly value: number | string | boolean | null;
  readonly threshold: number | string | boolean;
  readonly comparison: GateComparison;
  /** Unit of value and threshold: `%`, `rows`, `ms`, ... */
  readonly unit?: string | undefined;
  /** Where the value was read: a table, an item, a metric. */
  readonly source: string;
  /** ISO time of the measurement; its age is judged against `maxAgeMs`. */
  readonly measuredAt: string | null;
  /** Readable reasons, one a line; empty when it passes. */
  readonly reasons: readonly string[];
  /** The guide's own threshold when a dev plan has shortened it (design §7). */
  readonly guide?: string | undefined;
}

export interface Measurement {
  readonly gate: string;
  readonly value: number | string | boolean | null;
  readonly threshold: number | string | boolean;
  readonly comparison: GateComparison;
  readonly unit?: string | undefined;
  readonly source: string;
  readonly measuredAt: Date | null;
  /** Evidence older than this refuses. */
  readonly maxAgeMs?: number | undefined;
  readonly guide?: string | undefined;
  /** Details of a refusal: the rows, columns, tenants behind the number. */
  readonly details?: readonly string[] | undefined;
}

/** Judges one measurement. Missing, stale or future evidence refuses (invariant 5). */
export function judgeGate(measurement: Measurement, now: Date): GateDecision {
  const { value, threshold, comparison, unit, measuredAt, maxAgeMs, details = [] } = measurement;
  const reasons: string[] = [];
  if (value === null || measuredAt === null) {
    reasons.push(`${measurement.gate}: no evidence in ${measurement.source}`, ...details);
  } else {
    if (maxAgeMs !== undefined && now.getTime() - measuredAt.getTime() > maxAgeMs) {
      reasons.push(`${measurement.gate}: evidence of ${measuredAt.toISOString()} is older than ${maxAgeMs} ms`);
    }
    if (!holds(value, comparison, threshold)) {
      reasons.push(
        `${measurement.gate}: ${show(value, unit)} is not ${comparison} ${show(threshold, unit)}`,
        ...details,
      );
    }
  }
  return {
    gate: measurement.gate,
    pass: reasons.length === 0,
    value,
    threshold,
    comparison,
    ...(unit === undefined ? {} : { unit }),
    source: measurement.source,
    measuredAt: measuredAt === null ? null : measuredAt.toISOString(),
    reasons,
    ...(measurement.guide === undefined ? {} : { guide: measurement.guide }),
  };
}

export function allPass(gates: readonly GateDecision[]): boolean {
  return gates.length > 0 && gates.every((gate) => gate.pass);
}

function holds(
  value: number | string | boolean,
  comparison: GateComparison,
  threshold: number | string | boolean,
): boolean {
  if (comparison === 'equals') return value === threshold;
  if (typeof value !== 'number' || typeof threshold !== 'number' || Number.isNaN(value)) return false;
  if (comparison === 'below') return value < threshold;
  return comparison === 'at most' ? value <= threshold : value >= threshold;
}

function show(value: number | string | boolean, unit: string | undefined): string {
  return unit === undefined ? String(value) : `${value} ${unit}`;
}
