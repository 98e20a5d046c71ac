/** What is deployed, found by the plan's name (design §12): the stacks, their outputs and what they hold. */
import type { OUTPUTS } from '../contracts/outputs.ts';

export type OutputName = keyof typeof OUTPUTS;

export interface DeployedStack {
  readonly name: string;
  /** As CloudFormation says it, e.g. `UPDATE_COMPLETE`. */
  readonly status: string;
  readonly terminationProtection: boolean;
}

export interface DeployedSystem {
  readonly plan: string;
  readonly stacks: readonly DeployedStack[];
  /** Outputs of both stacks by their name in lib/contracts/outputs.ts; one that is absent was not deployed. */
  readonly outputs: Readonly<Partial<Record<OutputName, string>>>;
}

export interface DeployedResource {
  readonly stack: string;
  /** CloudFormation type, e.g. `AWS::Scheduler::Schedule`. */
  readonly type: string;
  readonly id: string;
  readonly status: string;
}

export interface Systems {
  /** Names of the plans that are deployed in this account and region, sorted. */
  list(): Promise<readonly string[]>;
  /** undefined when no stack of that plan exists. */
  find(plan: string): Promise<DeployedSystem | undefined>;
  resources(plan: string): Promise<readonly DeployedResource[]>;
}
