/** Writes rows that were read from the source under a snapshot: what backfill, repair and the way back all end in (protocol §4, §5). */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import { retryDelay } from '../../domain/retry-schedule.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { applySnapshot, type ReadVerdictRow, type RowRead } from '../../sql/apply/apply-snapshot.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import { flushSource } from '../../sql/source/flush.ts';
import { readKeys, type SourceRow } from '../../sql/source/read-rows.ts';
import type { Migration } from '../migration.ts';
import { bisect, isEverybodys } from './bisect.ts';
import { writeWithoutOrphans } from './queue-parents.ts';
import { type Resolution, resolveCollision } from './resolve-collision.ts';

export interface SnapshotRead {
  readonly snapshot: string;
  readonly epoch: number;
  /** Authority number under which the rows were read: an apply that outlives a switchover is refused (protocol §9.3). */
  readonly authority: string;
  readonly rows: readonly RowRead[];
  readonly rememberAbsent?: boolean | undefined;
}

export interface AppliedReads {
  readonly applied: readonly string[];
  /** The receiver already held something at least as new. */
  readonly newer: readonly string[];
  readonly absent: readonly string[];
  /** To be read again: the door was opened after the snapshot, or authority has moved. */
  readonly refused: readonly string[];
  /** Waits for its parent in the repair queue, together with it. */
  readonly queued: readonly string[];
  readonly failed: readonly { readonly rowKey: string; readonly reason: string }[];
}

export const NOTHING_APPLIED: AppliedReads = {
  applied: [],
  newer: [],
  absent: [],
  refused: [],
  queued: [],
  failed: [],
};

interface Settled {
  readonly rowKey: string;
  readonly verdict: ReadVerdictRow['verdict'] | 'queued' | 'failed';
  readonly reason: string;
}

/** What a person is told of a row that the Data API cannot carry; baseline refuses a migration that has any. */
export const TOO_LARGE =
  'the row is over the 64 KB that the Data API can carry; use driver pg for both stores, or make the row smaller';

/** A unique value may pass through several constraints and holders; more rounds than this mean that it goes in circles. */
const COLLISION_ROUNDS = 8;

/**
 * What a row that is refused alone by what passes (deadlock, lock timeout, serialization) gets: `once`, it fails, because the
 * caller comes back to it; `retried`, as often and as far apart as the plan's backfill section says.
 */
export type Patience = 'once' | 'retried';

/** Rows of one call that are waited for: where more are refused so, the table is locked, and each would take its timeouts. */
const MOST_WAITED_FOR = 5;

export interface WriteOptions {
  readonly patience?: Patience | undefined;
  /**
   * Rows of the table that may be touched: those of a reviewed plan. Whatever else stands in their way, a row that holds a value, a
   * parent or a child, is left as it is and named, and nothing is queued for its sake. Default: what is needed.
   */
  readonly among?: ReadonlySet<string> | undefined;
}

