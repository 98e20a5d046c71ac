/** Everything that the operator's CLI needs of AWS, built from the outputs of a deployed system. Region, endpoint and credentials come from the environment. */
import { AppConfigClient } from '@aws-sdk/client-appconfig';
import { AppConfigDataClient } from '@aws-sdk/client-appconfigdata';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SQSClient } from '@aws-sdk/client-sqs';
import { STSClient } from '@aws-sdk/client-sts';
import type { Clock } from '../ports/clock.ts';
import type { DocumentStore } from '../ports/documents.ts';
import type { FlagReader, FlagWriter } from '../ports/flags.ts';
import type { Identity } from '../ports/identity.ts';
import type { Log } from '../ports/logger.ts';
import type { ObjectStore } from '../ports/objects.ts';
import type { RetryQueues } from '../ports/queue.ts';
import type { OutputName, Systems } from '../ports/system.ts';
import type { Workflow } from '../ports/workflow.ts';
import { createFlagReader } from './appconfig/flag-reader.ts';
import { createFlagWriter } from './appconfig/flag-writer.ts';
import { createSystems } from './cloudformation/system.ts';
import { createDynamoDocuments } from './dynamodb/documents.ts';
import { createS3Client, createS3Objects } from './s3/objects.ts';
import { createSqsQueues } from './sqs/queues.ts';
import { createStepFunctionsWorkflow } from './stepfunctions/workflow.ts';
import { createIdentity } from './sts/identity.ts';

export interface OperatorAdapters {
  readonly documents: DocumentStore;
  readonly objects: ObjectStore;
  readonly flags: FlagReader & FlagWriter;
  readonly queues: RetryQueues;
  readonly workflow: Workflow;
}

/** A person waits: three quick attempts, then say so. */
const ATTEMPTS = { maxAttempts: 3 } as const;
/** Least interval that AppConfig allows; a command lives shorter. */
const FLAG_POLL_MS = 15_000;

export function openAccount(): { readonly identity: Identity; readonly systems: Systems } {
  return {
    identity: createIdentity(new STSClient(ATTEMPTS)),
    systems: createSystems(new CloudFormationClient(ATTEMPTS)),
  };
}

/** @param outputs of the control stack, all required ones present. */
export function openSystem(
  outputs: Readonly<Record<OutputName, string>>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): OperatorAdapters {
  const {
    flagsApplication: application,
    flagsEnvironment: environment,
    flagsProfile: profile,
    flagsStrategy: strategyId,
  } = outputs;
  const reader = createFlagReader({
    client: new AppConfigDataClient(ATTEMPTS),
    application,
    environment,
    profile,
    pollMs: FLAG_POLL_MS,
    clock,
    log,
    // The CLI publishes no metrics: its reads would hide those of the controller.
    metrics: { record: () => undefined, flush: async () => undefined },
  });
  const writer = createFlagWriter({
    client: new AppConfigClient(ATTEMPTS),
    applicationId: application,
    environmentId: environment,
    profileId: profile,
    strategyId,
    onPublished: reader.forget,
  });
  return {
    documents: createDynamoDocuments(new DynamoDBClient(ATTEMPTS), outputs.controlTable),
    objects: createS3Objects(createS3Client(ATTEMPTS), outputs.bucket),
    flags: { read: reader.read, publish: writer.publish },
    queues: createSqsQueues(new SQSClient(ATTEMPTS), {
      forward: { retry: outputs.forwardRetryQueue, dead: outputs.forwardDeadQueue },
      reverse: { retry: outputs.reverseRetryQueue, dead: outputs.reverseDeadQueue },
    }),
    workflow: createStepFunctionsWorkflow(new SFNClient(ATTEMPTS), outputs.machinePrefix, clock),
  };
}
