/** The retry queue of one direction with its dead-letter queue. Messages are claim checks: the outbox is the truth (design §3.4). */
import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { RETRY_RECEIVES } from '../../contracts/messages.ts';

export interface RetryQueueProps {
  /** Seconds that the function which takes from the queue may run. */
  readonly consumerSeconds: number;
  readonly deadRetention: Duration;
  readonly removalPolicy: RemovalPolicy;
  /** Refuses plain HTTP. */
  readonly enforceTls: boolean;
  /** @default - encrypted by SQS */
  readonly encryptionKey?: IKey | undefined;
}

/** A message in the queue longer than this was lost sight of; the sweeper finds its event in the outbox. */
const RETRY_RETENTION = Duration.days(4);
/** AWS asks for a visibility of six times the consumer's timeout. */
const VISIBILITY_FACTOR = 6;

export class RetryQueue extends Construct {
  readonly queue: Queue;
  readonly dead: Queue;

  constructor(
    scope: Construct,
    id: string,
    { consumerSeconds, deadRetention, removalPolicy, enforceTls, encryptionKey }: RetryQueueProps,
  ) {
    super(scope, id);
    const shared = {
      enforceSSL: enforceTls,
      removalPolicy,
      ...(encryptionKey === undefined
        ? { encryption: QueueEncryption.SQS_MANAGED }
        : { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey }),
    };
    this.dead = new Queue(this, 'Dead', { ...shared, retentionPeriod: deadRetention });
    this.queue = new Queue(this, 'Resource', {
      ...shared,
      retentionPeriod: RETRY_RETENTION,
      visibilityTimeout: Duration.seconds(consumerSeconds * VISIBILITY_FACTOR),
      deadLetterQueue: { queue: this.dead, maxReceiveCount: RETRY_RECEIVES },
    });
  }
}
