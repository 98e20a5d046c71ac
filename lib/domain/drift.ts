/**
 * In flight is not drift (design §4): a differing row counts only when it has no undelivered event and stays different, and
 * unchanged on both sides, across two reads further apart than the relay's lag. Rows are known by fingerprints here, never by values.
 */
import type { StoreName } from './direction.ts';

/** What one read of both stores saw of a row key. A fingerprint is null where the store has no such row. */
export interface RowSight {
  readonly rowKey: string;
  /** Tenant of the row where it is, by the authoritative store first. */
  readonly tenant: string | null;
  readonly legacy: string | null;
  readonly target: string | null;
  /** An event of the row has not ended. */
  readonly inFlight: boolean;
}

export const DRIFT_KINDS = ['missing', 'extra', 'different'] as const;
/** As the receiver stands: it lacks a row, it has one too many, or the two differ. */
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** `moving`: it differs, but has not stood still for two reads yet. */
export type Verdict = 'converged' | 'in-flight' | 'moving' | 'drift';

/** @param before what the earlier read saw; undefined on the first one. */
export function judgeRow(before: RowSight | undefined, now: RowSight): Verdict {
  // Covers the fourth case too: neither store has the row any more (prior art, trap 23).
  if (now.legacy === now.target) return 'converged';
  if (now.inFlight) return 'in-flight';
  if (before === undefined || before.inFlight) return 'moving';
  return before.legacy === now.legacy && before.target === now.target ? 'drift' : 'moving';
}

export function driftKindOf(sight: RowSight, authoritative: StoreName): DriftKind {
  const source = authoritative === 'legacy' ? sight.legacy : sight.target;
  const receiver = authoritative === 'legacy' ? sight.target : sight.legacy;
  if (receiver === null) return 'missing';
  return source === null ? 'extra' : 'different';
}
