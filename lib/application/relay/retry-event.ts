/** One message of the retry queue: its event is claimed again, under the generation and authority of now, and delivered alone. */

import { RETRY_RECEIVES, type RetryMessage } from '../../contracts/messages.ts';
import { sourceOf } from '../../domain/direction.ts';
import { retryDelay } from '../../domain/retry-schedule.ts';
import { SqlError } from '../../ports/sql.ts';
import type { ClaimedRow } from '../../sql/relay/claim-events.ts';
import { claimOne } from '../../sql/relay/claim-one.ts';
import { type EventMark, markEvents } from '../../sql/relay/mark-events.ts';
import { failedUninstalled } from '../install/made.ts';
import type { Migration } from '../migration.ts';
import { type Claimed, deliver, toClaimed } from './deliver.ts';
import { followMoves } from './follow-moves.ts';
import { noteMarks } from './note-marks.ts';

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
  const { direction, seq } = message;
  try {
    const source = migration.deps.databases.open(sourceOf(direction), 'relay');
    const claimed = toClaimed(await source.query<ClaimedRow>(claimOne(direction, seq)));
    if (claimed.events.length === 0) return { kind: 'done' };
    const batchId = `retry-${seq}-${receiveCount}`;
    const delivered = await deliver(migration, direction, claimed, batchId);
    const [mark] = await followMoves(migration, direction, claimed, delivered);
    if (mark?.state === 'retry')
      return await countTry(migration, message, claimed, batchId, mark, receiveCount, random);
    // Refused by authority: whoever is in force claims it.
    await record(migration, message, claimed, batchId, mark ?? { seq, state: 'pending' });
    return { kind: 'done' };
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    // The outbox went with the schema: its claim check stands for nothing.
    if (await failedUninstalled(migration.deps, error)) return { kind: 'done' };
    await postpone(migration, message, error);
    return { kind: 'done' };
  }
}

async function countTry(
  migration: Migration,
  message: RetryMessage,
  claimed: Claimed,
  batchId: string,
  { reason = '' }: EventMark,
  receiveCount: number,
  random: number,
): Promise<RetryOutcome> {
  const { seq } = message;
  const isLast = receiveCount >= RETRY_RECEIVES;
  await record(migration, message, claimed, batchId, {
    seq,
    state: isLast ? 'dead' : 'retry',
    reason: isLast ? `${reason} (1 try and ${receiveCount} retries)` : reason,
  });
  if (isLast) return { kind: 'dead' };
  const { backoff } = migration.deps.plan.relay;
  return { kind: 'later', seconds: Math.ceil(retryDelay(backoff, receiveCount + 1, random) / 1000) };
}

async function record(
  { deps }: Migration,
  { direction }: RetryMessage,
  { events }: Claimed,
  id: string,
  mark: EventMark,
): Promise<void> {
  await deps.databases.open(sourceOf(direction), 'relay').query(markEvents([mark]));
  await noteMarks(deps, direction, [mark], { id, events });
}

/**
 * A store is down: nobody's try is counted (design §3.4). The event goes back to the relay, which waits for the store; where it
 * is the source that is down, a new message does, because receiving the old one again would count.
 */
async function postpone({ deps }: Migration, message: RetryMessage, { message: reason }: SqlError): Promise<void> {
  const { direction, seq, correlationId } = message;
  const fields = { direction, seq, correlationId, reason };
  const { suspend } = deps.plan.relay;
  try {
    const mark = { seq, state: 'pending', reason, waitMs: suspend } as const;
    await deps.databases.open(sourceOf(direction), 'relay').query(markEvents([mark]));
    await noteMarks(deps, direction, [mark]);
    deps.log.warn('a retry found a store unavailable; its event is pending again', fields);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    await deps.queues.send(direction, [message], Math.ceil(suspend / 1000));
    deps.log.warn('a retry found the source unavailable; its message is sent anew', fields);
  }
}
