/** What Crossfade may rely on from its retry queues (lib/ports/queue.ts). */
import { beforeEach, describe, expect, test } from 'vitest';
import type { RetryMessage } from '../../lib/contracts/messages.ts';
import type { Direction } from '../../lib/domain/direction.ts';
import type { RetryQueues } from '../../lib/ports/queue.ts';

export interface OpenedQueues {
  /** Empty. */
  readonly queues: RetryQueues;
  /** Takes what waits, as the function behind the queue does. */
  receiveAll(direction: Direction): Promise<readonly RetryMessage[]>;
  /** Puts a message into the dead-letter queue, as SQS does after the last try. */
  bury(direction: Direction, message: RetryMessage): Promise<void>;
}

export function describeRetryQueues(name: string, open: () => Promise<OpenedQueues>): void {
  describe(`RetryQueues ${name}`, () => {
    let opened: OpenedQueues;
    let queues: RetryQueues;

    beforeEach(async () => {
      opened = await open();
      queues = opened.queues;
    });

    test('what is sent arrives as it was, in its own direction, more than a batch of ten', async () => {
      const messages = Array.from({ length: 23 }, (_, index) => message('forward', String(index)));

      await queues.send('forward', messages, 0);

      const received = await opened.receiveAll('forward');
      expect(received.toSorted(bySeq)).toEqual(messages.toSorted(bySeq));
      expect(await opened.receiveAll('reverse')).toEqual([]);
    });

    test('sending nothing is nothing', async () => {
      await queues.send('forward', [], 10);

      expect(await queues.depth('forward')).toEqual({ waiting: 0, inFlight: 0, dead: 0 });
    });

    test('delayed messages count as waiting; a delay longer than SQS knows is cut', async () => {
      await queues.send('reverse', [message('reverse', '1'), message('reverse', '2')], 3600);

      expect(await queues.depth('reverse')).toEqual({ waiting: 2, inFlight: 0, dead: 0 });
    });

    test('dead letters are counted, drained up to the limit, and gone', async () => {
      for (const seq of ['1', '2', '3']) await opened.bury('forward', message('forward', seq));
      const taken: RetryMessage[] = [];
      expect((await queues.depth('forward')).dead).toBe(3);

      const first = await queues.drainDead('forward', 2, async (dead) => void taken.push(dead));
      const rest = await queues.drainDead('forward', 10, async (dead) => void taken.push(dead));

      expect([first, rest]).toEqual([2, 1]);
      expect(taken.toSorted(bySeq)).toEqual(['1', '2', '3'].map((seq) => message('forward', seq)));
      expect((await queues.depth('forward')).dead).toBe(0);
    });

    test('a dead letter that cannot be handed back stays', async () => {
      await opened.bury('forward', message('forward', '1'));

      const attempt = queues.drainDead('forward', 10, async () => {
        throw new Error('the database is down');
      });

      await expect(attempt).rejects.toThrow('the database is down');
      expect((await queues.depth('forward')).dead).toBe(1);
      expect(await queues.drainDead('forward', 10, async () => undefined)).toBe(1);
    });
  });
}

function message(direction: Direction, seq: string): RetryMessage {
  return { direction, seq, correlationId: seq === '1' ? null : `c-${seq}`, reason: 'timeout "ä"' };
}

function bySeq(a: RetryMessage, b: RetryMessage): number {
  return Number(a.seq) - Number(b.seq);
}
