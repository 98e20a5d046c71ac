/** What `crossfade undo` asks for and is told. Keys, ids and reasons; never row contents (invariant 9). */
export interface UndoQuery {
  /** Of the writes, as the applied log of the target has it: of a request, or the batch of a copy or repair. */
  readonly correlationId: string;
  readonly dryRun: boolean;
  /** Id of the repair that is taken back: its rows are as they were before it. */
  readonly repair?: string | undefined;
}

/**
 * `erased`: the row is gone. `restored`: it is as it was before Crossfade. `read-afresh`: the write had removed it; legacy says
 * what becomes of it. `left`: somebody wrote it since, or it is not to be touched.
 */
export const UNDO_OUTCOMES = ['erased', 'restored', 'read-afresh', 'left'] as const;
export type UndoOutcome = (typeof UNDO_OUTCOMES)[number];

export interface UndoneRow {
  readonly table: string;
  readonly rowKey: string;
  readonly tenant: string | null;
  readonly outcome: UndoOutcome;
  /** Why it was left; what happens next. */
  readonly detail: string;
}

export interface UndoAnswer {
  readonly rows: readonly UndoneRow[];
  /** There were more rows than one undo takes; say it again. */
  readonly truncated: boolean;
}
