/** The permissions behind each ability of function-table.ts, on exactly the resources of this deployment. */
import { ArnFormat, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type FunctionName, resourceName } from '../../contracts/functions.ts';
import { stackNames } from '../../contracts/outputs.ts';
import type { Plan } from '../../plan/plan.ts';
import { type Ability, FUNCTION_TABLE } from '../function-table.ts';
import { flagArns, type HandedQueue, type HandedState } from '../handed-state.ts';
import { grantKey } from './key-access.ts';
import { nagName } from './nag-name.ts';

interface Scope {
  readonly role: Role;
  readonly plan: Plan;
  readonly state: HandedState;
  readonly key: IKey | undefined;
}

const CONTROL_TABLE_ACTIONS = [
  'dynamodb:GetItem',
  'dynamodb:Query',
  'dynamodb:PutItem',
  'dynamodb:UpdateItem',
  'dynamodb:DeleteItem',
];

/** Every function remembers in the control table; the rest by its row. */
export function grantAbilities(name: FunctionName, scope: Scope): void {
  const { role, state, key } = scope;
  role.addToPolicy(
    new PolicyStatement({ sid: 'ControlTable', actions: CONTROL_TABLE_ACTIONS, resources: [state.tableArn] }),
  );
  grantKey(role, key);
  for (const ability of FUNCTION_TABLE[name].abilities) GRANTS[ability](scope);
}

const GRANTS: Readonly<Record<Ability, (scope: Scope) => void>> = {
  'read-flags': ({ role, state }) =>
    allow(
      role,
      'ReadFlags',
      ['appconfig:StartConfigurationSession', 'appconfig:GetLatestConfiguration'],
      [flagArns(Stack.of(role), state.flags).deployed],
    ),
  'publish-flags': ({ role, state }) => {
    const { application, environment, profile, strategy } = flagArns(Stack.of(role), state.flags);
    allow(
      role,
      'PublishFlags',
      [
        'appconfig:CreateHostedConfigurationVersion',
        'appconfig:GetHostedConfigurationVersion',
        'appconfig:DeleteHostedConfigurationVersion',
        'appconfig:StartDeployment',
        'appconfig:GetDeployment',
        'appconfig:ListDeployments',
      ],
      [
        application,
        environment,
        profile,
        `${profile}/hostedconfigurationversion/*`,
        `${environment}/deployment/*`,
        strategy,
      ],
    );
    acknowledgeWildcards(
      role,
      'PublishFlags',
      [`${profile}/hostedconfigurationversion/*`, `${environment}/deployment/*`],
      'versions and deployments have the numbers that AppConfig gives them.',
    );
  },
  objects: ({ role, state }) => {
    const objects = `${state.bucketArn}/*`;
    allow(role, 'Objects', ['s3:GetObject', 's3:PutObject'], [objects]);
    allow(role, 'ObjectList', ['s3:ListBucket'], [state.bucketArn]);
    acknowledgeWildcards(role, 'Objects', [objects], 'all objects of the bucket are Crossfade’s own.');
  },
  'send-retries': ({ role, state }) =>
    allow(role, 'SendRetries', ['sqs:SendMessage', 'sqs:GetQueueUrl'], arnsOf(retryQueues(state))),
  'take-retries': ({ role, state }) =>
    allow(
      role,
      'TakeRetries',
      [
        'sqs:ReceiveMessage',
        'sqs:DeleteMessage',
        'sqs:ChangeMessageVisibility',
        'sqs:GetQueueAttributes',
        'sqs:GetQueueUrl',
      ],
      arnsOf(retryQueues(state)),
    ),
  'drain-dead': ({ role, state }) =>
    allow(
      role,
      'DrainDead',
      ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueUrl'],
      arnsOf([state.queues.forward.dead, state.queues.reverse.dead]),
    ),
  'wake-relay': ({ role, plan }) =>
    allow(
      role,
      'WakeRelay',
      ['lambda:InvokeFunction'],
      [
        Stack.of(role).formatArn({
          service: 'lambda',
          resource: 'function',
          resourceName: resourceName(plan.name, 'relay'),
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        }),
      ],
    ),
  'describe-executions': ({ role, plan }) =>
    allowOnMachines(role, plan, 'DescribeExecutions', ['states:DescribeExecution', 'states:ListExecutions']),
  'start-backfill': ({ role, plan }) =>
    allow(
      role,
      'StartBackfill',
      ['states:StartExecution'],
      [
        Stack.of(role).formatArn({
          service: 'states',
          resource: 'stateMachine',
          resourceName: resourceName(plan.name, 'backfill'),
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        }),
      ],
    ),
  'protect-stacks': ({ role, plan }) => {
    const names = stackNames(plan.name);
    const arns = [names.state, names.control].map((name) =>
      Stack.of(role).formatArn({ service: 'cloudformation', resource: 'stack', resourceName: `${name}/*` }),
    );
    allow(role, 'ProtectStacks', ['cloudformation:UpdateTerminationProtection', 'cloudformation:DescribeStacks'], arns);
    acknowledgeWildcards(
      role,
      'ProtectStacks',
      arns,
      'the id that CloudFormation appends to the name of a stack is not known before it exists.',
    );
  },
};

function retryQueues(state: HandedState): readonly HandedQueue[] {
  return [state.queues.forward.retry, state.queues.reverse.retry];
}

function arnsOf(queues: readonly HandedQueue[]): string[] {
  return queues.map(({ arn }) => arn);
}

function allowOnMachines(role: Role, plan: Plan, sid: string, actions: string[]): void {
  const stack = Stack.of(role);
  const arns = ['stateMachine', 'execution'].map((resource) =>
    stack.formatArn({
      service: 'states',
      resource,
      resourceName: `${resourceName(plan.name, '*')}${resource === 'execution' ? ':*' : ''}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    }),
  );
  allow(role, sid, actions, arns);
  acknowledgeWildcards(
    role,
    sid,
    arns,
    'the eight machines of this plan and their executions, whose names are made at run time.',
  );
}

function allow(role: Role, sid: string, actions: string[], resources: readonly string[]): void {
  role.addToPolicy(new PolicyStatement({ sid, actions, resources: [...resources] }));
}

function acknowledgeWildcards(role: Role, ability: string, resources: readonly string[], reason: string): void {
  for (const resource of resources) {
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${nagName(role, resource)}]`,
      reason: `${ability}: ${reason}`,
    });
  }
}
