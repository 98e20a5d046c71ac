/**
 * Rows that wait for each other by foreign keys: parents that are missing, children that are left, circles of both. None of
 * them can be written alone, in any order, so they are read afresh and written in one transaction. Deferrable constraints are
 * deferred; where they are not, a circle is opened at a nullable column, and its rows are queued again to be made whole.
 */
import { type Direction, receiverOf, sourceOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError, type SqlStore } from '../../ports/sql.ts';
import { applySnapshot, type ReadVerdictRow } from '../../sql/apply/apply-snapshot.ts';
import { type MissingParentRow, missingParents } from '../../sql/apply/missing-parents.ts';
import { CHECK_CONSTRAINTS, DEFER_CONSTRAINTS, dropReferences, referringKeys } from '../../sql/apply/references.ts';
import { type ForeignKeyAmongRow, foreignKeysAmong } from '../../sql/catalogue/foreign-keys-among.ts';
import { queueRepairs } from '../../sql/repair/repair-queue.ts';
import { flushSource } from '../../sql/source/flush.ts';
import { readKeys, type SourceRow } from '../../sql/source/read-rows.ts';
import type { Migration } from '../migration.ts';
import { readAdmissions } from '../tenants/read-pages.ts';

export interface RowAddress {
  readonly table: MigratedTable;
  readonly rowKey: string;
}

interface Reference {
  readonly child: MigratedTable;
  readonly parent: MigratedTable;
  readonly pairs: readonly ForeignKeyAmongRow[];
}

interface Member extends RowAddress {
  readonly read: SourceRow;
  /** False: the receiver is not to have the row, because it is gone or its tenant is off. */
  readonly wanted: boolean;
}

/** More rows than this hang together only where much is on its way, and comes by itself. */
const MOST_TOGETHER = 100;

/** The receiver's foreign keys between tables of the plan. */
export async function readReferences(migration: Migration, direction: Direction): Promise<readonly Reference[]> {
  const { tables, deps } = migration;
  const receiver = deps.databases.open(receiverOf(direction), 'backfill');
  const rows = await receiver.query<ForeignKeyAmongRow>(
    foreignKeysAmong(tables.map(({ schema, relation }) => [schema, relation])),
  );
  const tableOf = (schema: string, relation: string) =>
    tables.find((table) => table.schema === schema && table.relation === relation);
  return [...Map.groupBy(rows, (row) => `${row.schema}.${row.relation}.${row.name}`).values()].flatMap((pairs) => {
    const [first] = pairs;
    const child = first === undefined ? undefined : tableOf(first.schema, first.relation);
    const parent = first === undefined ? undefined : tableOf(first.parent_schema, first.parent_relation);
    return child === undefined || parent === undefined ? [] : [{ child, parent, pairs }];
  });
}

/** @returns the rows that are done; empty when there is nothing to be done together, or not yet. */
export async function repairTogether(
  migration: Migration,
  direction: Direction,
  references: readonly Reference[],
  seed: RowAddress,
  batchId: string,
): Promise<readonly RowAddress[]> {
  const members = await gatherOrWait(migration, direction, references, seed);
  if (members === null || members.length < 2) return [];
  const receiver = migration.deps.databases.open(receiverOf(direction), 'backfill');
  await migration.deps.databases.open(sourceOf(direction), 'relay').query(flushSource);
  const write = (open: boolean) => writeTogether(migration, receiver, direction, references, members, batchId, open);
  try {
    return await write(false);
  } catch (error) {
    if (!isRowsOwn(error)) throw error;
    if (error.kind !== 'foreign-key') return [];
  }
  try {
    return await write(true);
  } catch (error) {
    if (!isRowsOwn(error)) throw error;
    return [];
  }
}

/** Rows that cannot be read together, by their size or their mapping, wait in the queue and hold up nobody else. */
async function gatherOrWait(...request: Parameters<typeof gather>): Promise<readonly Member[] | null> {
  try {
    return await gather(...request);
  } catch (error) {
    if (!isRowsOwn(error)) throw error;
    return null;
  }
}

