/** What `crossfade trace` asks for and is told. Keys, ids, states and reasons; never row contents (invariant 9). */
import type { Direction, StoreName } from '../domain/direction.ts';

export type TraceQuery =
  | { readonly by: 'correlation'; readonly id: string }
  | { readonly by: 'row'; readonly table: string; readonly rowKey: string }
  /** A position in the outbox of one direction. */
  | { readonly by: 'seq'; readonly direction: Direction; readonly seq: string }
  | { readonly by: 'idempotency'; readonly key: string };

export const TRACE_STEPS = [
  'captured',
  'retry',
  'waits',
  'redriven',
  'applied',
  'repaired',
  'published',
  'superseded',
  'covered',
  'suppressed',
  'pending',
  'parked',
  'dead',
] as const;
export type TraceStepKind = (typeof TRACE_STEPS)[number];

export interface TraceStep {
  /** ISO with microseconds, by the clock of `store`; null: not known yet. */
  readonly at: string | null;
  readonly store: StoreName;
  readonly direction: Direction;
  readonly what: TraceStepKind;
  readonly table: string;
  readonly rowKey: string;
  /** Outbox position; null for what no event did. */
  readonly seq: string | null;
  readonly correlationId: string | null;
  readonly detail: string;
}

/** Of one row, now. */
export interface TracedRowState {
  readonly direction: Direction;
  readonly table: string;
  readonly rowKey: string;
  /** What the receiver applied last; null: nothing that it remembers. */
  readonly version: string | null;
  /** The version is a tombstone: the last thing that was applied was a delete. */
  readonly deleted: boolean;
  /** Why it waits for a fresh read; null: it does not. */
  readonly repair: string | null;
  /** Masked digest of each store's row, comparable within one answer only; `absent`: no such row; null: not read. */
  readonly digests: Readonly<Record<StoreName, string | null>>;
  readonly same: boolean | null;
  /** Names of the target's columns that differ; undefined: not looked at. */
  readonly columns?: readonly string[] | undefined;
}

export interface TraceAnswer {
  readonly at: string;
  /** In the order in which it happened, as far as two clocks can tell. */
  readonly steps: readonly TraceStep[];
  readonly rows: readonly TracedRowState[];
  /** There was more than is shown. */
  readonly truncated: boolean;
  /** What could not be asked, and why. */
  readonly gaps: readonly string[];
}
