/**
 * The deployed parts of a migration as ports, by their addresses: from the environment in a function, from the stack's outputs in
 * the CLI. Each is opened when it is first used, so a function needs the addresses of what it uses only.
 */
import { AppConfigClient } from '@aws-sdk/client-appconfig';
import { AppConfigDataClient } from '@aws-sdk/client-appconfigdata';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { ENV } from '../contracts/env-names.ts';
import type { OUTPUTS } from '../contracts/outputs.ts';
import type { Direction } from '../domain/direction.ts';
import type { Clock } from '../ports/clock.ts';
import type { DocumentStore } from '../ports/documents.ts';
import type { FlagReader, FlagWriter } from '../ports/flags.ts';
import type { Log } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { ObjectStore } from '../ports/objects.ts';
import type { RetryQueues } from '../ports/queue.ts';
import type { Workflow } from '../ports/workflow.ts';
import { createFlagReader } from './appconfig/flag-reader.ts';
import { createFlagWriter } from './appconfig/flag-writer.ts';
import { createCloudWatchMetrics } from './cloudwatch/metrics.ts';
import { createDynamoDocuments } from './dynamodb/documents.ts';
import { createRelayWaker } from './lambda/wake-relay.ts';
import { createS3Client, createS3Objects } from './s3/objects.ts';
import { createSqsQueues } from './sqs/queues.ts';
import { createStepFunctionsWorkflow } from './stepfunctions/workflow.ts';
import { systemClock } from './system-clock.ts';

/** Known to both the environment of the functions and the outputs of the stack. */
export type AddressName = keyof typeof ENV & keyof typeof OUTPUTS;

export interface SystemOptions {
  /** Name of the plan. */
  readonly plan: string;
  /** Plan: `flags.poll`. */
  readonly flagPollMs: number;
  /** @throws when the address is not known. */
  readonly addressOf: (name: AddressName) => string;
  readonly log: Log;
  readonly clock?: Clock | undefined;
}

export interface System {
  readonly documents: DocumentStore;
  readonly flags: FlagReader & FlagWriter;
  readonly queues: RetryQueues;
  readonly workflow: Workflow;
  readonly objects: ObjectStore;
  readonly metrics: Metrics;
  /** Never throws. */
  readonly wakeRelay: (direction: Direction) => Promise<void>;
}

/** An endpoint that hangs must not hold a function until its own time-out. */
const CLIENT = { requestHandler: { requestTimeout: 20_000, connectionTimeout: 3_000 } } as const;

export function openSystem({ plan, flagPollMs, addressOf, log, clock = systemClock }: SystemOptions): System {
  const metrics = once(() => createCloudWatchMetrics({ client: new CloudWatchClient(CLIENT), plan, clock, log }));
  const documents = once(() => createDynamoDocuments(new DynamoDBClient(CLIENT), addressOf('controlTable')));
  const objects = once(() => createS3Objects(createS3Client(CLIENT), addressOf('bucket')));
  const workflow = once(() => createStepFunctionsWorkflow(new SFNClient(CLIENT), addressOf('machinePrefix'), clock));
  const queues = once(() =>
    createSqsQueues(new SQSClient(CLIENT), {
      forward: { retry: addressOf('forwardRetryQueue'), dead: addressOf('forwardDeadQueue') },
      reverse: { retry: addressOf('reverseRetryQueue'), dead: addressOf('reverseDeadQueue') },
    }),
  );
  const reader = once(() =>
    createFlagReader({
      client: new AppConfigDataClient(CLIENT),
      application: addressOf('flagsApplication'),
      environment: addressOf('flagsEnvironment'),
      profile: addressOf('flagsProfile'),
      pollMs: flagPollMs,
      clock,
      log,
      metrics: metrics(),
    }),
  );
  const writer = once(() =>
    createFlagWriter({
      client: new AppConfigClient(CLIENT),
      applicationId: addressOf('flagsApplication'),
      environmentId: addressOf('flagsEnvironment'),
      profileId: addressOf('flagsProfile'),
      strategyId: addressOf('flagsStrategy'),
      onPublished: () => reader().forget(),
    }),
  );
  const waker = once(() => createRelayWaker(new LambdaClient(CLIENT), addressOf('relayFunction'), log));
  return {
    get documents() {
      return documents();
    },
    get objects() {
      return objects();
    },
    get workflow() {
      return workflow();
    },
    get queues() {
      return queues();
    },
    get metrics() {
      return metrics();
    },
    flags: { read: () => reader().read(), publish: (flags, expected, why) => writer().publish(flags, expected, why) },
    wakeRelay: async (direction) => {
      try {
        await waker()(direction);
      } catch (error) {
        log.warn('the relay is not known here; its schedule starts it', { direction, reason: String(error) });
      }
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
