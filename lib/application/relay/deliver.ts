/**
 * Delivers claimed events to the receiver: payloads are read and mapped in the source, applied by table in one statement each,
 * and every event ends with a mark that says what became of it (design §3.2-§3.4).
 */

import { coalesce } from '../../domain/coalesce.ts';
import type { Direction } from '../../domain/direction.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { applyEvents, type EventToApply, type EventVerdictRow } from '../../sql/apply/apply-events.ts';
import type { ClaimedRow } from '../../sql/relay/claim-events.ts';
import type { EventMark } from '../../sql/relay/mark-events.ts';
import { type PayloadRow, readPayloads } from '../../sql/relay/read-payloads.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import type { Migration } from '../migration.ts';
import { TOO_LARGE } from '../rows/apply-reads.ts';
import { bisect, isEverybodys } from '../rows/bisect.ts';
import { writeWithoutOrphans } from '../rows/queue-parents.ts';
import { type Resolution, resolveCollision } from '../rows/resolve-collision.ts';
import { isDeliveryHeld } from './delivery-hold.ts';
import { createPatience } from './patience.ts';

export interface ClaimedEvent extends Omit<EventToApply, 'row' | 'seq'> {
  readonly seq: bigint;
  readonly table: string;
  readonly bytes: number;
  /** It missed its parent before. */
  readonly waited: boolean;
}

export interface Claimed {
  readonly authority: string;
  readonly events: readonly ClaimedEvent[];
}

/** An event with its payload as the receiver wants it. */
interface Loaded extends ClaimedEvent {
  readonly row: string | null;
}

/** A foreign-key miss waits for its parent without being counted; it is looked at again after this. */
const PARENT_WAIT_MS = 250;
const COLLISION_ROUNDS = 8;

/** @throws {SqlError} of kind `unavailable` or `configuration`: claiming is suspended, no event is to blame. */
export async function deliver(
  migration: Migration,
  direction: Direction,
  claimed: Claimed,
  batchId: string,
): Promise<readonly EventMark[]> {
  const { events, superseded } = coalesce(claimed.events);
  const marks: EventMark[] = [];
  const unknown = events.filter((event) => !migration.byName.has(event.table));
  marks.push(
    ...unknown.map((event) => ({
      seq: String(event.seq),
      state: 'parked' as const,
      reason: `table ${event.table} is not in the deployed plan`,
    })),
  );

  const byTable = Map.groupBy(events, (event) => event.table);
  const apply = async (table: MigratedTable, part: readonly ClaimedEvent[]) =>
    deliverTable(migration, direction, table, part, claimed.authority, batchId);
  const deletesOf = (table: MigratedTable) => (byTable.get(table.name) ?? []).filter((event) => event.op === 'D');
  // Children go before their parents, and parents come before their children. A parent whose child is moved elsewhere by the
  // same batch can only go after that: its delete is tried again at the end.
  const held: { table: MigratedTable; seqs: ReadonlySet<string> }[] = [];
  for (const table of migration.tables.toReversed()) {
    const done = await apply(table, deletesOf(table));
    const waiting = done.filter((mark) => mark.state === 'pending');
    marks.push(...done.filter((mark) => mark.state !== 'pending'));
    if (waiting.length > 0) held.push({ table, seqs: new Set(waiting.map((mark) => mark.seq)) });
  }
  for (const table of migration.tables) {
    marks.push(
      ...(await apply(
        table,
        (byTable.get(table.name) ?? []).filter((event) => event.op === 'U'),
      )),
    );
  }
  for (const { table, seqs } of held) {
    marks.push(
      ...(await apply(
        table,
        deletesOf(table).filter((event) => seqs.has(String(event.seq))),
      )),
    );
  }
  return [...marks, ...supersededMarks(superseded, events, marks)];
}

/** Older states end only with the newest: one that goes on to be retried alone has not carried their old tenant along. */
function supersededMarks(
  superseded: readonly ClaimedEvent[],
  newest: readonly ClaimedEvent[],
  marks: readonly EventMark[],
): readonly EventMark[] {
  const ended = new Set(
    marks
      .filter(({ state }) => state === 'published' || state === 'superseded' || state === 'covered')
      .map(({ seq }) => seq),
  );
  const endedRows = new Set(
    newest.filter(({ seq }) => ended.has(String(seq))).map(({ table, rowKey }) => `${table} ${rowKey}`),
  );
  return superseded
    .filter(({ table, rowKey }) => endedRows.has(`${table} ${rowKey}`))
    .map(({ seq }) => ({
      seq: String(seq),
      state: 'superseded',
      reason: 'a newer state of the row was in the same batch',
    }));
}

