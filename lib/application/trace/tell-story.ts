/** The steps of a write, in order, from what both stores know of it. Pure. */
import { TRACE_STEPS, type TraceStep, type TraceStepKind } from '../../contracts/trace.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import type { AppliedEntry } from '../../sql/trace/find-applied.ts';
import type { TracedEvent } from '../../sql/trace/find-events.ts';
import type { DirectionFacts } from './read-facts.ts';

export function tellStory(directions: readonly DirectionFacts[]): readonly TraceStep[] {
  return directions.flatMap(stepsOf).toSorted(byTime);
}

function stepsOf({ direction, events, notes, applied }: DirectionFacts): readonly TraceStep[] {
  const source = sourceOf(direction);
  const bySeq = new Map(events.map((event) => [event.seq, event]));
  const appliedSeqs = new Set(applied.map(({ seq }) => seq));
  const about = (event: TracedEvent) => ({
    direction,
    table: event.table_name,
    rowKey: event.row_key,
    seq: event.seq,
    correlationId: event.correlation_id,
  });
  const captured = events.map(
    (event): TraceStep => ({
      ...about(event),
      at: event.captured_at,
      store: source,
      what: 'captured',
      detail: describeCapture(event),
    }),
  );
  const logged = notes.flatMap((note): readonly TraceStep[] => {
    const event = bySeq.get(note.seq);
    if (event === undefined) return [];
    const detail = [note.reason, note.batch === null ? null : `batch ${note.batch}`].filter((text) => text !== null);
    return [{ ...about(event), at: note.at, store: source, what: stepOf(note.state), detail: detail.join('; ') }];
  });
  const ends = events.flatMap((event): readonly TraceStep[] => {
    // The event log has it already, with its time.
    if (event.state === 'retry' && notes.some(({ seq, state }) => seq === event.seq && state === 'retry')) return [];
    if (
      ['parked', 'dead'].includes(event.state) &&
      notes.some(({ seq, state }) => seq === event.seq && state === event.state)
    )
      return [];
    return [
      {
        ...about(event),
        at: event.state === 'pending' ? null : event.touched_at,
        store: source,
        what: event.state === 'pending' ? 'pending' : stepOf(event.state),
        detail: describeEnd(event, appliedSeqs.has(event.seq)),
      },
    ];
  });
  const writes = applied.map(
    (entry): TraceStep => ({
      direction,
      at: entry.applied_at,
      store: receiverOf(direction),
      what: entry.kind === 'E' ? 'applied' : 'repaired',
      table: entry.table_name,
      rowKey: entry.row_key,
      seq: entry.seq,
      correlationId: entry.correlation_id,
      detail: describeWrite(entry),
    }),
  );
  return [...captured, ...logged, ...writes, ...ends];
}

function describeCapture({ op, xid, epoch, idempotency_key, old_tenant, new_tenant }: TracedEvent): string {
  const change = op === 'D' ? 'the row is gone' : 'the row’s new state';
  const moved = old_tenant !== null && new_tenant !== null && old_tenant !== new_tenant;
  const tenant = moved ? `tenant ${old_tenant} to ${new_tenant}` : `tenant ${new_tenant ?? old_tenant ?? 'none'}`;
  return `${change}, by transaction ${xid} (epoch ${epoch}); ${tenant}; idempotency key ${idempotency_key}`;
}

const MEANINGS: Readonly<Record<string, string>> = {
  pending: 'waits for the relay',
  published: 'the event ended: delivered',
  superseded: 'the event ended: something newer was there',
  covered: 'the event ended: a copy or repair that read later holds it',
  suppressed: 'the event ended: its tenant is off; turning it on copies the row anew',
};

function describeEnd({ state, reason }: TracedEvent, wasApplied: boolean): string {
  // Delivered twice, after a crash between the write and its mark.
  const meaning =
    state === 'superseded' && wasApplied ? 'the event ended: it had been applied before' : MEANINGS[state];
  return [meaning, reason].filter((text) => text !== null && text !== undefined).join('; ');
}

function describeWrite({ action, kind, batch, tenant, generation, epoch, seq, snapshot }: AppliedEntry): string {
  if (kind === 'R')
    return `taken back, ${action === 'D' ? 'erased' : 'restored as it was before Crossfade'}, in batch ${batch}; tenant ${tenant ?? 'none'}`;
  const version = kind === 'E' ? `event ${epoch}/${seq}` : `read ${epoch}/${snapshot}`;
  return `${action === 'D' ? 'deleted' : 'written'} under ${version}, in batch ${batch}; tenant ${tenant ?? 'none'}, generation ${generation ?? 'none'}`;
}

/** States of the outbox and of the event log as steps: a logged `pending` is a wait with a reason. */
function stepOf(state: string): TraceStepKind {
  if (state === 'pending') return 'waits';
  return TRACE_STEPS.find((known) => known === state) ?? 'waits';
}

/** Steps without a time come last; equal times keep the order of TRACE_STEPS. */
function byTime(one: TraceStep, other: TraceStep): number {
  if (one.at !== other.at) {
    if (one.at === null) return 1;
    if (other.at === null) return -1;
    return one.at < other.at ? -1 : 1;
  }
  return TRACE_STEPS.indexOf(one.what) - TRACE_STEPS.indexOf(other.what);
}
