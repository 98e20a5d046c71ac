/** The CLI as a process against a system in an emulator: what the memory adapters cannot show is its wiring to AWS. */
import { CloudFormationClient, CreateStackCommand, waitUntilStackCreateComplete } from '@aws-sdk/client-cloudformation';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { INITIAL_FLAGS, toFlagsDocument } from '../../lib/contracts/flags-document.ts';
import { OUTPUTS, stackNames } from '../../lib/contracts/outputs.ts';
import { MACHINES } from '../../lib/domain/phase.ts';
import { CHECKOUT, LOCAL_ACCOUNT, LOCAL_REGION, localAwsVariables } from '../../lib/local/checkout.ts';
import type { OutputName } from '../../lib/ports/system.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

let emulator: TestEmulator;

beforeAll(async () => {
  emulator = await startTestEmulator();
  const client = new CloudFormationClient(emulator.client);
  const { state, control } = stackNames('shop');
  for (const [StackName, template] of [
    [state, { Resources: { Topic: { Type: 'AWS::SNS::Topic' } } }],
    [control, controlTemplate()],
  ] as const) {
    await client.send(
      new CreateStackCommand({ StackName, TemplateBody: JSON.stringify(template), Capabilities: ['CAPABILITY_IAM'] }),
    );
    await waitUntilStackCreateComplete({ client, maxWaitTime: 60, minDelay: 1 }, { StackName });
  }
  client.destroy();
});

afterAll(async () => {
  await emulator.stop();
});

test('finds the only system that is deployed and reads where it stands', async () => {
  const { exitCode, stdout } = await crossfade('status');

  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^shop dev /);
  expect(stdout).toContain('next: npx crossfade start baseline');
});

test('starts a machine, follows it, and tells how it ended', async () => {
  const { exitCode, stdout, stderr } = await crossfade('start', 'baseline', '--wait');

  expect(stdout).toContain('baseline refused');
  expect(exitCode).toBe(3);
  expect(stderr).toMatch(/^baseline: \d{8}T\d{6}Z-/);
  expect(stdout).toContain('- schema-deltas: 2 is not equals 0');
});

test('publishes a flag, and refuses a change made from a version that is no longer deployed', async () => {
  const set = await crossfade('flags', 'set', 'dual_write', '--enable', '--tenants', 'acme', '--json');
  const shown = await crossfade('flags', 'show', '--json');
  const stale = await crossfade('flags', 'set', 'dual_write', '--disable', '--expect-version', '1');

  expect([set.exitCode, shown.exitCode, stale.exitCode]).toEqual([0, 0, 3]);
  expect(JSON.parse(set.stdout)).toMatchObject({ versionBefore: 1, version: 2 });
  expect(JSON.parse(shown.stdout)).toMatchObject({
    version: 2,
    flags: { dual_write: { enabled: true, tenants: ['acme'] } },
  });
});

