/** What holds state: control table, bucket, queues, flags, and their key. Deployed first, destroyed last, and protected by environment. */
import { Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { AttributeType, Billing, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import type { Architecture } from 'aws-cdk-lib/aws-lambda';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { resourceName } from '../../contracts/functions.ts';
import { WORKING_PREFIXES } from '../../contracts/object-prefixes.ts';
import type { Direction } from '../../domain/direction.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Capabilities } from '../capabilities.ts';
import { Flags } from '../constructs/flags.ts';
import { RetryQueue } from '../constructs/retry-queue.ts';
import { Teardown } from '../constructs/teardown.ts';
import { ENVIRONMENT_POLICIES, logRetention } from '../environment-policy.ts';
import { FUNCTION_TABLE } from '../function-table.ts';
import { type HandedState, handState } from '../handed-state.ts';

export interface StateStackProps extends StackProps {
  readonly plan: Plan;
  readonly handlers: string;
  readonly architecture: Architecture;
  readonly capabilities: Capabilities;
  readonly lambdaEnvironment: Readonly<Record<string, string>>;
}

/** Lists and results of one cycle are of use while it may be looked into. */
const WORKING_FILES_LIVE = Duration.days(30);

export class StateStack extends Stack {
  readonly table: TableV2;
  readonly bucket: Bucket;
  readonly queues: Readonly<Record<Direction, RetryQueue>>;
  readonly flags: Flags;
  /** Key of all that is stored. Undefined: encrypted with keys that AWS owns. */
  readonly key: IKey | undefined;
  readonly handed: HandedState;

  constructor(
    scope: Construct,
    id: string,
    { plan, handlers, architecture, capabilities, lambdaEnvironment, ...props }: StateStackProps,
  ) {
    super(scope, id, props);
    const policy = ENVIRONMENT_POLICIES[plan.environment];
    this.key = this.makeKey(plan);

    this.table = new TableV2(this, 'ControlTable', {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billing: Billing.onDemand(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      encryption:
        this.key === undefined ? TableEncryptionV2.dynamoOwnedKey() : TableEncryptionV2.customerManagedKey(this.key),
      deletionProtection: policy.deletionProtection,
      removalPolicy: policy.removal,
    });
    this.bucket = this.makeBucket(plan, capabilities);
    this.queues = {
      forward: this.makeQueue('ForwardRetries', plan, capabilities),
      reverse: this.makeQueue('ReverseRetries', plan, capabilities),
    };
    this.flags = new Flags(this, 'Flags', { plan, removalPolicy: policy.removal });
    this.handed = handState(this, this);
    if (policy.removal === RemovalPolicy.DESTROY) {
      new Teardown(this, 'Teardown', {
        handlers,
        functionName: resourceName(plan.name, 'teardown'),
        architecture,
        environment: lambdaEnvironment,
        logRetention: logRetention(plan),
        logRemoval: policy.removal,
        logKey: this.key,
        bucket: this.bucket,
        flags: this.flags,
        profileArn: this.formatArn({
          service: 'appconfig',
          resource: `application/${this.flags.application.ref}/configurationprofile/${this.flags.profile.ref}`,
        }),
      });
    }
  }

  private makeKey(plan: Plan): IKey | undefined {
    const policy = ENVIRONMENT_POLICIES[plan.environment];
    const { kmsKeyArn } = plan.encryption;
    if (kmsKeyArn !== undefined) return Key.fromKeyArn(this, 'Key', kmsKeyArn);
    if (!policy.ownKey) return undefined;
    const key = new Key(this, 'Key', {
      description: `all that the migration ${plan.name} stores`,
      enableKeyRotation: true,
      removalPolicy: policy.removal,
    });
    key.grantEncryptDecrypt(new ServicePrincipal(`logs.${this.region}.amazonaws.com`));
    return key;
  }

  private makeBucket(plan: Plan, capabilities: Capabilities): Bucket {
    const { versionedBucket: versioned, removal: removalPolicy } = ENVIRONMENT_POLICIES[plan.environment];
    const bucket = new Bucket(this, 'Bucket', {
      encryption: this.key === undefined ? BucketEncryption.S3_MANAGED : BucketEncryption.KMS,
      ...(this.key === undefined ? {} : { encryptionKey: this.key, bucketKeyEnabled: true }),
      enforceSSL: capabilities.tls,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      versioned,
      removalPolicy,
      lifecycleRules: [
        ...WORKING_PREFIXES.map((prefix) => ({
          id: `expire-${prefix.slice(0, -1)}`,
          prefix,
          expiration: WORKING_FILES_LIVE,
        })),
        {
          id: 'clean',
          abortIncompleteMultipartUploadAfter: Duration.days(7),
          ...(versioned ? { noncurrentVersionExpiration: WORKING_FILES_LIVE } : {}),
        },
      ],
    });
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'The bucket holds keys, digests and reports, never rows, and only the functions of this plan reach it; who reads it is seen in CloudTrail.',
    });
    return bucket;
  }

  private makeQueue(id: string, plan: Plan, { tls }: Capabilities): RetryQueue {
    const { timeout } = FUNCTION_TABLE.retry;
    if (timeout === 'run')
      throw new Error('the retry function needs a timeout in seconds: its queue hides messages for six times as long');
    return new RetryQueue(this, id, {
      consumerSeconds: timeout,
      deadRetention: Duration.millis(plan.retention.queues),
      removalPolicy: ENVIRONMENT_POLICIES[plan.environment].removal,
      enforceTls: tls,
      encryptionKey: this.key,
    });
  }
}
