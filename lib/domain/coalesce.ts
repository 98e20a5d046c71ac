/**
 * One state a row key: a batch applies at most one event for each, because a statement cannot touch a row twice and only the
 * newest state matters. What must survive of the older ones is where the row was: its old tenant (protocol §5.5). One event speaks
 * for one old tenant, whose door judges it; of a row that moved on from a second one the later events wait for the next claim.
 */
export interface Coalescable {
  readonly table: string;
  readonly rowKey: string;
  /** Position in the outbox; compared as a number. */
  readonly seq: bigint;
  readonly oldTenant: string | null;
  readonly oldGeneration: number | null;
}

export interface Coalesced<Event> {
  /** Newest of each key that one old tenant can speak for, in order of seq, carrying that tenant. */
  readonly events: readonly Event[];
  /** Older ones, ended by the newer state of the same row. */
  readonly superseded: readonly Event[];
}

export function coalesce<Event extends Coalescable>(events: readonly Event[]): Coalesced<Event> {
  const byKey = Map.groupBy(events, (event) => `${event.table} ${event.rowKey}`);
  const newest: Event[] = [];
  const superseded: Event[] = [];
  for (const sameRow of byKey.values()) {
    const ordered = sameRow.toSorted((one, other) => (one.seq < other.seq ? -1 : 1));
    // An insert has no old tenant: the row was nowhere, so a later event of the batch says where it has been since.
    const left = ordered.find((event) => event.oldTenant !== null);
    const movedOn = ordered.findIndex((event) => event.oldTenant !== null && event.oldTenant !== left?.oldTenant);
    const together = movedOn === -1 ? ordered : ordered.slice(0, movedOn);
    const last = together.at(-1);
    if (last === undefined) continue;
    newest.push(left === undefined ? last : { ...last, oldTenant: left.oldTenant, oldGeneration: left.oldGeneration });
    superseded.push(...together.slice(0, -1));
  }
  return { events: newest.toSorted((one, other) => (one.seq < other.seq ? -1 : 1)), superseded };
}
