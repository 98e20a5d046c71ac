/** What travels through SQS: claim checks, never rows. */
import type { Direction } from '../domain/direction.ts';

export interface RetryMessage {
  readonly direction: Direction;
  /** Outbox position, as text: bigints do not survive JSON numbers. */
  readonly seq: string;
  readonly correlationId: string | null;
  readonly reason: string;
}

/** First try by the relay, then three retries with exponential backoff (guide phase 3: `exponential_backoff_3x`). */
export const RETRY_RECEIVES = 3;
