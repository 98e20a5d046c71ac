/** Records what was started; tests end executions and answer task tokens by hand. */
import type { MachineInput, MachineOutput } from '../../contracts/machine-io.ts';
import type { Machine } from '../../domain/phase.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Execution, Workflow } from '../../ports/workflow.ts';

export interface MemoryWorkflow extends Workflow {
  /** Oldest first. */
  readonly started: readonly { readonly machine: Machine; readonly input: MachineInput; readonly arn: string }[];
  /** Answers that were given to task tokens. */
  readonly answers: ReadonlyMap<string, TaskAnswer>;
  succeed(arn: string, output: MachineOutput): void;
  fail(arn: string, error: string): void;
  /** A token that may be answered once; any other is refused. */
  openTask(token: string): void;
}

export type TaskAnswer =
  | { readonly succeeded: true; readonly output: unknown }
  | { readonly succeeded: false; readonly error: string; readonly cause: string };

const ARN_PREFIX = 'arn:aws:states:eu-central-1:000000000000:execution:crossfade-memory-';

export function createMemoryWorkflow(clock: Pick<Clock, 'now'>): MemoryWorkflow {
  const executions = new Map<string, Execution>();
  const started: { machine: Machine; input: MachineInput; arn: string }[] = [];
  const open = new Set<string>();
  const answers = new Map<string, TaskAnswer>();
  const find = (arn: string): Execution => {
    const execution = executions.get(arn);
    if (execution === undefined) throw new Error(`there is no execution ${arn}`);
    return execution;
  };
  const end = (arn: string, ending: Partial<Execution>): void => {
    const execution = find(arn);
    if (execution.status === 'running') executions.set(arn, { ...execution, ...ending, stoppedAt: clock.now() });
  };
  const answer = (token: string, given: TaskAnswer): void => {
    if (!open.delete(token)) throw new Error('the task token has expired or was answered');
    answers.set(token, given);
  };
  return {
    started,
    answers,
    start: async (machine, input) => {
      const name = `run-${executions.size + 1}`;
      const arn = `${ARN_PREFIX}${machine}:${name}`;
      const execution: Execution = { arn, name, machine, status: 'running', startedAt: clock.now() };
      executions.set(arn, execution);
      started.push({ machine, input: structuredClone(input), arn });
      return execution;
    },
    describe: async (arn) => find(arn),
    list: async (machine, limit) =>
      [...executions.values()]
        .filter((execution) => execution.machine === machine)
        .reverse()
        .slice(0, limit),
    stop: async (arn, why) => end(arn, { status: 'aborted', error: why }),
    succeedTask: async (token, output) => answer(token, { succeeded: true, output }),
    failTask: async (token, error, cause) => answer(token, { succeeded: false, error, cause }),
    succeed: (arn, output) => end(arn, { status: 'succeeded', output }),
    fail: (arn, error) => end(arn, { status: 'failed', error }),
    openTask: (token) => {
      open.add(token);
    },
  };
}
