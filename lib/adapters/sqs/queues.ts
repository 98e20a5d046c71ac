/** The retry queues and their dead-letter queues on SQS, a pair a direction. */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { RetryMessage } from '../../contracts/messages.ts';
import { DIRECTIONS, type Direction } from '../../domain/direction.ts';
import type { RetryQueues } from '../../ports/queue.ts';

export type QueueUrls = Readonly<Record<Direction, { readonly retry: string; readonly dead: string }>>;

/** Limits of SQS. */
const BATCH = 10;
const MAX_DELAY_SECONDS = 900;
/** A drained message that could not be handed back returns to the dead-letter queue after this time at the latest. */
const DRAIN_VISIBILITY_SECONDS = 120;

export function createSqsQueues(client: SQSClient, urls: QueueUrls): RetryQueues {
  return {
    send: async (direction, messages, delaySeconds) => {
      const DelaySeconds = Math.min(MAX_DELAY_SECONDS, Math.max(0, Math.round(delaySeconds)));
      for (let from = 0; from < messages.length; from += BATCH) {
        await sendBatch(client, urls[direction].retry, messages.slice(from, from + BATCH), DelaySeconds);
      }
    },
    showAgain: async (direction, ReceiptHandle, seconds) => {
      const VisibilityTimeout = Math.min(MAX_DELAY_SECONDS, Math.max(0, Math.round(seconds)));
      const QueueUrl = urls[direction].retry;
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }));
    },
    depth: async (direction) => {
      const [retry, dead] = await Promise.all([
        readDepth(client, urls[direction].retry),
        readDepth(client, urls[direction].dead),
      ]);
      return { waiting: retry.waiting, inFlight: retry.inFlight, dead: dead.waiting + dead.inFlight };
    },
    drainDead: (direction, limit, back) => drain(client, urls[direction].dead, limit, back),
  };
}

/** @throws {TypeError | SyntaxError} when the body is not one of our messages. */
export function parseRetryMessage(body: string): RetryMessage {
  const { direction, seq, correlationId, reason } = JSON.parse(body) as Partial<Record<keyof RetryMessage, unknown>>;
  const known = DIRECTIONS.find((candidate) => candidate === direction);
  if (known === undefined || typeof seq !== 'string' || typeof reason !== 'string')
    throw new TypeError('the message is not a retry message of Crossfade');
  return { direction: known, seq, correlationId: typeof correlationId === 'string' ? correlationId : null, reason };
}

/** What is no message of ours stands for no event: drained, it is dropped, or it would be in front of all others for ever. */
function readRetryMessage(body: string): RetryMessage | undefined {
  try {
    return parseRetryMessage(body);
  } catch {
    return undefined;
  }
}

async function sendBatch(
  client: SQSClient,
  QueueUrl: string,
  messages: readonly RetryMessage[],
  DelaySeconds: number,
): Promise<void> {
  let entries = messages.map((message, index) => ({
    Id: String(index),
    MessageBody: JSON.stringify(message),
    DelaySeconds,
  }));
  for (let attempt = 1; entries.length > 0; attempt += 1) {
    const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries }));
    const failed = new Set(Failed.map(({ Id }) => Id));
    entries = entries.filter(({ Id }) => failed.has(Id));
    if (entries.length > 0 && (attempt === 3 || Failed.some(({ SenderFault }) => SenderFault === true))) {
      throw new Error(
        `SQS took ${messages.length - entries.length} of ${messages.length} messages (${Failed[0]?.Code ?? 'no code'}); the sweeper finds the others`,
      );
    }
  }
}

async function readDepth(
  client: SQSClient,
  QueueUrl: string,
): Promise<{ readonly waiting: number; readonly inFlight: number }> {
  const { Attributes = {} } = await client.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesDelayed',
        'ApproximateNumberOfMessagesNotVisible',
      ],
    }),
  );
  const count = (name: keyof typeof Attributes) => Number(Attributes[name] ?? 0);
  return {
    waiting: count('ApproximateNumberOfMessages') + count('ApproximateNumberOfMessagesDelayed'),
    inFlight: count('ApproximateNumberOfMessagesNotVisible'),
  };
}

async function drain(
  client: SQSClient,
  QueueUrl: string,
  limit: number,
  back: (message: RetryMessage) => Promise<void>,
): Promise<number> {
  let drained = 0;
  while (drained < limit) {
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: Math.min(BATCH, limit - drained),
        VisibilityTimeout: DRAIN_VISIBILITY_SECONDS,
        // A short poll asks some of the servers only, and may come back empty from a queue that is not.
        WaitTimeSeconds: 1,
      }),
    );
    if (Messages.length === 0) break;
    for (const [index, { Body = '', ReceiptHandle }] of Messages.entries()) {
      try {
        const message = readRetryMessage(Body);
        if (message !== undefined) await back(message);
      } catch (error) {
        await Promise.all(Messages.slice(index).map((left) => giveBack(client, QueueUrl, left.ReceiptHandle)));
        throw error;
      }
      await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      drained += 1;
    }
  }
  return drained;
}

/** Otherwise it comes back by itself when its visibility ends. */
async function giveBack(client: SQSClient, QueueUrl: string, ReceiptHandle: string | undefined): Promise<void> {
  await client
    .send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }))
    .catch(() => undefined);
}