/** @throws {SqlError} of kind `unavailable` or `configuration`: nobody's row is to blame. */
export async function applyReads(
  migration: Migration,
  table: MigratedTable,
  direction: Direction,
  read: SnapshotRead,
  batchId: string,
  { patience = 'once', among }: WriteOptions = {},
): Promise<AppliedReads> {
  const { databases } = migration.deps;
  const store = databases.open(receiverOf(direction), 'backfill');
  if (read.rows.length > 0) await databases.open(sourceOf(direction), 'relay').query(flushSource);
  const write = async (rows: readonly RowRead[]): Promise<readonly Settled[]> => {
    const verdicts = await store.query<ReadVerdictRow>(applySnapshot(table, direction, { id: batchId, ...read, rows }));
    return verdicts.map(({ row_key, verdict }) => ({ rowKey: row_key, verdict, reason: verdict }));
  };
  const destination = { migration, direction, purpose: 'backfill', table } as const;
  const setAside = (orphans: readonly RowRead[], miss: SqlError) =>
    queueRows(
      migration,
      table,
      direction,
      orphans.map(({ rowKey }) => rowKey),
      miss,
    );
  const attempt = (rows: readonly RowRead[]) =>
    among === undefined ? writeWithoutOrphans(destination, rows, write, setAside) : write(rows);
  let waitedFor = 0;
  const settle = (row: RowRead, error: unknown) =>
    settleAlone(migration, table, direction, read, row, error, write, among);
  const settled = await bisect(read.rows, attempt, (row, error) =>
    patience === 'retried' && isPassing(error) && waitedFor++ < MOST_WAITED_FOR
      ? settlePatiently(migration, row, error, settle, write)
      : settle(row, error),
  );
  const withVerdict = (...verdicts: readonly Settled['verdict'][]) =>
    settled.filter((item) => verdicts.includes(item.verdict)).map((item) => item.rowKey);
  return {
    applied: withVerdict('applied'),
    newer: withVerdict('newer'),
    absent: withVerdict('absent'),
    refused: withVerdict('refused', 'authority'),
    queued: withVerdict('queued'),
    failed: settled.filter((item) => item.verdict === 'failed').map(({ rowKey, reason }) => ({ rowKey, reason })),
  };
}

/** Reads rows by key, absent ones included, and writes what they are now (protocol §4, §5.5). */
export async function repairKeys(
  migration: Migration,
  table: MigratedTable,
  direction: Direction,
  rowKeys: readonly string[],
  batchId: string,
  { rememberAbsent = false, ...options }: WriteOptions & { readonly rememberAbsent?: boolean } = {},
): Promise<AppliedReads> {
  if (rowKeys.length === 0) return NOTHING_APPLIED;
  const source = migration.deps.databases.open(sourceOf(direction), 'compare');
  const { rows, failed } = await readInHalves(rowKeys, (keys) =>
    source.query<SourceRow>(readKeys(table, migration.byName, direction, keys)),
  );
  let total: AppliedReads = { ...NOTHING_APPLIED, failed };
  // A page that was too large came back in parts, each with a snapshot of its own.
  for (const part of Map.groupBy(rows, (row) => row.snapshot).values()) {
    const read = { ...toSnapshotRead(part), rememberAbsent };
    total = addApplied(total, await applyReads(migration, table, direction, read, batchId, options));
  }
  return total;
}

/** @throws {RangeError} when the read came from a standby, whose snapshots cannot order anything (protocol §4.3). */
export function toSnapshotRead(rows: readonly SourceRow[]): SnapshotRead {
  const [first] = rows;
  if (first === undefined) throw new RangeError('a read of the source always answers with its snapshot');
  if (first.standby)
    throw new RangeError(
      'the source is a standby: its snapshots show open transactions as ended; use the writer endpoint',
    );
  return {
    snapshot: first.snapshot,
    epoch: first.epoch,
    authority: first.authority,
    rows: rows.flatMap(({ row_key, tenant, row }) => (row_key === null ? [] : [{ rowKey: row_key, tenant, row }])),
  };
}

export function addApplied(one: AppliedReads, other: AppliedReads): AppliedReads {
  return {
    applied: [...one.applied, ...other.applied],
    newer: [...one.newer, ...other.newer],
    absent: [...one.absent, ...other.absent],
    refused: [...one.refused, ...other.refused],
    queued: [...one.queued, ...other.queued],
    failed: [...one.failed, ...other.failed],
  };
}

/** @returns `failed` when what passes has not passed after the last retry. */
async function settlePatiently(
  { deps }: Migration,
  row: RowRead,
  error: unknown,
  settle: (row: RowRead, error: unknown) => Promise<readonly Settled[]>,
  write: (rows: readonly RowRead[]) => Promise<readonly Settled[]>,
): Promise<readonly Settled[]> {
  const { retries, backoff } = deps.plan.backfill;
  let failure = error;
  for (let attempt = 1; attempt <= retries; attempt++) {
    if (!isPassing(failure)) break;
    const waitMs = retryDelay(backoff, attempt, Math.random());
    deps.log.warn('a row is tried again', { attempt, waitMs, reason: failure.message });
    await deps.clock.sleep(waitMs);
    try {
      return await write([row]);
    } catch (again) {
      if (isEverybodys(again)) throw again;
      failure = again;
    }
  }
  return settle(row, failure);
}

