/**
 * Which side wins where a column differs, and why (guide phase 3, "conflict resolution": legacy wins on timestamp collisions, the
 * target wins for fields that it owns). A repair records each decision with its reason, so that a person can review it.
 */
import type { StoreName } from './direction.ts';

/** The target's `updatedAtColumn` against legacy's; `unknown`: the table has none, or it is no time and no number. */
export const TIME_ORDERS = ['older', 'equal', 'newer', 'unknown'] as const;
export type TimeOrder = (typeof TIME_ORDERS)[number];

export const CONFLICT_REASONS = [
  'target-owns',
  'legacy-is-newer',
  'timestamps-collide',
  'target-is-newer',
  'legacy-is-authoritative',
  'target-is-authoritative',
] as const;
export type ConflictReason = (typeof CONFLICT_REASONS)[number];

export interface Conflict {
  /** Word of the journal: who is authoritative now. */
  readonly authoritative: StoreName;
  /** The plan says `owner: target`, or the target computes the column itself (generated, identity always). */
  readonly targetOwns: boolean;
  readonly targetTime: TimeOrder;
}

export interface ColumnDecision {
  readonly winner: StoreName;
  readonly reason: ConflictReason;
}

/**
 * Time never decides who wins: clocks of applications do not order writes (protocol §2). It only says what kind of difference a
 * person looks at. While legacy is authoritative, a target that is as new or newer was written past Crossfade.
 */
export function decideColumn({ authoritative, targetOwns, targetTime }: Conflict): ColumnDecision {
  if (targetOwns) return { winner: 'target', reason: 'target-owns' };
  if (authoritative === 'target') return { winner: 'target', reason: 'target-is-authoritative' };
  return { winner: 'legacy', reason: LEGACY_WINS[targetTime] };
}

const LEGACY_WINS: Readonly<Record<TimeOrder, ConflictReason>> = {
  older: 'legacy-is-newer',
  equal: 'timestamps-collide',
  newer: 'target-is-newer',
  unknown: 'legacy-is-authoritative',
};

/** What a reason means for a person. */
export const CONFLICT_MEANINGS: Readonly<Record<ConflictReason, string>> = {
  'target-owns': 'the target fills it itself: it stays as it is',
  'legacy-is-newer': 'legacy was updated later',
  'timestamps-collide': 'both say that they were updated at one time: a write past Crossfade; legacy wins',
  'target-is-newer': 'the target says that it was updated later: a write past Crossfade; legacy wins',
  'legacy-is-authoritative': 'legacy is authoritative',
  'target-is-authoritative': 'the target is authoritative since the switchover',
};
