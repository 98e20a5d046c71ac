/** Workflow on Step Functions: one state machine a machine, found by the prefix of its ARN. */
import { randomBytes } from 'node:crypto';
import {
  DescribeExecutionCommand,
  ExecutionDoesNotExist,
  ListExecutionsCommand,
  SendTaskFailureCommand,
  SendTaskSuccessCommand,
  type SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import type { MachineOutput } from '../../contracts/machine-io.ts';
import { MACHINES, type Machine } from '../../domain/phase.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Execution, ExecutionStatus, Workflow } from '../../ports/workflow.ts';

const STATUS_OF: Readonly<Record<string, ExecutionStatus>> = {
  RUNNING: 'running',
  PENDING_REDRIVE: 'failed',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  ABORTED: 'aborted',
  TIMED_OUT: 'timed-out',
};

/** Limits of the API. */
const PAGE = 1000;
const MAX_CAUSE = 32_768;
const MAX_ERROR = 256;

/** @param prefix ARN prefix of the machines: `<prefix><machine>` is a machine's ARN. */
export function createStepFunctionsWorkflow(client: SFNClient, prefix: string, clock: Pick<Clock, 'now'>): Workflow {
  return {
    start: async (machine, input) => {
      const name = executionName(clock.now());
      const { executionArn = '', startDate } = await client.send(
        new StartExecutionCommand({ stateMachineArn: prefix + machine, name, input: JSON.stringify(input) }),
      );
      return { arn: executionArn, name, machine, status: 'running', startedAt: startDate ?? clock.now() };
    },
    describe: async (arn) => {
      const found = await client.send(new DescribeExecutionCommand({ executionArn: arn })).catch((error: unknown) => {
        if (error instanceof ExecutionDoesNotExist)
          throw new Error(`there is no execution ${arn}; crossfade status lists those that are`);
        throw error;
      });
      return {
        ...toExecution(machineOf(arn, prefix), found),
        output: found.status === 'SUCCEEDED' ? parseOutput(found.output) : undefined,
        error: found.error === undefined ? undefined : [found.error, found.cause].filter(Boolean).join(': '),
      };
    },
    list: async (machine, limit) => {
      const found: Execution[] = [];
      let nextToken: string | undefined;
      do {
        const page = await client.send(
          new ListExecutionsCommand({
            stateMachineArn: prefix + machine,
            maxResults: Math.min(PAGE, limit - found.length),
            ...(nextToken === undefined ? {} : { nextToken }),
          }),
        );
        found.push(...(page.executions ?? []).map((execution) => toExecution(machine, execution)));
        nextToken = page.nextToken;
      } while (nextToken !== undefined && found.length < limit);
      return found.slice(0, limit);
    },
    stop: async (arn, why) => {
      await client.send(
        new StopExecutionCommand({ executionArn: arn, error: 'Crossfade.Stopped', cause: why.slice(0, MAX_CAUSE) }),
      );
    },
    succeedTask: async (taskToken, output) => {
      await client.send(new SendTaskSuccessCommand({ taskToken, output: JSON.stringify(output) }));
    },
    failTask: async (taskToken, error, cause) => {
      await client.send(
        new SendTaskFailureCommand({ taskToken, error: error.slice(0, MAX_ERROR), cause: cause.slice(0, MAX_CAUSE) }),
      );
    },
  };
}

/** Sorts by time and says when; the random end keeps two starts of one second apart. */
function executionName(now: Date): string {
  return `${now.toISOString().replace(/[-:]|\.\d+/g, '')}-${randomBytes(4).toString('hex')}`;
}

/** `arn:…:execution:<prefix's name><machine>:<execution>` */
function machineOf(arn: string, prefix: string): Machine {
  const machineName = arn.split(':')[6] ?? '';
  const named = machineName.slice((prefix.split(':').at(-1) ?? '').length);
  const machine = MACHINES.find((candidate) => candidate === named);
  if (machine === undefined) throw new Error(`execution ${arn} is not of a machine of this migration (${prefix}…)`);
  return machine;
}

interface Listed {
  readonly executionArn?: string | undefined;
  readonly name?: string | undefined;
  readonly status?: string | undefined;
  readonly startDate?: Date | undefined;
  readonly stopDate?: Date | undefined;
}

function toExecution(
  machine: Machine,
  { executionArn = '', name = '', status = '', startDate, stopDate }: Listed,
): Execution {
  const known = STATUS_OF[status];
  if (known === undefined) throw new Error(`execution ${executionArn} has the unknown status ${status}`);
  return { arn: executionArn, name, machine, status: known, startedAt: startDate ?? new Date(0), stoppedAt: stopDate };
}

/** Every path of our machines ends in `finish`, whose answer is a MachineOutput. */
function parseOutput(text: string | undefined): MachineOutput | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as MachineOutput);
}
