import { createHash } from 'node:crypto';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { chunksKey } from '../../lib/application/reconcile/cycle-store.ts';
import { CYCLES_PREFIX } from '../../lib/contracts/object-prefixes.ts';
import { INITIAL_FLAGS_CONTENT } from '../../lib/infra/constructs/flags.ts';
import { DEV_PLAN, deploy, PROD_PLAN } from './deployment.ts';

const STATEFUL = /DynamoDB|S3::Bucket$|SQS::Queue$|KMS::Key|AppConfig|LogGroup/;

describe('the state stack', () => {
  it('of a dev plan can be destroyed with all that it holds', () => {
    const { state } = deploy(DEV_PLAN);

    for (const [id, resource] of Object.entries(state.toJSON().Resources)) {
      const { Type, DeletionPolicy } = resource as { Type: string; DeletionPolicy?: string };
      if (STATEFUL.test(Type)) expect.soft(DeletionPolicy, id).toBe('Delete');
    }
    state.resourceCountIs('Custom::CrossfadeTeardown', 1);
  });

  it('of a prod plan keeps what it holds when it is destroyed, and refuses to be', () => {
    const { state, stacks } = deploy(PROD_PLAN);

    for (const [id, resource] of Object.entries(state.toJSON().Resources)) {
      const { Type, DeletionPolicy } = resource as { Type: string; DeletionPolicy?: string };
      if (STATEFUL.test(Type)) expect.soft(DeletionPolicy, id).toBe('Retain');
    }
    state.resourceCountIs('Custom::CrossfadeTeardown', 0);
    state.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      Replicas: [Match.objectLike({ DeletionProtectionEnabled: true })],
    });
    expect(stacks.state.terminationProtection).toBe(true);
    expect(stacks.control.terminationProtection).toBe(true);
  });

  it('lets `terminationProtection=false` open a prod deployment for cdk destroy', () => {
    const { stacks } = deploy(PROD_PLAN, { terminationProtection: 'false' });

    expect(stacks.state.terminationProtection).toBe(false);
  });

  it('encrypts everything in prod with a key that rotates', () => {
    const { state } = deploy(PROD_PLAN);

    state.hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
    state.allResourcesProperties('AWS::SQS::Queue', { KmsMasterKeyId: Match.anyValue() });
    state.hasResourceProperties('AWS::S3::Bucket', {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          { ServerSideEncryptionByDefault: Match.objectLike({ SSEAlgorithm: 'aws:kms' }) },
        ],
      },
    });
    state.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
    });
  });

  it('takes the key of the plan instead of making one', () => {
    const { state } = deploy(
      `${PROD_PLAN}\nencryption: { kmsKeyArn: "arn:aws:kms:eu-central-1:000000000000:key/11111111-2222-3333-4444-555555555555" }`,
    );

    state.resourceCountIs('AWS::KMS::Key', 0);
  });

  it('refuses plain HTTP to the bucket and to every queue', () => {
    const { state } = deploy(DEV_PLAN);
    const denied = {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    };

    state.hasResourceProperties('AWS::S3::BucketPolicy', denied);
    state.allResourcesProperties('AWS::SQS::QueuePolicy', denied);
    state.resourceCountIs('AWS::SQS::QueuePolicy', 4);
  });

  it('has a pair of queues a direction, which gives up after three receives', () => {
    const { state } = deploy(DEV_PLAN);

    state.resourceCountIs('AWS::SQS::Queue', 4);
    state.resourcePropertiesCountIs('AWS::SQS::Queue', { RedrivePolicy: Match.objectLike({ maxReceiveCount: 3 }) }, 2);
  });

  it('keeps the control table restorable to any second', () => {
    const { state } = deploy(DEV_PLAN);

    state.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      Replicas: [Match.objectLike({ PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } })],
    });
  });

  it('lets working files of the bucket expire, under the prefix that reconciliation writes to', () => {
    expect(chunksKey('2026-01-01').startsWith(CYCLES_PREFIX)).toBe(true);
  });
});

describe('the first version of the flags', () => {
  it('never changes: another content would take the flags of a running migration back', () => {
    const hash = createHash('sha256').update(INITIAL_FLAGS_CONTENT).digest('hex');

    expect(hash).toBe('ac220837fcd50715f61a799e4cafdca4ef70f657e0f3896a125ce6d7f2c5ecfb');
  });

  it('is deployed by constants only, so that CloudFormation never deploys it again', () => {
    const { state } = deploy(DEV_PLAN);

    state.hasResourceProperties('AWS::AppConfig::Deployment', {
      ConfigurationVersion: '1',
      DeploymentStrategyId: 'AppConfig.AllAtOnce',
    });
  });
});

describe('logical ids of what holds state', () => {
  it('stay as they are: another id is another table', () => {
    const { state } = deploy(PROD_PLAN);
    const ids = Object.entries(state.toJSON().Resources)
      .filter(([, resource]) => STATEFUL.test((resource as { Type: string }).Type))
      .map(([id]) => id)
      .sort();

    expect(ids).toMatchInlineSnapshot(`
      [
        "Bucket83908E77",
        "ControlTableF3E1E223",
        "FlagsApplication0590EBEF",
        "FlagsEnvironmentEE0E165F",
        "FlagsFirstDeployment500AC5EC",
        "FlagsFirstVersion912CCE6B",
        "FlagsProfile971B12CD",
        "FlagsStrategy81DF2964",
        "ForwardRetries361852F1",
        "ForwardRetriesDead1C455C6C",
        "Key961B73FD",
        "ReverseRetries5CA7EEA8",
        "ReverseRetriesDead8711AF41",
      ]
    `);
  });
});
