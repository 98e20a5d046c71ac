/** Consumes the retry queues: each message is one event, tried again alone. What fails is reported, so that only it comes again. */
import { parseRetryMessage } from '../../lib/adapters/sqs/queues.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { createHandler } from '../shared/handler.ts';

/** What is used of the event that SQS sends. */
export interface RetryBatch {
  readonly Records: readonly {
    readonly messageId: string;
    readonly receiptHandle: string;
    readonly body: string;
    readonly attributes: { readonly ApproximateReceiveCount: string };
  }[];
}

export interface RetryAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

export const handler = createHandler<RetryBatch, RetryAnswer>(async (deps, { Records }) => {
  const migration = await loadMigration(deps);
  const failed: string[] = [];
  for (const record of Records) {
    const message = parseRetryMessage(record.body);
    const outcome = await retryEvent(
      migration,
      message,
      Number(record.attributes.ApproximateReceiveCount),
      Math.random(),
    );
    if (outcome.kind === 'done') continue;
    failed.push(record.messageId);
    // A dead message is shown at once: its next receive is the one that moves it to the dead-letter queue.
    await deps.queues.showAgain(
      message.direction,
      record.receiptHandle,
      outcome.kind === 'later' ? outcome.seconds : 0,
    );
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
});
