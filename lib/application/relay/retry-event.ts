/** One message of the retry queue: its event is claimed again, under the generation and authority of now, and delivered alone. */

import { RETRY_RECEIVES, type RetryMessage } from '../../contracts/messages.ts';
import type { Direction } from '../../domain/direction.ts';
import { sourceOf } from '../../domain/direction.ts';
import { retryDelay } from '../../domain/retry-schedule.ts';
import { SqlError } from '../../ports/sql.ts';
import type { ClaimedRow } from '../../sql/relay/claim-events.ts';
import { claimOne } from '../../sql/relay/claim-one.ts';
import { markEvents } from '../../sql/relay/mark-events.ts';
import type { Migration } from '../migration.ts';
import { deliver, toClaimed } from './deliver.ts';

export type RetryOutcome =
  | { readonly kind: 'done' }
  /** Not yet: show the message again after this many seconds. */
  | { readonly kind: 'later'; readonly seconds: number }
  /** Out of tries: the queue moves the message to its dead-letter queue. */
  | { readonly kind: 'dead' };

export async function retryEvent(
  migration: Migration,
  message: RetryMessage,
  receiveCount: number,
  random: number,
): Promise<RetryOutcome> {
  const { deps } = migration;
  const { direction, seq } = message;
  const source = deps.databases.open(sourceOf(direction), 'relay');
  try {
    const rows = await source.query<ClaimedRow>(claimOne(direction, seq));
    const claimed = toClaimed(rows);
    if (claimed.events.length === 0) return { kind: 'done' };
    const [mark] = await deliver(migration, direction, claimed, `retry-${seq}`);
    if (mark === undefined) return { kind: 'done' };
    if (mark.state !== 'retry') {
      await source.query(markEvents([mark]));
      return { kind: 'done' };
    }
    return await countTry(migration, direction, seq, mark.reason ?? '', receiveCount, random);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    // The store is down: the event goes back to the relay, which waits for the store without counting tries.
    deps.log.warn('a retry found the store unavailable; its event is pending again', {
      direction,
      seq,
      reason: error.message,
    });
    await source.query(markEvents([{ seq, state: 'pending', reason: error.message }]));
    return { kind: 'done' };
  }
}

async function countTry(
  migration: Migration,
  direction: Direction,
  seq: string,
  reason: string,
  receiveCount: number,
  random: number,
): Promise<RetryOutcome> {
  const { deps } = migration;
  if (receiveCount < RETRY_RECEIVES) {
    return { kind: 'later', seconds: Math.ceil(retryDelay(deps.plan.relay.backoff, receiveCount + 1, random) / 1000) };
  }
  deps.log.error('an event is out of tries', { direction, seq, reason, tries: receiveCount + 1 });
  await deps.databases
    .open(sourceOf(direction), 'relay')
    .query(markEvents([{ seq, state: 'dead', reason: `${reason} (1 try and ${receiveCount} retries)` }]));
  return { kind: 'dead' };
}
