/** The AWS adapters against an emulator, under the same contracts as the fakes. */
import {
  AppConfigClient,
  CreateApplicationCommand,
  CreateConfigurationProfileCommand,
  CreateDeploymentStrategyCommand,
  CreateEnvironmentCommand,
  CreateHostedConfigurationVersionCommand,
  StartDeploymentCommand,
} from '@aws-sdk/client-appconfig';
import { AppConfigDataClient } from '@aws-sdk/client-appconfigdata';
import { CloudFormationClient, CreateStackCommand, waitUntilStackCreateComplete } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createFlagReader } from '../../lib/adapters/appconfig/flag-reader.ts';
import { createFlagWriter } from '../../lib/adapters/appconfig/flag-writer.ts';
import { createCloudWatchMetrics } from '../../lib/adapters/cloudwatch/metrics.ts';
import { createDynamoDocuments } from '../../lib/adapters/dynamodb/documents.ts';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createMemoryLog, SILENT_LOG } from '../../lib/adapters/memory/log.ts';
import { createMemoryMetrics } from '../../lib/adapters/memory/metrics.ts';
import { createS3Objects } from '../../lib/adapters/s3/objects.ts';
import { createSqsQueues, parseRetryMessage, type QueueUrls } from '../../lib/adapters/sqs/queues.ts';
import { createStepFunctionsWorkflow } from '../../lib/adapters/stepfunctions/workflow.ts';
import { systemClock } from '../../lib/adapters/system-clock.ts';
import { INITIAL_FLAGS, toFlagsDocument } from '../../lib/contracts/flags-document.ts';
import type { RetryMessage } from '../../lib/contracts/messages.ts';
import { MACHINES } from '../../lib/domain/phase.ts';
import type { FlagReader, FlagWriter } from '../../lib/ports/flags.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';
import { describeDocumentStore } from './documents.contract.ts';
import { describeFlags } from './flags.contract.ts';
import { describeObjectStore } from './objects.contract.ts';
import { describeRetryQueues } from './queues.contract.ts';
import { describeWorkflow, PASSED } from './workflow.contract.ts';

let emulator: TestEmulator;
const ends: (() => void)[] = [];

beforeAll(async () => {
  emulator = await startTestEmulator();
});

afterAll(async () => {
  for (const end of ends) end();
  await emulator.stop();
});

function keep<Client extends { destroy(): void }>(client: Client): Client {
  ends.push(() => client.destroy());
  return client;
}

describeDocumentStore('on DynamoDB', async () => {
  const client = keep(new DynamoDBClient(emulator.client));
  await client.send(
    new CreateTableCommand({
      TableName: 'control',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    }),
  );
  return createDynamoDocuments(client, 'control');
});

describeObjectStore('on S3', async () => {
  const client = keep(new S3Client({ ...emulator.client, forcePathStyle: true }));
  await client.send(new CreateBucketCommand({ Bucket: 'crossfade' }));
  return createS3Objects(client, 'crossfade');
});

describeRetryQueues('on SQS', async () => {
  const client = keep(new SQSClient(emulator.client));
  const create = async (name: string) => {
    const { QueueUrl = '' } = await client.send(
      new CreateQueueCommand({ QueueName: `${name}-${Math.random().toString(36).slice(2)}` }),
    );
    return QueueUrl;
  };
  const urls: QueueUrls = {
    forward: { retry: await create('forward'), dead: await create('forward-dead') },
    reverse: { retry: await create('reverse'), dead: await create('reverse-dead') },
  };
  return {
    queues: createSqsQueues(client, urls),
    receiveAll: async (direction) => {
      const received: RetryMessage[] = [];
      for (;;) {
        const QueueUrl = urls[direction].retry;
        const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
        if (Messages.length === 0) return received;
        for (const { Body = '', ReceiptHandle } of Messages) {
          received.push(parseRetryMessage(Body));
          await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
        }
      }
    },
    bury: async (direction, message) => {
      await client.send(
        new SendMessageCommand({ QueueUrl: urls[direction].dead, MessageBody: JSON.stringify(message) }),
      );
    },
  };
});

