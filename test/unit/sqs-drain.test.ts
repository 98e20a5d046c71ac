import type { SQSClient } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { createSqsQueues } from '../../lib/adapters/sqs/queues.ts';

test('a message of somebody else in the dead-letter queue does not stand in front of all others for ever', async () => {
  const good = JSON.stringify({ direction: 'forward', seq: '7', correlationId: 'web-1', reason: 'timeout' });
  const bodies = ['rubbish', '{"direction":"up"}', good];
  const deleted: string[] = [];
  const send = async (command: {
    readonly constructor: { readonly name: string };
    readonly input: Record<string, unknown>;
  }) => {
    if (command.constructor.name === 'DeleteMessageCommand') deleted.push(String(command.input.ReceiptHandle));
    const Messages = bodies.splice(0).map((Body, index) => ({ Body, ReceiptHandle: `r-${index}` }));
    return command.constructor.name === 'ReceiveMessageCommand' ? { Messages } : {};
  };
  // The only method that is used.
  const queues = createSqsQueues({ send } as unknown as SQSClient, {
    forward: { retry: 'retry', dead: 'dead' },
    reverse: { retry: 'retry', dead: 'dead' },
  });
  const taken: string[] = [];

  await queues.drainDead('forward', 10, async ({ seq }) => {
    taken.push(seq);
  });

  expect(taken).toEqual(['7']);
  expect(deleted).toEqual(['r-0', 'r-1', 'r-2']);
});
