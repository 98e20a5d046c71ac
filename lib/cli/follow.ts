/** Starting and following a run, for every command that does: progress on stderr, the end as the answer. */
import { commandOf } from '../application/operate/command-of.ts';
import { type FollowedRun, followRun, type RunEvent } from '../application/operate/follow-run.ts';
import { formatSpan } from '../application/operate/format-span.ts';
import type { Operator } from '../application/operate/operator.ts';
import type { RunView } from '../application/operate/run-view.ts';
import { type StartRequest, startMachine } from '../application/operate/start-machine.ts';
import type { OptionRow } from './command.ts';
import type { Answer, Context } from './context.ts';
import { EXIT, EXIT_OF_RUN } from './exit-codes.ts';
import type { Input } from './input.ts';
import { type Progress, startProgress } from './progress.ts';
import { time } from './render/layout.ts';

/** Step Functions answers within milliseconds; a step takes seconds. */
const POLL_MS = 1_000;

export const FOLLOW_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--wait',
    kind: 'switch',
    about: 'follow the run to its end, or until it waits for a person (default on a terminal)',
  },
  { flags: '--no-wait', kind: 'switch', about: 'return when it has been started (default elsewhere)' },
];

/** `waitsFor` is null when the run has ended or was not followed. */
export interface RunAnswer {
  readonly run: RunView;
  readonly waitsFor: FollowedRun['waitsFor'];
  readonly next: string;
}

export async function startAndFollow(
  context: Context,
  input: Input,
  request: StartRequest,
): Promise<Answer<RunAnswer>> {
  const operator = await context.open();
  const { run, next } = await startMachine(operator, request);
  if (!wantsToWait(context, input)) return { payload: { run, waitsFor: null, next }, exit: EXIT.done };
  return follow(context, operator, run, request.repairJob == null ? commandOf(request) : undefined);
}

/** @param asked what was typed to start it, where that is known. */
export async function follow(
  context: Context,
  operator: Operator,
  run: RunView,
  asked?: string,
): Promise<Answer<RunAnswer>> {
  const progress = startProgress(context.terminal);
  const interrupted = context.interrupted();
  progress.note(`${run.dryRun ? 'dry run of ' : ''}${run.machine}: ${run.id}`);
  progress.say(`${run.machine}: starting`);
  try {
    const followed = await followRun(operator, run.machine, run.execution, {
      asked,
      pollMs: POLL_MS,
      signal: interrupted,
      onEvent: (event) => tell(progress, run, event),
    });
    const wasInterrupted = interrupted.aborted && followed.run.endedAt === null && followed.waitsFor === null;
    return { payload: followed, exit: wasInterrupted ? EXIT.interrupted : EXIT_OF_RUN[followed.run.state] };
  } finally {
    progress.end();
  }
}

export function wantsToWait(context: Context, input: Input): boolean {
  return input.choice('wait') ?? context.terminal.isInteractive;
}

function tell(progress: Progress, { machine }: RunView, event: RunEvent): void {
  if (event.kind === 'still') {
    progress.say(`${machine}: ${event.step ?? 'starting'}, ${formatSpan(event.runningForMs)}`);
    return;
  }
  // A step that watches tells new numbers every second: they replace each other. All that count stand in the answer.
  if (event.renewed) {
    progress.say(`${machine}: ${event.notes.at(-1) ?? event.step}`);
    return;
  }
  if (!event.again) progress.note(`  ${time(event.at).slice(11)}  ${event.step}`);
  for (const note of event.notes) progress.note(`             ${note}`);
  progress.say(`${machine}: ${event.step}`);
}