test('a received message of SQS is shown again when it is asked for', async () => {
  const client = keep(new SQSClient(emulator.client));
  const { QueueUrl: url = '' } = await client.send(new CreateQueueCommand({ QueueName: 'shown-again' }));
  const queues = createSqsQueues(client, { forward: { retry: url, dead: url }, reverse: { retry: url, dead: url } });
  const receive = async () => {
    const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl: url, VisibilityTimeout: 60 }));
    return Messages;
  };
  await queues.send('forward', [{ direction: 'forward', seq: '1', correlationId: null, reason: 'timeout' }], 0);
  const [message] = await receive();
  const hidden = await receive();

  await queues.showAgain('forward', message?.ReceiptHandle ?? '', 0);

  expect([hidden.length, (await receive()).length]).toEqual([0, 1]);
});

describeWorkflow('on Step Functions', async () => {
  const client = keep(new SFNClient(emulator.client));
  const sqs = keep(new SQSClient(emulator.client));
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'tokens' }));
  const WAITING = { Type: 'Wait', Seconds: 3600, End: true };
  const STATES: Readonly<Record<string, object>> = {
    baseline: { Type: 'Pass', Output: PASSED, End: true },
    backfill: { Type: 'Fail', Error: 'Crossfade.Test', Cause: 'it was asked to' },
    switchover: {
      Type: 'Task',
      Resource: 'arn:aws:states:::sqs:sendMessage.waitForTaskToken',
      Arguments: { QueueUrl, MessageBody: '{% $states.context.Task.Token %}' },
      End: true,
    },
  };
  const machines = MACHINES.map((machine) => {
    const definition = { QueryLanguage: 'JSONata', StartAt: 'Only', States: { Only: STATES[machine] ?? WAITING } };
    const Properties = {
      StateMachineName: `crossfade-shop-${machine}`,
      RoleArn: { 'Fn::GetAtt': ['Role', 'Arn'] },
      DefinitionString: JSON.stringify(definition),
    };
    return [machine.replace('-', ''), { Type: 'AWS::StepFunctions::StateMachine', Properties }] as const;
  });
  await createStack('machines', {
    Role: roleOf('states.amazonaws.com', 'sqs:SendMessage'),
    ...Object.fromEntries(machines),
  });
  const prefix = `arn:aws:states:${emulator.client.region}:000000000000:stateMachine:crossfade-shop-`;
  const workflow = createStepFunctionsWorkflow(client, prefix, systemClock);
  return {
    workflow,
    settle: async (arn) => {
      await vi.waitFor(async () => expect((await workflow.describe(arn)).status).not.toBe('running'), {
        timeout: 45_000,
      });
    },
    openTask: async () => {
      const { arn } = await workflow.start('switchover', { plan: 'shop' });
      const token = await vi.waitFor(
        async () => {
          const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 1 }));
          const [message] = Messages;
          if (message?.Body === undefined) throw new Error('no token has arrived yet');
          await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
          return message.Body;
        },
        { timeout: 45_000 },
      );
      return { token, arn };
    },
    inputOf: async (arn) =>
      JSON.parse((await client.send(new DescribeExecutionCommand({ executionArn: arn }))).input ?? '{}'),
  };
});

describeFlags('on AppConfig', async () => {
  const ids = await createProfile();
  return { flags: openFlags(ids), other: openFlags(ids) };
});

