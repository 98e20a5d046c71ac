/** Step Functions as the machines' engine. */

import type { MachineInput, MachineOutput } from '../contracts/machine-io.ts';
import type { Machine } from '../domain/phase.ts';

export const EXECUTION_STATUSES = ['running', 'succeeded', 'failed', 'aborted', 'timed-out'] as const;
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number];

export interface Execution {
  readonly arn: string;
  readonly name: string;
  readonly machine: Machine;
  readonly status: ExecutionStatus;
  readonly startedAt: Date;
  readonly stoppedAt?: Date | undefined;
  readonly output?: MachineOutput | undefined;
  readonly error?: string | undefined;
}

export interface Workflow {
  start(machine: Machine, input: MachineInput): Promise<Execution>;
  describe(arn: string): Promise<Execution>;
  /** Newest first. */
  list(machine: Machine, limit: number): Promise<readonly Execution[]>;
  stop(arn: string, why: string): Promise<void>;
  /** Answers a task token. @throws when the token has expired or was answered. */
  succeedTask(token: string, output: unknown): Promise<void>;
  failTask(token: string, error: string, cause: string): Promise<void>;
}
