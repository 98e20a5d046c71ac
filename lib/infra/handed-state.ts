/**
 * What the state stack hands to the control stack: outputs with names of their own, read by `Fn::GetStackOutput`. Constructs could
 * refer to each other across the stacks instead, but then CDK makes up names that people see, and that the arguments given to
 * cdk-nag cannot name.
 */
import { CfnOutput, Fn, type Stack } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { OUTPUTS } from '../contracts/outputs.ts';
import type { Direction } from '../domain/direction.ts';
import type { Flags } from './constructs/flags.ts';
import type { RetryQueue } from './constructs/retry-queue.ts';

export interface HandedQueue {
  readonly arn: string;
  readonly url: string;
}

export interface HandedState {
  readonly tableName: string;
  readonly tableArn: string;
  readonly bucketName: string;
  readonly bucketArn: string;
  readonly queues: Readonly<Record<Direction, { readonly retry: HandedQueue; readonly dead: HandedQueue }>>;
  readonly flags: FlagIds;
  /** Key of all that is stored. Undefined: encrypted with keys that AWS owns. */
  readonly keyArn: string | undefined;
}

export type FlagIds = Readonly<Record<'application' | 'environment' | 'profile' | 'strategy', string>>;

interface StateResources {
  readonly table: { readonly tableName: string; readonly tableArn: string };
  readonly bucket: { readonly bucketName: string; readonly bucketArn: string };
  readonly queues: Readonly<Record<Direction, RetryQueue>>;
  readonly flags: Flags;
  readonly key: IKey | undefined;
}

export function handState(stack: Stack, { table, bucket, queues, flags, key }: StateResources): HandedState {
  // Apart from the resources, some of which have the same names.
  const outputs = new Construct(stack, 'Handed');
  const hand = (name: string, value: string) => {
    new CfnOutput(outputs, name, { value }).overrideLogicalId(name);
    return Fn.getStackOutput(stack.stackName, name);
  };
  const handQueues = (
    { queue, dead }: RetryQueue,
    direction: 'Forward' | 'Reverse',
    urls: { readonly retry: string; readonly dead: string },
  ) => ({
    retry: { arn: hand(`${direction}RetryQueueArn`, queue.queueArn), url: hand(urls.retry, queue.queueUrl) },
    dead: { arn: hand(`${direction}DeadQueueArn`, dead.queueArn), url: hand(urls.dead, dead.queueUrl) },
  });
  return {
    tableName: hand(OUTPUTS.controlTable, table.tableName),
    tableArn: hand('ControlTableArn', table.tableArn),
    bucketName: hand(OUTPUTS.bucket, bucket.bucketName),
    bucketArn: hand('BucketArn', bucket.bucketArn),
    queues: {
      forward: handQueues(queues.forward, 'Forward', {
        retry: OUTPUTS.forwardRetryQueue,
        dead: OUTPUTS.forwardDeadQueue,
      }),
      reverse: handQueues(queues.reverse, 'Reverse', {
        retry: OUTPUTS.reverseRetryQueue,
        dead: OUTPUTS.reverseDeadQueue,
      }),
    },
    flags: {
      application: hand(OUTPUTS.flagsApplication, flags.application.ref),
      environment: hand(OUTPUTS.flagsEnvironment, flags.environment.ref),
      profile: hand(OUTPUTS.flagsProfile, flags.profile.ref),
      strategy: hand(OUTPUTS.flagsStrategy, flags.strategy.ref),
    },
    keyArn: key === undefined ? undefined : hand('KeyArn', key.keyArn),
  };
}

export interface FlagArns extends FlagIds {
  /** What readers ask for: the profile as deployed to the environment. */
  readonly deployed: string;
}

export function flagArns(stack: Stack, ids: FlagIds): FlagArns {
  const arn = (path: string) => stack.formatArn({ service: 'appconfig', resource: path });
  const application = `application/${ids.application}`;
  return {
    application: arn(application),
    environment: arn(`${application}/environment/${ids.environment}`),
    profile: arn(`${application}/configurationprofile/${ids.profile}`),
    strategy: arn(`deploymentstrategy/${ids.strategy}`),
    deployed: arn(`${application}/environment/${ids.environment}/configuration/${ids.profile}`),
  };
}
