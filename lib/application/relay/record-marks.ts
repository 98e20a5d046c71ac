/** Writes down what became of a batch, and hands those that are to be tried again to the retry queue. */
import { type Direction, sourceOf } from '../../domain/direction.ts';
import { retryDelay } from '../../domain/retry-schedule.ts';
import { type EventMark, markEvents } from '../../sql/relay/mark-events.ts';
import type { Deps } from '../deps.ts';
import { type MarkedBatch, noteMarks } from './note-marks.ts';

/** Marks first, then queues: a message that is lost in between is found by the sweep. */
export async function recordMarks(
  deps: Deps,
  direction: Direction,
  marks: readonly EventMark[],
  batch?: MarkedBatch | undefined,
): Promise<void> {
  if (marks.length === 0) return;
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const began = deps.clock.now().getTime();
  const recorded = await source.query<{ readonly seq: string }>(markEvents(marks));
  deps.metrics.record('writeLatency', deps.clock.now().getTime() - began, { store: sourceOf(direction) });
  const own = new Set(recorded.map(({ seq }) => seq));
  const ours = marks.filter(({ seq }) => own.has(seq));
  await noteMarks(deps, direction, ours, batch);
  await sendRetries(deps, direction, ours, batch);
}

async function sendRetries(
  deps: Deps,
  direction: Direction,
  marks: readonly EventMark[],
  batch: MarkedBatch | undefined,
): Promise<void> {
  const retries = marks.filter(({ state }) => state === 'retry');
  if (retries.length === 0) return;
  const correlations = new Map(batch?.events.map(({ seq, correlationId }) => [String(seq), correlationId]));
  const messages = retries.map(({ seq, reason = '' }) => ({
    direction,
    seq,
    correlationId: correlations.get(seq) ?? null,
    reason,
  }));
  const { backoff, suspend } = deps.plan.relay;
  try {
    await deps.queues.send(direction, messages, Math.ceil(retryDelay(backoff, 1, Math.random()) / 1000));
  } catch (error) {
    // Without a queue nobody counts tries; the relay itself tries again, and the messages that did go find nothing to do.
    deps.log.warn('the retry queue took no messages; their events are pending again', {
      direction,
      events: retries.length,
      reason: String(error),
    });
    const reason = 'the retry queue could not be reached';
    await deps.databases
      .open(sourceOf(direction), 'relay')
      .query(markEvents(retries.map(({ seq }) => ({ seq, state: 'pending', reason, waitMs: suspend }))));
  }
}