test('signs marks with the identity that AWS sees', async () => {
  const { stdout } = await crossfade('pause', '--reason', 'rehearsal', '--json');
  await crossfade('resume');

  expect(JSON.parse(stdout)).toMatchObject({
    paused: { by: expect.stringMatching(/^arn:aws:iam::\d+:user\//), why: 'rehearsal' },
  });
});

test('the doctor finds the deployment whole', async () => {
  const { exitCode, stdout } = await crossfade('doctor', '--json');

  const { checks } = JSON.parse(stdout);
  expect(checks.filter(({ result }: { result: string }) => result === 'failed')).toEqual([]);
  expect(exitCode).toBe(0);
});

test('an unknown plan, missing credentials and an endpoint that is gone are one line each', async () => {
  const unknown = await crossfade('status', '--plan', 'other');
  const unsigned = await crossfadeWith({ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }, 'status');
  const gone = await crossfadeWith({ AWS_ENDPOINT_URL: 'http://127.0.0.1:9' }, 'status');

  expect([unknown.exitCode, unsigned.exitCode, gone.exitCode]).toEqual([2, 1, 1]);
  expect(unknown.stderr).toContain('no system is deployed for plan other; deployed here: shop');
  expect(unsigned.stderr).toContain('no AWS credentials');
  expect(gone.stderr).toContain('AWS_ENDPOINT_URL=http://127.0.0.1:9 cannot be reached');
  for (const { stderr } of [unknown, unsigned, gone]) expect(stderr.split('\n')).toHaveLength(2);
});

function crossfade(...args: string[]) {
  return crossfadeWith({}, ...args);
}

function crossfadeWith(variables: Readonly<Record<string, string>>, ...args: string[]) {
  return execa('node', ['bin/crossfade.js', ...args], {
    cwd: CHECKOUT,
    preferLocal: true,
    reject: false,
    extendEnv: false,
    timeout: 30_000,
    env: {
      PATH: process.env.PATH,
      HOME: '/nonexistent',
      ...localAwsVariables(emulator.url, emulator.client.credentials),
      ...variables,
    },
  });
}

/** What the CLI looks for, and machines that answer at once with a refusal. */
function controlTemplate() {
  const machine = JSON.stringify({
    QueryLanguage: 'JSONata',
    StartAt: 'Refuse',
    States: {
      Refuse: {
        Type: 'Pass',
        End: true,
        Output: {
          machine: 'baseline',
          outcome: 'refused',
          dryRun: false,
          gates: [],
          notes: [],
          reasons: ['schema-deltas: 2 is not equals 0'],
          next: '',
        },
      },
    },
  });
  const application = { ApplicationId: { Ref: 'Application' } };
  const profile = { ...application, ConfigurationProfileId: { Ref: 'Profile' } };
  const queues = ['ForwardRetry', 'ForwardDead', 'ReverseRetry', 'ReverseDead'].map((name) => [
    name,
    { Type: 'AWS::SQS::Queue' },
  ]);
  const machines = MACHINES.map((name) => [
    `Machine${name.replace('-', '')}`,
    {
      Type: 'AWS::StepFunctions::StateMachine',
      Properties: {
        StateMachineName: `crossfade-shop-${name}`,
        RoleArn: { 'Fn::GetAtt': ['Role', 'Arn'] },
        DefinitionString: machine,
      },
    },
  ]);
  const trust = { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'states.amazonaws.com' } };
  const values: Readonly<Record<OutputName, unknown>> = {
    controlTable: { Ref: 'Table' },
    bucket: 'bucket',
    forwardRetryQueue: { Ref: 'ForwardRetry' },
    forwardDeadQueue: { Ref: 'ForwardDead' },
    reverseRetryQueue: { Ref: 'ReverseRetry' },
    reverseDeadQueue: { Ref: 'ReverseDead' },
    flagsApplication: { Ref: 'Application' },
    flagsEnvironment: { Ref: 'Environment' },
    flagsProfile: { Ref: 'Profile' },
    flagsStrategy: { Ref: 'Strategy' },
    machinePrefix: `arn:aws:states:${LOCAL_REGION}:${LOCAL_ACCOUNT}:stateMachine:crossfade-shop-`,
    relayFunction: 'relay',
    apiUrl: 'http://api',
    dashboardUrl: 'http://dashboard',
    planHash: 'a1b2c3',
    environment: 'dev',
    nextCommand: 'npx crossfade start baseline',
  };
  return {
    Resources: {
      Table: {
        Type: 'AWS::DynamoDB::Table',
        Properties: {
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: [
            { AttributeName: 'pk', AttributeType: 'S' },
            { AttributeName: 'sk', AttributeType: 'S' },
          ],
          KeySchema: [
            { AttributeName: 'pk', KeyType: 'HASH' },
            { AttributeName: 'sk', KeyType: 'RANGE' },
          ],
        },
      },
      Role: {
        Type: 'AWS::IAM::Role',
        Properties: { AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [trust] } },
      },
      Schedule: {
        Type: 'AWS::Scheduler::Schedule',
        Properties: {
          ScheduleExpression: 'rate(12 hours)',
          FlexibleTimeWindow: { Mode: 'OFF' },
          Target: { Arn: { 'Fn::GetAtt': ['ForwardRetry', 'Arn'] }, RoleArn: { 'Fn::GetAtt': ['Role', 'Arn'] } },
        },
      },
      Application: { Type: 'AWS::AppConfig::Application', Properties: { Name: 'crossfade-shop' } },
      Environment: { Type: 'AWS::AppConfig::Environment', Properties: { ...application, Name: 'dev' } },
      Profile: {
        Type: 'AWS::AppConfig::ConfigurationProfile',
        Properties: { ...application, Name: 'flags', LocationUri: 'hosted', Type: 'AWS.AppConfig.FeatureFlags' },
      },
      Strategy: {
        Type: 'AWS::AppConfig::DeploymentStrategy',
        Properties: {
          Name: 'at-once',
          DeploymentDurationInMinutes: 0,
          GrowthFactor: 100,
          FinalBakeTimeInMinutes: 0,
          ReplicateTo: 'NONE',
        },
      },
      Flags: {
        Type: 'AWS::AppConfig::HostedConfigurationVersion',
        Properties: {
          ...profile,
          ContentType: 'application/json',
          Content: JSON.stringify(toFlagsDocument(INITIAL_FLAGS, 1)),
        },
      },
      Deployment: {
        Type: 'AWS::AppConfig::Deployment',
        Properties: {
          ...profile,
          EnvironmentId: { Ref: 'Environment' },
          DeploymentStrategyId: { Ref: 'Strategy' },
          ConfigurationVersion: { Ref: 'Flags' },
        },
      },
      ...Object.fromEntries([...queues, ...machines]),
    },
    // The keys of OUTPUTS, which Object.entries widens to text.
    Outputs: Object.fromEntries(
      (Object.entries(OUTPUTS) as [OutputName, string][]).map(([name, key]) => [key, { Value: values[name] }]),
    ),
  };
}