describe('flags on AppConfig only', () => {
  test('a reader asks no more often than the plan says, and then sees the change', async () => {
    const ids = await createProfile();
    const clock = createVirtualClock();
    const reader = openFlags(ids, clock);
    await reader.read();
    await openFlags(ids).publish(
      { ...INITIAL_FLAGS, dual_write: { ...INITIAL_FLAGS.dual_write, enabled: true } },
      1,
      'on',
    );

    const early = await reader.read();
    await clock.advance(30_000);
    const late = await reader.read();

    expect([early?.version, late?.version]).toEqual([1, 2]);
  });

  test('when AppConfig fails the last good value stays in force, and reading goes on in a new session', async () => {
    const ids = await createProfile();
    const clock = createVirtualClock();
    const log = createMemoryLog();
    const metrics = createMemoryMetrics();
    const client = keep(new AppConfigDataClient({ ...emulator.client, maxAttempts: 1 }));
    let broken = false;
    client.middlewareStack.add(
      (next) => async (args) => {
        // The service has consumed the token, and the answer is lost.
        const answer = await next(args);
        if (broken) throw new Error('socket hang up');
        return answer;
      },
      { step: 'initialize' },
    );
    const reader = createFlagReader({ client, ...ids.names, pollMs: 30_000, clock, log, metrics });
    await reader.read();

    broken = true;
    await clock.advance(30_000);
    const duringFailure = await reader.read();
    broken = false;
    await openFlags(ids).publish(
      { ...INITIAL_FLAGS, dual_write: { ...INITIAL_FLAGS.dual_write, enabled: true } },
      1,
      'on',
    );
    await clock.advance(30_000);
    const afterwards = await reader.read();

    expect([duringFailure?.version, afterwards?.version]).toEqual([1, 2]);
    expect(metrics.all).toEqual([{ name: 'flagFallback', value: 1, dimensions: {} }]);
    expect(log.lines).toHaveLength(1);
  });

  test('without any good value the flags are unknown, not off', async () => {
    const ids = await createProfile();
    const client = keep(
      new AppConfigDataClient({ ...emulator.client, endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }),
    );
    const metrics = createMemoryMetrics();

    const reader = createFlagReader({
      client,
      ...ids.names,
      pollMs: 30_000,
      clock: createVirtualClock(),
      log: SILENT_LOG,
      metrics,
    });

    expect(await reader.read()).toBeUndefined();
    expect(metrics.all).toHaveLength(1);
  });

  test('publishing while a deployment is in flight is a conflict', async () => {
    const ids = await createProfile({ deploymentMinutes: 10 });
    const flags = openFlags(ids);
    await flags.publish(INITIAL_FLAGS, 1, 'slow');

    await expect(flags.publish(INITIAL_FLAGS, 1, 'again')).rejects.toThrow(/in flight/);
  });

  test('more than a page of deployments later, publishing still works', async () => {
    const ids = await createProfile();
    const flags = openFlags(ids);

    for (let version = 1; version <= 55; version += 1) await flags.publish(INITIAL_FLAGS, version, `change ${version}`);

    expect((await flags.read())?.version).toBe(56);
  });
});

describe('metrics on CloudWatch', () => {
  test('arrive under the plan and their dimensions, every value counted', async () => {
    const client = keep(new CloudWatchClient(emulator.client));
    const metrics = createCloudWatchMetrics({ client, plan: 'shop', clock: systemClock, log: SILENT_LOG });
    for (const value of [5, 5, 15]) metrics.record('writeLatency', value, { store: 'target' });
    metrics.record('cycleCompleted', 1);

    await metrics.flush();

    expect(await statistics(client, 'WriteLatency', { plan: 'shop', store: 'target' })).toMatchObject({
      SampleCount: 3,
      Sum: 25,
      Maximum: 15,
      Minimum: 5,
    });
    expect(await statistics(client, 'CycleCompleted', { plan: 'shop' })).toMatchObject({ Sum: 1 });
  });

  test('that cannot be sent fail nothing, and are logged', async () => {
    const client = keep(new CloudWatchClient({ ...emulator.client, endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }));
    const log = createMemoryLog();
    const metrics = createCloudWatchMetrics({ client, plan: 'shop', clock: systemClock, log });
    metrics.record('delivered', 1, { direction: 'forward' });

    await metrics.flush();

    expect(log.lines).toMatchObject([{ level: 'warn', fields: { data: 1 } }]);
  });
});

