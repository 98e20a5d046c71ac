/** Starting and following a run, for every command that does: progress on stderr, the end as the answer. */
import { type FollowedRun, followRun, type RunEvent } from '../application/operate/follow-run.ts';
import { formatSpan } from '../application/operate/format-span.ts';
import type { Operator } from '../application/operate/operator.ts';
import type { RunView } from '../application/operate/run-view.ts';
import { type StartRequest, startMachine } from '../application/operate/start-machine.ts';
import type { OptionRow } from './command.ts';
import { commandOf } from './command-of.ts';
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
  const answer = await follow(context, operator, run);
  return { ...answer, payload: { ...answer.payload, next: nextOf(operator, request, answer.payload) } };
}

/**
 * Where the same machine comes next, it is for the same tenants, tables and rows: what a dry run showed of one tenant must not be
 * done to all of them by a line that was copied. The differences of a dry run are not on record: they cannot be shown.
 */
function nextOf({ command }: Operator, request: StartRequest, { run, next }: RunAnswer): string {
  const { machine, from, dryRun, repairJob } = request;
  if (repairJob != null) return next;
  // The placeholder stands where the run ended before it was recorded.
  const again = machine === 'rollback' ? [`rollback ${from ?? ''}`, 'rollback <machine>'] : [`start ${machine}`];
  const isBare = again.some((text) => next === command(text) || next === command(`${text} --dry-run`));
  const isTried = dryRun && run.state === 'differences';
  if (!isTried && !isBare) return next;
  const isAgain = dryRun && (run.state === 'refused' || run.state === 'failed');
  return command(`${commandOf(request)}${isAgain ? ' --dry-run' : ''}`);
}

export async function follow(context: Context, operator: Operator, run: RunView): Promise<Answer<RunAnswer>> {
  const progress = startProgress(context.terminal);
  const interrupted = context.interrupted();
  progress.note(`${run.dryRun ? 'dry run of ' : ''}${run.machine}: ${run.id}`);
  progress.say(`${run.machine}: starting`);
  try {
    const followed = await followRun(operator, run.machine, run.execution, {
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
