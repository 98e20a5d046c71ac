/** What goes into and comes out of an execution, and between its steps (design §12). The same by CLI and by the AWS console. */
import type { ScopeWish } from '../domain/cycle-scope.ts';
import type { GateDecision } from '../domain/gate.ts';
import type { Machine, WayBack } from '../domain/phase.ts';
import type { RepairJob } from './repair.ts';

/** Stands in a scope for every tenant that the plan puts into the region. */
export const REGION_PREFIX = 'region:';

export interface MachineInput {
  /** The plan's name; refused when it is not the deployed one. */
  readonly plan: string;
  /** Tenants that the execution is about, or `region:<name>` for all of a region; absent or empty: all. */
  readonly scope?: readonly string[] | undefined;
  /** Runs the same code and changes nothing but logs and an evidence record marked dryRun. */
  readonly dryRun?: boolean | undefined;
  /** `rollback` only: the machine whose work is undone, or `schema` for all that Crossfade made in the stores. */
  readonly from?: WayBack | undefined;
  /** `reconcile` only. */
  readonly repair?: boolean | undefined;
  readonly mode?: string | undefined;
  readonly tables?: readonly string[] | undefined;
  /** Rows compared at most (guide: `--limit=2000`); by itself it means the window scope. */
  readonly limit?: number | undefined;
  /** Absent: full, unless a window, a limit or keys say otherwise. */
  readonly scopeKind?: ScopeWish | undefined;
  /** Reach back of the window scope, milliseconds. */
  readonly windowMs?: number | undefined;
  /** Row keys of the one table that `tables` names. */
  readonly keys?: readonly string[] | undefined;
  /** `reconcile` only: make or run a repair instead of a cycle. */
  readonly repairJob?: RepairJob | undefined;
  readonly requestedBy?: string | undefined;
  readonly reason?: string | undefined;
}

export const OUTCOMES = ['passed', 'refused', 'halted', 'differences', 'rolled-back'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface MachineOutput {
  readonly machine: Machine;
  readonly outcome: Outcome;
  readonly dryRun: boolean;
  readonly gates: readonly GateDecision[];
  /** What was done or found, one readable line each. */
  readonly notes: readonly string[];
  /** Why it was refused; empty otherwise. */
  readonly reasons: readonly string[];
  /** The command to run next. */
  readonly next: string;
}

/** Handed from step to step by the machine (ASL variable `run`). */
export interface Run {
  /** Execution ARN: names the run in every record. */
  readonly execution: string;
  readonly machine: Machine;
  readonly plan: string;
  /** Resolved: never empty. */
  readonly scope: readonly string[];
  readonly dryRun: boolean;
  readonly from: WayBack | null;
  readonly repair: boolean;
  readonly mode: string | null;
  readonly tables: readonly string[];
  readonly limit: number | null;
  readonly scopeKind?: ScopeWish | null | undefined;
  readonly windowMs?: number | null | undefined;
  readonly keys?: readonly string[] | undefined;
  /** Absent or null: a cycle. */
  readonly repairJob?: RepairJob | null | undefined;
  readonly requestedBy: string;
  readonly startedAt: string;
}

/** The event of a machine's function. `begin` gets the raw input and the execution's ARN instead of `run`. */
export interface StepEvent {
  readonly step: string;
  readonly run?: Run;
  readonly begin?: { readonly input: MachineInput; readonly execution: string; readonly startedAt: string };
  /** Result of the step before, when the machine hands it on. */
  readonly data?: unknown;
  /** How often this step has been tried again after a failure that may pass. */
  readonly attempt?: number;
  /** Distributed Map batches. */
  readonly Items?: readonly unknown[];
  /** `request-approval` only. A credential: stored, never logged, never returned. */
  readonly taskToken?: string;
  /** `fail` only: what Step Functions caught. */
  readonly error?: { readonly Error?: string; readonly Cause?: string };
  /** `finish` only. */
  readonly outcome?: Outcome;
}

/** What every step answers; the machine's Choice states read `proceed` and `again` only. */
export interface StepResult {
  /** False: a gate refused; the machine goes to its refusal path. */
  readonly proceed: boolean;
  /** True: run this step again after `waitSeconds`: there is more to do, the migration is paused, or a failure may pass. */
  readonly again: boolean;
  /** True after `crossfade halt`: the machine ends, by way of what it has to undo. */
  readonly halted?: boolean;
  /** Handed back with `again` after a failure that may pass; absent otherwise. */
  readonly attempt?: number;
  readonly waitSeconds: number;
  readonly gates: readonly GateDecision[];
  readonly notes: readonly string[];
  readonly reasons: readonly string[];
  /** Handed to the next step; under 200 KB. */
  readonly data: unknown;
  /** Only from `begin`; null while it has not succeeded. */
  readonly run?: Run | null;
}