export function toClaimed(rows: readonly ClaimedRow[]): Claimed {
  return {
    authority: rows[0]?.authority ?? '0',
    events: rows.flatMap((row) =>
      row.seq === null
        ? []
        : [
            {
              seq: BigInt(row.seq),
              epoch: row.epoch,
              xid: row.xid,
              table: row.table_name,
              rowKey: row.row_key,
              op: row.op,
              idempotencyKey: row.idempotency_key,
              correlationId: row.correlation_id,
              oldTenant: row.old_tenant,
              newTenant: row.new_tenant,
              oldGeneration: row.old_generation,
              newGeneration: row.new_generation,
              bytes: row.bytes,
              waited: row.waited === true,
            },
          ],
    ),
  };
}

async function deliverTable(
  migration: Migration,
  direction: Direction,
  table: MigratedTable,
  events: readonly ClaimedEvent[],
  authority: string,
  batchId: string,
): Promise<readonly EventMark[]> {
  const marks: EventMark[] = [];
  for (const page of pagesOf(events, migration.deps.databases.pageBytes)) {
    const { loaded, failed } = await loadPayloads(migration, direction, table, page);
    marks.push(...failed, ...(await applyLoaded(migration, direction, table, loaded, authority, batchId)));
  }
  return marks;
}

/** Payloads travel in the answer of one statement and the request of another: pages by bytes, never below one event. */
function pagesOf(events: readonly ClaimedEvent[], pageBytes: number): readonly (readonly ClaimedEvent[])[] {
  const pages: ClaimedEvent[][] = [];
  let room = 0;
  for (const event of events) {
    // 300: key, tenant, ids and punctuation of one event.
    const size = event.bytes + event.rowKey.length + 300;
    if (pages.length === 0 || size > room) {
      pages.push([]);
      room = pageBytes;
    }
    pages.at(-1)?.push(event);
    room -= size;
  }
  return pages;
}

async function loadPayloads(
  migration: Migration,
  direction: Direction,
  table: MigratedTable,
  events: readonly ClaimedEvent[],
) {
  const source = migration.deps.databases.open(sourceOf(direction), 'relay');
  const failed: EventMark[] = [];
  const wanted = events.filter((event) => event.op === 'U').map((event) => String(event.seq));
  const rows = await bisect(
    wanted,
    (seqs) => source.query<PayloadRow>(readPayloads(table, direction, seqs)),
    async (seq, error) => {
      failed.push({
        seq,
        state: 'parked',
        reason: isTooLarge(error) ? TOO_LARGE : reasonOf(error, 'its mapping failed'),
      });
      return [];
    },
  );
  const rowOf = new Map(rows.map(({ seq, row }) => [seq, row]));
  for (const seq of wanted.filter((known) => !rowOf.has(known) && !failed.some((mark) => mark.seq === known))) {
    failed.push({ seq, state: 'parked', reason: 'its payload is gone; repair the row, then close the event' });
  }
  const loaded = events.flatMap((event): readonly Loaded[] => {
    if (event.op === 'D') return [{ ...event, row: null }];
    const row = rowOf.get(String(event.seq));
    return row === undefined ? [] : [{ ...event, row }];
  });
  return { loaded, failed };
}

