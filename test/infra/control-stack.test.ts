import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { ENV } from '../../lib/contracts/env-names.ts';
import { FUNCTIONS } from '../../lib/contracts/functions.ts';
import { OUTPUTS } from '../../lib/contracts/outputs.ts';
import { MACHINES } from '../../lib/domain/phase.ts';
import { clusterArn, DEV_PLAN, type Deployment, deploy, PROD_PLAN, roleSecret } from './deployment.ts';

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
}

describe('what a function may do', () => {
  it('reads only the secrets of the purposes in its row', () => {
    const deployment = deploy(PROD_PLAN);

    const secrets = resourcesOf(deployment, 'dry-run', 'secretsmanager:GetSecretValue');

    expect(secrets).toEqual(
      ['legacy', 'target'].flatMap((store) => [roleSecret(store, 'apply'), roleSecret(store, 'compare')]),
    );
  });

  it('uses the Data API on the clusters of the plan and no other', () => {
    const deployment = deploy(PROD_PLAN);

    expect(resourcesOf(deployment, 'relay', 'rds-data:ExecuteStatement')).toEqual([clusterArn('legacy')]);
    expect(resourcesOf(deploy(DEV_PLAN), 'relay', 'rds-data:ExecuteStatement')).toEqual([
      clusterArn('legacy'),
      clusterArn('target'),
    ]);
  });

  it('opens no store when all that it does is to empty the state', () => {
    const { state } = deploy(DEV_PLAN);

    expect(JSON.stringify(state.findResources('AWS::IAM::Policy'))).not.toMatch(/rds-data|secretsmanager/);
  });

  it.each([
    ['appconfig:StartDeployment', ['cutover', 'dual-write', 'rollback']],
    ['states:StopExecution', []],
    ['cloudformation:UpdateTerminationProtection', ['baseline', 'controller', 'decommission', 'rollback']],
    ['sqs:ReceiveMessage', ['relay', 'retry']],
    ['states:StartExecution', ['controller']],
    ['states:SendTaskSuccess', []],
  ] as const)('%s is allowed to %j only', (action, names) => {
    const deployment = deploy(DEV_PLAN);

    expect(FUNCTIONS.filter((name) => resourcesOf(deployment, name, action).length > 0).sort()).toEqual(names);
  });

  it('names no action by a wildcard', () => {
    const { control, state } = deploy(PROD_PLAN);
    const wild = [control, state]
      .flatMap((template) => Object.values(template.findResources('AWS::IAM::Policy')))
      .flatMap((policy) => policy.Properties.PolicyDocument.Statement as Statement[])
      .flatMap(({ Action }) => Action)
      .filter((action) => action.endsWith(':*') || action === '*');

    expect(wild).toEqual([]);
  });
});

describe('functions', () => {
  it('run on Node 24 with the addresses of what they use', () => {
    const { control } = deploy(DEV_PLAN);
    const functions = Object.values(control.findResources('AWS::Lambda::Function'));

    expect(functions).toHaveLength(FUNCTIONS.length);
    for (const { Properties } of functions) {
      expect.soft(Properties.Runtime).toBe('nodejs24.x');
      expect.soft(Properties.TracingConfig).toEqual({ Mode: 'Active' });
      for (const key of ['controlTable', 'bucket', 'machinePrefix', 'stacks'] as const) {
        expect.soft(Properties.Environment.Variables, Properties.FunctionName).toHaveProperty(ENV[key]);
      }
    }
  });

  it('get the variables of context lambdaEnvironment beside their own', () => {
    const { control } = deploy(DEV_PLAN, {
      lambdaEnvironment: '{"AWS_ENDPOINT_URL_RDS_DATA":"http://127.0.0.1:4999"}',
    });

    control.allResourcesProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ AWS_ENDPOINT_URL_RDS_DATA: 'http://127.0.0.1:4999' }) },
    });
  });

  it('join the VPC of the plan and are led to the proxy, which asks for TLS', () => {
    const { control } = deploy(PROD_PLAN);

    control.allResourcesProperties('AWS::Lambda::Function', {
      VpcConfig: {
        SecurityGroupIds: ['sg-0123456789abcdef0'],
        SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
      },
      Environment: { Variables: Match.objectLike({ [ENV.targetProxyHost]: Match.anyValue() }) },
    });
    control.resourceCountIs('AWS::RDS::DBProxy', 1);
    control.hasResourceProperties('AWS::RDS::DBProxy', { RequireTLS: true, EngineFamily: 'POSTGRESQL' });
    control.hasResourceProperties('AWS::RDS::DBProxyTargetGroup', { DBClusterIdentifiers: ['target'] });
  });

  it('are in no VPC where the plan has no network', () => {
    const { control } = deploy(DEV_PLAN);

    control.allResourcesProperties('AWS::Lambda::Function', { VpcConfig: Match.absent() });
  });

  it('keep their logs as long as the plan says', () => {
    const { control } = deploy(PROD_PLAN);

    control.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 90, KmsKeyId: Match.anyValue() });
  });
});

