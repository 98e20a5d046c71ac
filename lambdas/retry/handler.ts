/** Consumes the retry queues: each message is one event, tried again alone. What fails is reported, so that only it comes again. */
import { parseRetryMessage } from '../../lib/adapters/sqs/queues.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { loadMigration, type Migration } from '../../lib/application/migration.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import type { RetryMessage } from '../../lib/contracts/messages.ts';
import { SqlError } from '../../lib/ports/sql.ts';
import { createHandler } from '../shared/handler.ts';

/** What is used of the event that SQS sends. */
export interface RetryBatch {
  readonly Records: readonly RetryRecord[];
}

interface RetryRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: { readonly ApproximateReceiveCount: string };
}

export interface RetryAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** Each round costs an invocation; an outage is minutes. */
const LEAST_PAUSE_SECONDS = 30;

export const handler = createHandler<RetryBatch, RetryAnswer>(async (deps, { Records }) => {
  let migration: Migration;
  try {
    migration = await loadMigration(deps);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    return sendAnew(deps, Records, error);
  }
  return retryAll(migration, Records);
});

/** A store is down before any event was looked at. Receiving the messages again would count as tries, so new ones take their place. */
export async function sendAnew(
  { queues, plan, log }: Pick<Deps, 'queues' | 'plan' | 'log'>,
  records: readonly RetryRecord[],
  { message: reason }: SqlError,
): Promise<RetryAnswer> {
  log.warn('a store is unavailable; the messages are sent anew', { messages: records.length, reason });
  const failed: string[] = [];
  for (const { messageId, body } of records) {
    try {
      const message = parseRetryMessage(body);
      await queues.send(message.direction, [message], Math.max(LEAST_PAUSE_SECONDS, plan.relay.suspend / 1000));
    } catch (error) {
      log.error('a retry message could not be sent anew', { messageId, reason: String(error) });
      failed.push(messageId);
    }
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}

/** A message that cannot be worked on fails alone: its batch mates must not pay with one of their tries. */
export async function retryAll(migration: Migration, records: readonly RetryRecord[]): Promise<RetryAnswer> {
  const failed: string[] = [];
  for (const record of records) {
    if (!(await retryOne(migration, record))) failed.push(record.messageId);
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}

async function retryOne(migration: Migration, record: RetryRecord): Promise<boolean> {
  const { body, messageId } = record;
  let message: RetryMessage | undefined;
  try {
    message = parseRetryMessage(body);
    return await settle(migration, message, record);
  } catch (error) {
    const { seq, correlationId } = message ?? {};
    migration.deps.log.error('a retry message could not be worked on', {
      messageId,
      seq,
      correlationId,
      reason: String(error),
    });
    return false;
  }
}

async function settle(
  migration: Migration,
  message: RetryMessage,
  { receiptHandle, attributes }: RetryRecord,
): Promise<boolean> {
  const receives = Number(attributes.ApproximateReceiveCount);
  const outcome = await retryEvent(migration, message, receives, Math.random());
  if (outcome.kind === 'done') return true;
  // A dead message is shown at once: its next receive is the one that moves it to the dead-letter queue.
  await migration.deps.queues.showAgain(
    message.direction,
    receiptHandle,
    outcome.kind === 'later' ? outcome.seconds : 0,
  );
  return false;
}
