/** What a repair is, as it is reviewed: keys, columns, digests, counts and reasons; never row contents (invariant 9). */
import type { ColumnDecision } from '../domain/conflict.ts';
import type { Direction } from '../domain/direction.ts';
import type { DriftKind } from '../domain/drift.ts';
import { REPAIRS_PREFIX } from './object-prefixes.ts';

/** Asked of the reconcile machine in place of a cycle. */
export type RepairJob =
  /** Makes a plan: of what one cycle saw, or (null) of every difference that is open. Empty lists: all. */
  | { readonly do: 'plan'; readonly cycle: string | null; readonly tenants: readonly string[] }
  | { readonly do: 'run'; readonly repair: string };

export const REPAIR_STATES = [
  'planned',
  'awaiting-approval',
  'approved',
  'running',
  'done',
  'undone',
  'refused',
  'expired',
] as const;
export type RepairState = (typeof REPAIR_STATES)[number];

export const REPAIR_ACTIONS = ['insert', 'update', 'delete'] as const;
export type RepairAction = (typeof REPAIR_ACTIONS)[number];

/**
 * `repaired`: written by this repair, and equal now. `converged`: it became equal by itself. `in-flight`: an event of it is on its
 * way or set aside, so it was left alone. `changed`: it is not what was reviewed any more. `failed`: it could not be written.
 */
export const REPAIR_OUTCOMES = ['repaired', 'converged', 'in-flight', 'changed', 'failed'] as const;
export type RepairOutcome = (typeof REPAIR_OUTCOMES)[number];

/** Digests are null where the store has no such row. */
export interface PlannedColumn extends ColumnDecision {
  readonly column: string;
  /** Of the store that is written, before and after. Null: the column is not compared. */
  readonly before: string | null;
  readonly after: string | null;
}

export interface PlannedRow {
  readonly table: string;
  readonly rowKey: string;
  readonly tenant: string | null;
  readonly kind: DriftKind;
  readonly action: RepairAction;
  /** Digest of the whole row in the store that is written, and in the one that is authoritative. */
  readonly before: string | null;
  readonly after: string | null;
  /** Of a row that both stores have: the columns that differ, and those that the target keeps. */
  readonly columns: readonly PlannedColumn[];
}

export interface DecisionCount extends ColumnDecision {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
}

export type ActionCounts = Readonly<Record<RepairAction, number>>;

/** What a reviewer is shown first; a part of the document and of the artefact. */
export interface RepairSummary {
  readonly id: string;
  /** The cycle that saw the rows; null: every difference that was open. */
  readonly cycle: string | null;
  readonly direction: Direction;
  readonly madeBy: string;
  readonly madeAt: string;
  readonly planHash: string;
  readonly rows: number;
  /** `reconcile.repair.capRows`: above it a person decides. */
  readonly cap: number;
  readonly tables: Readonly<Record<string, ActionCounts>>;
  /** Rows by tenant, most rows first, at most MAX_TENANTS of them. */
  readonly tenants: Readonly<Record<string, number>>;
  /** At most MAX_DECISIONS, most rows first. */
  readonly decisions: readonly DecisionCount[];
  /** Differences that were left out when it was made, and why. */
  readonly leftOut: Readonly<Record<'converged' | 'in-flight' | 'not-compared' | 'beyond', number>>;
}

/** `repairs/<id>.json` in the bucket. `comparison` is what the digests were made by; read back by the same code. */
export interface RepairArtefact extends RepairSummary {
  readonly comparison: unknown;
  readonly planned: readonly PlannedRow[];
}

export type OutcomeCounts = Readonly<Record<RepairOutcome, number>>;

export function repairKey(id: string): string {
  return `${REPAIRS_PREFIX}${id}.json`;
}

/** Correlation id of its writes: `trace` and `undo` know it by that. */
export function repairBatch(id: string): string {
  return `repair-${id}`;
}
