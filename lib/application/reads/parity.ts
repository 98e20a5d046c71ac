/**
 * Synthetic reads (guide phase 4: parity before the shift): keys at random, each read from two stores by the very statements of
 * the read route, and compared. A row on its way is no difference: it counts when it has no undelivered event and stays
 * different, unchanged on both sides, across reads further apart than the relay's lag (design §4).
 */
import { differingColumns } from '../../domain/answer-difference.ts';
import { STORES, type StoreName } from '../../domain/direction.ts';
import { type MigratedTable, NO_TENANT } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { type AnswerRow, readRow } from '../../sql/reads/read-row.ts';
import { countBlocks, type SampledKey, sampleKeys } from '../../sql/reads/sample-keys.ts';
import { undeliveredKeys } from '../../sql/relay/undelivered-keys.ts';
import type { Migration } from '../migration.ts';

export interface SyntheticRead {
  readonly table: string;
  readonly rowKey: string;
  readonly tenant: string;
}

export interface ParityDifference extends SyntheticRead {
  readonly columns: readonly string[];
}

export interface Parity {
  /** Keys read from both sides. */
  readonly reads: number;
  readonly differences: readonly ParityDifference[];
  /** Differed, and had an undelivered event or became equal. */
  readonly inFlight: number;
  /** Kept changing: neither equal nor different. */
  readonly unsettled: number;
  /** A store did not answer, after retries. */
  readonly unread: readonly SyntheticRead[];
}

export const NO_READS: Parity = { reads: 0, differences: [], inFlight: 0, unsettled: 0, unread: [] };

/** Blocks of a table that one sample looks into, at most. */
const SAMPLE_BLOCKS = 40;
/** Keys of a table and store that one sample takes. */
const SAMPLE_KEYS = 50;
const READ_TRIES = 3;
const RECHECKS = 3;

/** Keys of rows of these tenants, and of shared rows, from both stores: a row that only one has is found too. */
export async function sampleReads(migration: Migration, tenants: readonly string[]): Promise<readonly SyntheticRead[]> {
  const asked = [...new Set([...tenants, NO_TENANT])];
  const found: SyntheticRead[] = [];
  for (const table of migration.tables) {
    for (const store of STORES) {
      const session = migration.deps.databases.open(store, 'compare');
      const [size] = await session.query<{ blocks: number }>(countBlocks(table));
      const percent = Math.min(100, (100 * SAMPLE_BLOCKS) / (size?.blocks ?? 1));
      const keys = await session.query<SampledKey>(sampleKeys(table, migration.byName, asked, percent, SAMPLE_KEYS));
      found.push(...keys.map(({ row_key, tenant }) => ({ table: table.name, rowKey: row_key, tenant })));
    }
  }
  const unique = new Map(found.map((read) => [`${read.table}#${read.tenant}#${read.rowKey}`, read]));
  return [...unique.values()];
}

/** @param other `legacy` reads legacy twice: the noise floor of the comparison itself. */
export async function compareReads(
  migration: Migration,
  reads: readonly SyntheticRead[],
  other: StoreName,
): Promise<Parity> {
  const { concurrency } = migration.deps.plan.reads.parity;
  const compared = await inParallel(reads, concurrency, (read) => readBoth(migration, read, other));
  const answered = compared.filter((pair) => pair.answered);
  const unread = compared.filter((pair) => !pair.answered).map(({ read }) => read);
  const settled = await recheck(migration, answered.filter(isDifferent), other);
  return { ...settled, reads: answered.length, unread: [...unread, ...settled.unread] };
}

export function addParity(one: Parity, another: Parity): Parity {
  return {
    reads: one.reads + another.reads,
    differences: [...one.differences, ...another.differences],
    inFlight: one.inFlight + another.inFlight,
    unsettled: one.unsettled + another.unsettled,
    unread: [...one.unread, ...another.unread],
  };
}

type Pair =
  | {
      readonly answered: true;
      readonly read: SyntheticRead;
      readonly legacy: string | null;
      readonly other: string | null;
    }
  | { readonly answered: false; readonly read: SyntheticRead };
type Answered = Extract<Pair, { answered: true }>;

function isDifferent(pair: Answered): boolean {
  return pair.legacy !== pair.other;
}

async function recheck(
  migration: Migration,
  differing: readonly Answered[],
  other: StoreName,
): Promise<Omit<Parity, 'reads'>> {
  const { clock, plan } = migration.deps;
  let open = differing;
  let inFlight = 0;
  const differences: ParityDifference[] = [];
  const unread: SyntheticRead[] = [];
  for (let round = 0; round < RECHECKS && open.length > 0; round += 1) {
    await clock.sleep(plan.reconcile.recheckAfter);
    const before = open;
    const again = await inParallel(before, plan.reads.parity.concurrency, ({ read }) =>
      readBoth(migration, read, other),
    );
    const travelling = await findUndelivered(migration, before);
    const next: Answered[] = [];
    again.forEach((pair, index) => {
      const was = before[index];
      if (was === undefined) return;
      if (!pair.answered) unread.push(pair.read);
      else if (!isDifferent(pair)) inFlight += 1;
      else if (travelling.has(addressOf(pair.read)) || pair.legacy !== was.legacy || pair.other !== was.other)
        next.push(pair);
      else differences.push({ ...pair.read, columns: differingColumns(pair.legacy, pair.other) });
    });
    open = next;
  }
  const travelling = open.length === 0 ? new Set<string>() : await findUndelivered(migration, open);
  const onTheirWay = open.filter(({ read }) => travelling.has(addressOf(read))).length;
  return { differences, inFlight: inFlight + onTheirWay, unsettled: open.length - onTheirWay, unread };
}

async function readBoth(migration: Migration, read: SyntheticRead, other: StoreName): Promise<Pair> {
  const table = migration.byName.get(read.table);
  if (table === undefined) throw new RangeError(`table ${read.table} is not in the plan`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return {
        answered: true,
        read,
        legacy: await readFrom(migration, table, 'legacy', read),
        other: await readFrom(migration, table, other, read),
      };
    } catch (error) {
      if (!(error instanceof SqlError) || error.kind === 'configuration') throw error;
      if (attempt >= READ_TRIES) return { answered: false, read };
    }
  }
}

async function readFrom(
  migration: Migration,
  table: MigratedTable,
  store: StoreName,
  { tenant, rowKey }: SyntheticRead,
): Promise<string | null> {
  const session = migration.deps.databases.open(store, 'read');
  const [row] = await session.query<AnswerRow>(readRow(table, migration.byName, store, tenant, rowKey));
  return row?.row ?? null;
}

/** Addresses of the rows that the relay has not delivered yet. */
async function findUndelivered(migration: Migration, pairs: readonly Answered[]): Promise<ReadonlySet<string>> {
  const session = migration.deps.databases.open('legacy', 'compare');
  const found = new Set<string>();
  for (const [table, reads] of Map.groupBy(pairs, ({ read }) => read.table)) {
    const keys = reads.map(({ read }) => read.rowKey);
    for (const { row_key } of await session.query<{ row_key: string }>(undeliveredKeys(table, keys))) {
      found.add(`${table}#${row_key}`);
    }
  }
  return found;
}

function addressOf({ table, rowKey }: SyntheticRead): string {
  return `${table}#${rowKey}`;
}

/** Results in the order of the items. */
async function inParallel<Item, Result>(
  items: readonly Item[],
  workers: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(workers, items.length) }, worker));
  return results;
}
