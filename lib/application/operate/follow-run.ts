/** Watches one execution until it ends or waits for a person, and tells each new step on the way. */
import type { ApprovalDocument, Mark, RunDocument } from '../../contracts/documents.ts';
import type { Machine } from '../../domain/phase.ts';
import type { Operator } from './operator.ts';
import { nextCommand } from './read-runs.ts';
import { executionName, type RunView, runDocumentId, viewRun } from './run-view.ts';

export type RunEvent =
  | {
      readonly kind: 'step';
      readonly step: string;
      readonly at: string;
      readonly notes: readonly string[];
      readonly again: boolean;
      /** Whether notes of the step were told before: then these replace them. */
      readonly renewed: boolean;
    }
  /** Nothing new since the last event. */
  | { readonly kind: 'still'; readonly step: string | null; readonly runningForMs: number };

export interface FollowedRun {
  readonly run: RunView;
  /** Who or what it waits for, where following ended before the run did. */
  readonly waitsFor: {
    readonly approval?: string | undefined;
    readonly mark?: Mark | undefined;
    readonly why: string;
  } | null;
  readonly next: string;
}

export interface FollowOptions {
  /** What was typed to start it, without `--dry-run`. */
  readonly asked?: string | undefined;
  readonly pollMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

export async function followRun(
  operator: Operator,
  machine: Machine,
  arn: string,
  options: FollowOptions,
): Promise<FollowedRun> {
  const id = runDocumentId(machine, executionName(arn));
  const told = new Map<string, ReadonlySet<string>>();
  for (;;) {
    const execution = await operator.workflow.describe(arn);
    const document = (await operator.documents.get('run', id))?.value;
    const news = tell(document, told, options);
    if (execution.status !== 'running') return ended(operator, viewRun(document, execution, options.asked));
    const waitsFor = await findWait(operator, arn);
    if (waitsFor !== null || options.signal?.aborted === true)
      return stopped(operator, viewRun(document, execution, options.asked), waitsFor);
    if (!news)
      options.onEvent({
        kind: 'still',
        step: document?.step ?? null,
        runningForMs: operator.clock.now().getTime() - execution.startedAt.getTime(),
      });
    await operator.clock.sleep(options.pollMs, options.signal);
  }
}

/**
 * A step that answers again and again has one entry with its latest notes: each note is told once.
 * @returns whether anything was told.
 */
function tell(document: RunDocument | undefined, told: Map<string, ReadonlySet<string>>, { onEvent }: FollowOptions) {
  let news = false;
  for (const { step, at, notes } of document?.steps ?? []) {
    const before = told.get(step);
    const fresh = notes.filter((note) => before?.has(note) !== true);
    if (before !== undefined && fresh.length === 0) continue;
    onEvent({ kind: 'step', step, at, notes: fresh, again: before !== undefined, renewed: (before?.size ?? 0) > 0 });
    told.set(step, new Set([...(before ?? []), ...notes]));
    news = true;
  }
  return news;
}

function ended(operator: Operator, run: RunView): FollowedRun {
  return { run, waitsFor: null, next: nextCommand(operator, run) };
}

function stopped(operator: Operator, view: RunView, waitsFor: FollowedRun['waitsFor']): FollowedRun {
  const run: RunView = waitsFor === null ? view : { ...view, state: 'waiting' };
  if (waitsFor?.approval !== undefined)
    return { run, waitsFor, next: operator.command(`approve ${waitsFor.approval} --comment "<why>"`) };
  if (waitsFor?.mark !== undefined) return { run, waitsFor, next: operator.command('resume') };
  return { run, waitsFor, next: nextCommand(operator, run) };
}

async function findWait(operator: Operator, arn: string): Promise<FollowedRun['waitsFor']> {
  const approval = (await listPendingApprovals(operator)).find((each) => each.execution === arn);
  if (approval !== undefined)
    return { approval: approval.id, why: `waits for an approval until ${approval.expiresAt}: ${approval.question}` };
  const paused = (await operator.documents.get('control', 'control'))?.value.paused;
  return paused === undefined ? null : { mark: paused, why: `paused by ${paused.by} at ${paused.at}: ${paused.why}` };
}

/** Undecided and not lapsed. The list carries task tokens: never hand it to a payload as it is. */
export async function listPendingApprovals(operator: Operator): Promise<readonly ApprovalDocument[]> {
  const now = operator.clock.now().toISOString();
  const stored = await operator.documents.list('approval');
  return stored
    .map(({ value }) => value)
    .filter((approval) => approval.decision === undefined && approval.expiresAt > now);
}