function isPassing(error: unknown): error is SqlError {
  return error instanceof SqlError && error.kind === 'transient';
}

async function settleAlone(
  migration: Migration,
  table: MigratedTable,
  direction: Direction,
  read: SnapshotRead,
  row: RowRead,
  error: unknown,
  write: (rows: readonly RowRead[]) => Promise<readonly Settled[]>,
  among: ReadonlySet<string> | undefined,
): Promise<readonly Settled[]> {
  let failure = error;
  for (
    let round = 0;
    round < COLLISION_ROUNDS && failure instanceof SqlError && failure.kind === 'unique' && row.row !== null;
    round++
  ) {
    const version = { kind: 'S', epoch: read.epoch, snapshot: read.snapshot } as const;
    let resolution: Resolution;
    try {
      resolution = await resolveCollision(
        migration,
        direction,
        'backfill',
        table,
        { rowKey: row.rowKey, row: row.row, version, authority: read.authority },
        failure,
        among,
      );
    } catch (refused) {
      if (isEverybodys(refused)) throw refused;
      failure = refused;
      break;
    }
    if (resolution.kind === 'older')
      return [{ rowKey: row.rowKey, verdict: 'newer', reason: 'the value is held by a newer row' }];
    if (resolution.kind === 'stuck' || resolution.kind === 'wait')
      return [{ rowKey: row.rowKey, verdict: 'failed', reason: resolution.reason }];
    try {
      return await write([row]);
    } catch (again) {
      if (isEverybodys(again)) throw again;
      failure = again;
    }
  }
  if (!(failure instanceof SqlError)) throw failure;
  if (failure.kind === 'foreign-key' && among !== undefined) {
    const reason = `${failure.constraint ?? 'a foreign key'}: its parent or its children come first, and are not written with it`;
    return [{ rowKey: row.rowKey, verdict: 'failed', reason }];
  }
  if (failure.kind === 'foreign-key') return queueRows(migration, table, direction, [row.rowKey], failure);
  return [{ rowKey: row.rowKey, verdict: 'failed', reason: failure.message }];
}

async function queueRows(
  migration: Migration,
  table: MigratedTable,
  direction: Direction,
  rowKeys: readonly string[],
  miss: SqlError,
): Promise<readonly Settled[]> {
  await migration.deps.databases
    .open(receiverOf(direction), 'backfill')
    .query(
      queueRepairs(
        table.name,
        rowKeys,
        `waits for its parent or its children (${miss.constraint ?? 'an action of a foreign key'})`,
      ),
    );
  return rowKeys.map((rowKey) => ({ rowKey, verdict: 'queued', reason: miss.message }));
}

interface KeysRead {
  readonly rows: readonly SourceRow[];
  readonly failed: AppliedReads['failed'];
}

async function readInHalves(
  keys: readonly string[],
  read: (keys: readonly string[]) => Promise<readonly SourceRow[]>,
): Promise<KeysRead> {
  try {
    return { rows: await read(keys), failed: [] };
  } catch (error) {
    // `permanent`: a row that its mapping cannot read must not hold up the others.
    if (!(error instanceof SqlError) || (error.kind !== 'limit' && error.kind !== 'permanent')) throw error;
    const [only] = keys;
    if (keys.length === 1 && only !== undefined) {
      const reason = error.kind === 'limit' ? TOO_LARGE : `it cannot be read: ${error.message}`;
      return { rows: [], failed: [{ rowKey: only, reason }] };
    }
    const middle = keys.length >> 1;
    const [left, right] = [
      await readInHalves(keys.slice(0, middle), read),
      await readInHalves(keys.slice(middle), read),
    ];
    return { rows: [...left.rows, ...right.rows], failed: [...left.failed, ...right.failed] };
  }
}