describe('retries', () => {
  it('come from both queues, and one failed message fails alone', () => {
    const { control } = deploy(DEV_PLAN);

    control.resourcePropertiesCountIs(
      'AWS::Lambda::EventSourceMapping',
      { BatchSize: 10, FunctionResponseTypes: ['ReportBatchItemFailures'] },
      2,
    );
  });
});

describe('machines', () => {
  it('are all there, logged in full without data, and traced', () => {
    const { control } = deploy(DEV_PLAN);

    for (const machine of MACHINES) {
      control.hasResourceProperties('AWS::StepFunctions::StateMachine', {
        StateMachineName: `crossfade-shop-${machine}`,
        LoggingConfiguration: Match.objectLike({ Level: 'ALL', IncludeExecutionData: false }),
        TracingConfiguration: { Enabled: true },
      });
    }
  });

  it('invoke their own function and no other', () => {
    const { control } = deploy(DEV_PLAN);
    const invoked = Object.entries(control.findResources('AWS::IAM::Policy'))
      .filter(([id]) => id.startsWith('Machinebaseline'))
      .flatMap(([, policy]) => policy.Properties.PolicyDocument.Statement as Statement[])
      .filter(({ Action }) => Action === 'lambda:InvokeFunction');

    expect(invoked).toHaveLength(1);
    expect(JSON.stringify(invoked[0]?.Resource)).toContain('Functionbaseline');
  });
});

describe('schedules', () => {
  it('start both relays and the controller every minute, and a cycle by the plan', () => {
    const { control } = deploy(`${DEV_PLAN}\nreconcile: { cycle: 30m }`);

    for (const input of ['{"direction":"forward"}', '{"direction":"reverse"}', '{}']) {
      control.hasResourceProperties('AWS::Scheduler::Schedule', {
        ScheduleExpression: 'rate(1 minute)',
        Target: Match.objectLike({
          Input: input,
          RetryPolicy: { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 60 },
        }),
      });
    }
    control.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(30 minutes)',
      Target: Match.objectLike({
        Input: '{"plan":"shop","requestedBy":"schedule","scopeKind":"due"}',
        DeadLetterConfig: Match.anyValue(),
      }),
    });
  });

  it('round a cycle below a minute up: EventBridge fires at whole minutes', () => {
    const { control } = deploy(`${DEV_PLAN}\nreconcile: { cycle: 10s }`);

    control.resourcePropertiesCountIs('AWS::Scheduler::Schedule', { ScheduleExpression: 'rate(1 minute)' }, 4);
  });
});

describe('the API', () => {
  it('asks for a signed request on every route and logs each', () => {
    const { control } = deploy(`${DEV_PLAN}\nreads: { route: /api/v2/orders }`);
    const routes = Object.values(control.findResources('AWS::ApiGatewayV2::Route')).map(({ Properties }) => Properties);

    expect(routes.map(({ RouteKey }) => RouteKey).sort()).toEqual([
      'GET /api/v2/orders',
      'GET /api/v2/routing',
      'POST /api/v1/internal/dual-write/dry-run',
    ]);
    expect(new Set(routes.map(({ AuthorizationType }) => AuthorizationType))).toEqual(new Set(['AWS_IAM']));
    control.hasResourceProperties('AWS::ApiGatewayV2::Stage', { AccessLogSettings: Match.anyValue() });
  });
});

describe('outputs', () => {
  it('are those of lib/contracts/outputs.ts, and one is the next command', () => {
    const { control } = deploy(DEV_PLAN);
    const outputs = control.toJSON().Outputs as Record<string, { Value: unknown }>;

    expect(Object.keys(outputs)).toEqual(expect.arrayContaining(Object.values(OUTPUTS)));
    expect(outputs[OUTPUTS.nextCommand]?.Value).toBe('npx crossfade start baseline --plan shop');
  });
});

describe('what the endpoint lacks', () => {
  it('is left out by capability, and only that', () => {
    const { control } = deploy(PROD_PLAN, { capabilities: '{"rdsProxy":false,"compositeAlarms":false}' });

    control.resourceCountIs('AWS::RDS::DBProxy', 0);
    control.resourceCountIs('AWS::CloudWatch::CompositeAlarm', 0);
    deploy(PROD_PLAN).control.resourceCountIs('AWS::CloudWatch::CompositeAlarm', 1);
  });

  it('must be a known capability', () => {
    expect(() => deploy(DEV_PLAN, { capabilities: '{"compositAlarms":false}' })).toThrow(
      /compositAlarms=false; expected compositeAlarms/,
    );
  });
});

/** Resources on which the role of a function may do `action`. */
function resourcesOf({ control }: Deployment, name: string, action: string): unknown[] {
  const prefix = `Function${name.replaceAll('-', '')}Role`;
  return Object.entries(control.findResources('AWS::IAM::Policy'))
    .filter(([id]) => id.startsWith(prefix))
    .flatMap(([, policy]) => policy.Properties.PolicyDocument.Statement as Statement[])
    .filter(({ Effect, Action }) => Effect === 'Allow' && [Action].flat().includes(action))
    .flatMap(({ Resource }) => Resource);
}