/** The seed with all that it waits for, read afresh; null when some of it is in neither store, or there is too much. */
async function gather(
  migration: Migration,
  direction: Direction,
  references: readonly Reference[],
  seed: RowAddress,
): Promise<readonly Member[] | null> {
  const { databases } = migration.deps;
  const source = databases.open(sourceOf(direction), 'compare');
  const receiver = databases.open(receiverOf(direction), 'backfill');
  const doors = await readAdmissions(receiver);
  const on = new Set(doors.filter(({ is_on }) => is_on).map(({ tenant }) => tenant));
  const members = new Map<string, Member>();
  const wantedParents = new Set<string>();
  let next: readonly RowAddress[] = [seed];
  while (next.length > 0) {
    const found: RowAddress[] = [];
    for (const [table, addresses] of Map.groupBy(next, (address) => address.table)) {
      const keys = addresses.map(({ rowKey }) => rowKey);
      const reads = await source.query<SourceRow>(readKeys(table, migration.byName, direction, keys));
      const read = reads.flatMap((row): readonly Member[] =>
        row.row_key === null
          ? []
          : [{ table, rowKey: row.row_key, read: row, wanted: row.row !== null && on.has(row.tenant ?? '') }],
      );
      for (const member of read) members.set(nameOf(table, member.rowKey), member);
      const present = read.flatMap((member) => (member.wanted && member.read.row !== null ? [member.read.row] : []));
      const absent = read.flatMap((member) => (member.wanted ? [] : [member.rowKey]));
      for (const { child, parent, pairs } of references) {
        if (child === table && present.length > 0) {
          const missing = await receiver.query<MissingParentRow>(
            missingParents(table, direction, parent, pairs, present),
          );
          const keysMissing = missing.flatMap(({ row_key }) => (row_key === null ? [] : [row_key]));
          for (const rowKey of keysMissing) wantedParents.add(nameOf(parent, rowKey));
          found.push(...keysMissing.map((rowKey) => ({ table: parent, rowKey })));
        }
        if (parent === table && absent.length > 0) {
          const left = await receiver.query<{ row_key: string }>(
            referringKeys(child, parent, pairs, absent, MOST_TOGETHER + 1),
          );
          found.push(...left.map(({ row_key }) => ({ table: child, rowKey: row_key })));
        }
      }
    }
    const fresh = new Map(found.map((address) => [nameOf(address.table, address.rowKey), address]));
    next = [...fresh].flatMap(([name, address]) => (members.has(name) ? [] : [address]));
    if (members.size + next.length > MOST_TOGETHER) return null;
  }
  const isOrphaned = [...wantedParents].some((name) => members.get(name)?.wanted !== true);
  return isOrphaned ? null : [...members.values()];
}

async function writeTogether(
  migration: Migration,
  receiver: SqlStore,
  direction: Direction,
  references: readonly Reference[],
  members: readonly Member[],
  batchId: string,
  open: boolean,
): Promise<readonly RowAddress[]> {
  const keysOf = (table: MigratedTable) =>
    members.filter((member) => member.table === table).map(({ rowKey }) => rowKey);
  const opened = open
    ? references.filter(
        ({ child, parent, pairs }) =>
          pairs.every(({ nullable }) => nullable) && keysOf(child).length > 0 && keysOf(parent).length > 0,
      )
    : [];
  return receiver.transaction(async (session) => {
    await session.query(DEFER_CONSTRAINTS);
    for (const { child, pairs } of opened)
      await session.query(
        dropReferences(
          child,
          pairs.map(({ column }) => column),
          keysOf(child),
        ),
      );
    const done: RowAddress[] = [];
    const write = async (table: MigratedTable, present: boolean) => {
      const without = opened
        .filter(({ child }) => child === table)
        .flatMap(({ pairs }) => pairs.map(({ column }) => column));
      const rows = members.filter((member) => member.table === table && member.wanted === present);
      for (const part of Map.groupBy(rows, ({ read }) => read.snapshot).values()) {
        const [first] = part;
        if (first === undefined) continue;
        const { snapshot, epoch, authority } = first.read;
        const batch = part.map(({ rowKey, read }) => ({
          rowKey,
          tenant: read.tenant,
          row: withoutValues(read.row, without),
        }));
        const verdicts = await session.query<ReadVerdictRow>(
          applySnapshot(table, direction, {
            id: batchId,
            snapshot,
            epoch,
            authority,
            rows: batch,
            rememberAbsent: true,
          }),
        );
        // References were taken from the rows without a guard: nothing of it may stay where the rows themselves are refused.
        if (opened.length > 0 && verdicts.some(({ verdict }) => verdict === 'refused' || verdict === 'authority'))
          throw new SqlError('rows of an opened circle were refused; they are read again', { kind: 'transient' });
        done.push(
          ...verdicts.flatMap(({ row_key, verdict }) =>
            verdict === 'refused' || verdict === 'authority' ? [] : [{ table, rowKey: row_key }],
          ),
        );
        if (present && without.length > 0)
          await session.query(
            queueRepairs(
              table.name,
              part.map(({ rowKey }) => rowKey),
              'was written without its references, to open a circle',
            ),
          );
      }
    };
    for (const table of migration.tables.toReversed()) await write(table, false);
    for (const table of migration.tables) await write(table, true);
    await session.query(CHECK_CONSTRAINTS);
    return done;
  });
}

/** The row's JSON text with NULL in some columns. The last of two equal names counts; parsing it here would round its numbers. */
function withoutValues(row: string | null, columns: readonly string[]): string | null {
  if (row === null || columns.length === 0) return row;
  return `${row.slice(0, row.lastIndexOf('}'))},${columns.map((column) => `${JSON.stringify(column)}:null`).join(',')}}`;
}

function nameOf(table: MigratedTable, rowKey: string): string {
  return `${table.name} ${rowKey}`;
}

/** Not the store's: these rows cannot be written together now, and stay queued. */
function isRowsOwn(error: unknown): error is SqlError {
  return error instanceof SqlError && error.kind !== 'unavailable' && error.kind !== 'configuration';
}
