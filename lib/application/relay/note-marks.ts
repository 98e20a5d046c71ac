/** Says, for people, what became of events that did not go the plain way: a log line with the correlation id, and the event log that `trace` reads. */
import { type Direction, sourceOf } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import type { EventMark } from '../../sql/relay/mark-events.ts';
import { type EventNote, NOTED_STATES, noteEvents } from '../../sql/relay/note-events.ts';
import type { Deps } from '../deps.ts';
import type { ClaimedEvent } from './deliver.ts';

/** Where marks come from. */
export interface MarkedBatch {
  readonly id: string;
  readonly events: readonly Pick<ClaimedEvent, 'seq' | 'correlationId' | 'table' | 'rowKey'>[];
}

export type NoteDeps = Pick<Deps, 'databases' | 'log'>;

/** Never throws what the source may: a record that is missing is better than a delivery that stops. */
export async function noteMarks(
  { databases, log }: NoteDeps,
  direction: Direction,
  marks: readonly EventMark[],
  batch?: MarkedBatch | undefined,
): Promise<void> {
  const notes = marks.flatMap(({ seq, state, reason = null }): readonly EventNote[] => {
    const noted = NOTED_STATES.find((known) => known === state);
    return noted === undefined ? [] : [{ seq, state: noted, reason, batch: batch?.id ?? null }];
  });
  if (notes.length === 0) return;
  const events = new Map(batch?.events.map((event) => [String(event.seq), event]));
  for (const { seq, state, reason } of notes) {
    const event = events.get(seq);
    const fields = {
      direction,
      seq,
      ...(event === undefined ? {} : { table: event.table, rowKey: event.rowKey, correlationId: event.correlationId }),
      batch: batch?.id,
      reason,
    };
    if (state === 'parked') log.warn('event parked', fields);
    else if (state === 'dead') log.error('an event is out of tries', fields);
    else if (state === 'retry') log.info('an event failed and is tried again', fields);
    else log.debug('an event waits', fields);
  }
  try {
    await databases.open(sourceOf(direction), 'relay').query(noteEvents(notes));
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    log.warn('the event log could not be written; delivery goes on', { direction, reason: error.message });
  }
}
