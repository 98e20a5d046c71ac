/** SQS retry queue and its dead-letter queue, one pair a direction. A message is a claim check; the outbox is the truth (design §3.4). */

import type { RetryMessage } from '../contracts/messages.ts';
import type { Direction } from '../domain/direction.ts';

export interface QueueDepth {
  readonly waiting: number;
  readonly inFlight: number;
  readonly dead: number;
}

export interface RetryQueues {
  send(direction: Direction, messages: readonly RetryMessage[], delaySeconds: number): Promise<void>;
  /** A message that was received and not settled is shown again after this time. */
  showAgain(direction: Direction, receipt: string, seconds: number): Promise<void>;
  depth(direction: Direction): Promise<QueueDepth>;
  /** Takes up to `limit` messages off the dead-letter queue, hands each to `back`, and deletes it when `back` resolves. @returns how many. */
  drainDead(direction: Direction, limit: number, back: (message: RetryMessage) => Promise<void>): Promise<number>;
}