async function applyLoaded(
  migration: Migration,
  direction: Direction,
  table: MigratedTable,
  events: readonly Loaded[],
  authority: string,
  batchId: string,
): Promise<readonly EventMark[]> {
  const { databases, clock, metrics } = migration.deps;
  const store = databases.open(receiverOf(direction), 'apply');
  const write = async (part: readonly Loaded[]): Promise<readonly EventMark[]> => {
    // Before every statement: a batch that is being taken apart may go on for long.
    if (await isDeliveryHeld(migration.deps)) return [];
    const batch = { id: batchId, authority, events: part.map((event) => ({ ...event, seq: String(event.seq) })) };
    const began = clock.now().getTime();
    const verdicts = await store.query<EventVerdictRow>(applyEvents(table, direction, batch));
    metrics.record('writeLatency', clock.now().getTime() - began, { store: receiverOf(direction) });
    return verdicts.flatMap(({ seq, verdict }): readonly EventMark[] => {
      // Stays pending for whoever is in force now, until its tenant's door opens, or for its next turn; nothing drained leaves any (protocol §2).
      if (verdict === 'authority' || verdict === 'door' || verdict === 'unseen') return [];
      return [{ seq, state: verdict === 'applied' ? 'published' : verdict }];
    });
  };
  const { targetTimeout, relay } = migration.deps.plan;
  const patience = createPatience<Loaded>(store, { clock, slowMs: targetTimeout / 2, waitMs: relay.suspend });
  const destination = { migration, direction, purpose: 'apply', table } as const;
  const setAside = (orphans: readonly Loaded[], miss: SqlError) =>
    waitForParents(migration, direction, table, orphans, miss);
  const attempt = async (part: readonly Loaded[]): Promise<readonly EventMark[]> => {
    const { now, later } = patience.split(part);
    return [...later, ...(await writeWithoutOrphans(destination, now, write, setAside))];
  };
  return bisect(events, attempt, async (event, error) => {
    await patience.judge(event, error);
    return settleAlone(migration, direction, table, event, authority, error, write);
  });
}

/** Whoever misses a parent waits, uncounted. */
async function waitForParents(
  { deps }: Migration,
  direction: Direction,
  table: MigratedTable,
  orphans: readonly Loaded[],
  miss: SqlError,
): Promise<readonly EventMark[]> {
  const again = orphans.filter(({ waited }) => waited).map(({ rowKey }) => rowKey);
  // Its parent may be gone for good, or in a tenant that is off: a fresh read of the row itself says so.
  if (again.length > 0)
    await deps.databases
      .open(receiverOf(direction), 'apply')
      .query(queueRepairs(table.name, again, `missed its parent again: ${miss.message}`));
  return orphans.map(({ seq }) => ({
    seq: String(seq),
    state: 'pending',
    reason: miss.message,
    waitMs: PARENT_WAIT_MS,
  }));
}

async function settleAlone(
  migration: Migration,
  direction: Direction,
  table: MigratedTable,
  event: Loaded,
  authority: string,
  error: unknown,
  write: (events: readonly Loaded[]) => Promise<readonly EventMark[]>,
): Promise<readonly EventMark[]> {
  const seq = String(event.seq);
  let failure = error;
  for (
    let round = 0;
    round < COLLISION_ROUNDS && failure instanceof SqlError && failure.kind === 'unique' && event.row !== null;
    round++
  ) {
    const version = { kind: 'E', epoch: event.epoch, seq, xid: event.xid } as const;
    let resolution: Resolution;
    try {
      resolution = await resolveCollision(
        migration,
        direction,
        'apply',
        table,
        { rowKey: event.rowKey, row: event.row, version, authority },
        failure,
      );
    } catch (refused) {
      // A check or a trigger of the receiver that refuses to take the value away is this event's matter, and nobody else's.
      if (isEverybodys(refused)) throw refused;
      failure = refused;
      break;
    }
    if (resolution.kind === 'older')
      return [{ seq, state: 'superseded', reason: 'its unique value is held by a newer row' }];
    if (resolution.kind === 'stuck') return [{ seq, state: 'parked', reason: resolution.reason }];
    if (resolution.kind === 'wait') return [{ seq, state: 'retry', reason: resolution.reason }];
    try {
      return await write([event]);
    } catch (again) {
      if (isEverybodys(again)) throw again;
      failure = again;
    }
  }
  if (!(failure instanceof SqlError)) throw failure;
  if (failure.kind === 'foreign-key') {
    // Its children are still there, or it is part of a circle: a fresh read settles what their own events do not.
    await migration.deps.databases
      .open(receiverOf(direction), 'apply')
      .query(queueRepairs(table.name, [event.rowKey], `waits for its parent or its children: ${failure.message}`));
    return [{ seq, state: 'pending', reason: failure.message, waitMs: PARENT_WAIT_MS }];
  }
  if (failure.kind === 'transient' || failure.kind === 'unique')
    return [{ seq, state: 'retry', reason: failure.message }];
  return [
    {
      seq,
      state: 'parked',
      reason: isTooLarge(failure) ? TOO_LARGE : reasonOf(failure, 'it can never succeed'),
    },
  ];
}

function isTooLarge(error: unknown): boolean {
  return error instanceof SqlError && error.kind === 'limit';
}

function reasonOf(error: unknown, hint: string): string {
  return `${hint}: ${error instanceof Error ? error.message : String(error)}`;
}
