/** What EventBridge Scheduler fires: the relay of each direction, the controller, and a cycle of reconciliation. */
import { Duration, type RemovalPolicy, Validations } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression, ScheduleGroup, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke, StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { resourceName } from '../../contracts/functions.ts';
import { tickMs } from '../../domain/cycle-scope.ts';
import { DIRECTIONS } from '../../domain/direction.ts';
import type { Plan } from '../../plan/plan.ts';
import { inWholeMinutes } from '../environment-policy.ts';
import { nagName } from './nag-name.ts';

export interface SchedulesProps {
  readonly plan: Plan;
  readonly relay: IFunction;
  readonly controller: IFunction;
  readonly reconcile: IStateMachine;
  readonly removalPolicy: RemovalPolicy;
  /** The queue refuses plain HTTP. */
  readonly enforceTls: boolean;
  readonly encryptionKey?: IKey | undefined;
}

export class Schedules extends Construct {
  /** What could not be started. */
  readonly dead: Queue;

  constructor(
    scope: Construct,
    id: string,
    { plan, relay, controller, reconcile, removalPolicy, enforceTls, encryptionKey }: SchedulesProps,
  ) {
    super(scope, id);
    this.dead = new Queue(this, 'Dead', {
      enforceSSL: enforceTls,
      retentionPeriod: Duration.millis(plan.retention.queues),
      removalPolicy,
      ...(encryptionKey === undefined
        ? { encryption: QueueEncryption.SQS_MANAGED }
        : { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey }),
    });
    const scheduleGroup = new ScheduleGroup(this, 'Group', {
      scheduleGroupName: resourceName(plan.name, 'schedules'),
      removalPolicy,
    });
    // The next start is never far off: a late one would only run beside it.
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com'),
      description: 'starts what the schedules name',
    });
    const delivery = { role, deadLetterQueue: this.dead, retryAttempts: 2, maxEventAge: Duration.minutes(1) };
    for (const { functionArn } of [relay, controller]) {
      Validations.of(role).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${nagName(this, `${functionArn}:*`)}]`,
        reason: 'Versions of this one function, which CDK allows wherever it allows the function.',
      });
    }
    Validations.of(this.dead).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'It is the dead-letter queue of the schedules, which cdk-nag does not see.',
    });

    for (const direction of DIRECTIONS) {
      new Schedule(this, `Relay-${direction}`, {
        scheduleGroup,
        description: `starts the ${direction} relay, which runs into the next start`,
        schedule: ScheduleExpression.rate(inWholeMinutes(plan.relay.schedule)),
        target: new LambdaInvoke(relay, { ...delivery, input: ScheduleTargetInput.fromObject({ direction }) }),
      });
    }
    new Schedule(this, 'Controller', {
      scheduleGroup,
      description: 'carries out the wish of the flags',
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      target: new LambdaInvoke(controller, { ...delivery, input: ScheduleTargetInput.fromObject({}) }),
    });
    new Schedule(this, 'Reconcile', {
      scheduleGroup,
      description: 'compares the tables that are due; refused quietly while none is, or no tenant is copied',
      schedule: ScheduleExpression.rate(inWholeMinutes(shortestCycle(plan))),
      target: new StepFunctionsStartExecution(reconcile, {
        ...delivery,
        input: ScheduleTargetInput.fromObject({ plan: plan.name, requestedBy: 'schedule', scopeKind: 'due' }),
      }),
    });
  }
}

/** Tables may have an interval of their own; those that are not due are left out of a cycle. */
function shortestCycle({ reconcile, tables }: Plan): number {
  const every = Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, table.every]));
  return tickMs({ cycleMs: reconcile.cycle, every });
}