/** Roles are checked, and CloudFormation makes them as a deployment does. */
async function createStack(StackName: string, Resources: Readonly<Record<string, unknown>>): Promise<void> {
  const client = keep(new CloudFormationClient(emulator.client));
  const TemplateBody = JSON.stringify({ Resources });
  await client.send(new CreateStackCommand({ StackName, TemplateBody, Capabilities: ['CAPABILITY_NAMED_IAM'] }));
  await waitUntilStackCreateComplete({ client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { StackName });
}

function roleOf(Service: string, Action: string) {
  const allow = { Effect: 'Allow', Action, Resource: '*' };
  const trust = { Effect: 'Allow', Principal: { Service }, Action: 'sts:AssumeRole' };
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [trust] },
      Policies: [{ PolicyName: 'only', PolicyDocument: { Version: '2012-10-17', Statement: [allow] } }],
    },
  };
}

interface Profile {
  readonly applicationId: string;
  readonly environmentId: string;
  readonly profileId: string;
  readonly strategyId: string;
  readonly names: { readonly application: string; readonly environment: string; readonly profile: string };
}

/** As the CDK app makes it: a first version that exposes nobody, deployed. */
async function createProfile({ deploymentMinutes = 0 } = {}): Promise<Profile> {
  const client = keep(new AppConfigClient(emulator.client));
  const { Id: applicationId = '' } = await client.send(new CreateApplicationCommand({ Name: `app-${Math.random()}` }));
  const { Id: environmentId = '' } = await client.send(
    new CreateEnvironmentCommand({ ApplicationId: applicationId, Name: 'dev' }),
  );
  const { Id: profileId = '' } = await client.send(
    new CreateConfigurationProfileCommand({
      ApplicationId: applicationId,
      Name: 'flags',
      LocationUri: 'hosted',
      Type: 'AWS.AppConfig.FeatureFlags',
    }),
  );
  // The predefined AppConfig.AllAtOnce bakes for 10 minutes, in which nothing else can be deployed.
  const createStrategy = async (DeploymentDurationInMinutes: number) => {
    const { Id = '' } = await client.send(
      new CreateDeploymentStrategyCommand({
        Name: `s-${Math.random()}`,
        DeploymentDurationInMinutes,
        GrowthFactor: 20,
        ReplicateTo: 'NONE',
        FinalBakeTimeInMinutes: 0,
      }),
    );
    return Id;
  };
  const strategyId = await createStrategy(deploymentMinutes);
  await client.send(
    new CreateHostedConfigurationVersionCommand({
      ApplicationId: applicationId,
      ConfigurationProfileId: profileId,
      ContentType: 'application/json',
      Content: new TextEncoder().encode(JSON.stringify(toFlagsDocument(INITIAL_FLAGS))),
    }),
  );
  await client.send(
    new StartDeploymentCommand({
      ApplicationId: applicationId,
      EnvironmentId: environmentId,
      ConfigurationProfileId: profileId,
      ConfigurationVersion: '1',
      DeploymentStrategyId: await createStrategy(0),
    }),
  );
  return {
    applicationId,
    environmentId,
    profileId,
    strategyId,
    names: { application: applicationId, environment: environmentId, profile: profileId },
  };
}

function openFlags(ids: Profile, clock = createVirtualClock()): FlagReader & FlagWriter {
  const reader = createFlagReader({
    client: keep(new AppConfigDataClient(emulator.client)),
    ...ids.names,
    pollMs: 30_000,
    clock,
    log: SILENT_LOG,
    metrics: createMemoryMetrics(),
  });
  const writer = createFlagWriter({
    client: keep(new AppConfigClient(emulator.client)),
    ...ids,
    onPublished: reader.forget,
  });
  return { ...reader, ...writer };
}

async function statistics(client: CloudWatchClient, MetricName: string, dimensions: Readonly<Record<string, string>>) {
  const now = Date.now();
  const { Datapoints = [] } = await client.send(
    new GetMetricStatisticsCommand({
      Namespace: 'Crossfade',
      MetricName,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      StartTime: new Date(now - 3_600_000),
      EndTime: new Date(now + 60_000),
      Period: 7200,
      Statistics: ['SampleCount', 'Sum', 'Minimum', 'Maximum'],
    }),
  );
  return Datapoints[0];
}
