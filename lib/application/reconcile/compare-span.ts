/**
 * Compares consecutive chunks of one table: one statement a store digests all of their parts at once, and rows are looked at only
 * in parts that differ (design §4). What comes out are keys that looked different, not yet drift.
 */
import { type ChunkSpan, chunksOf, type KeyBounds, partsOf } from '../../domain/chunk.ts';
import { STORES, type StoreName } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import { countTenants, type TenantCount } from '../../sql/compare/count-tenants.ts';
import { digestParts, type PartDigest } from '../../sql/compare/digest-range.ts';
import { type Migration, tableNamed } from '../migration.ts';
import { cutRange, SPAN_ROWS } from './chunk-table.ts';
import type { ComparedTable } from './comparison.ts';
import { inHalves } from './in-halves.ts';
import { type DifferingPart, type FoundKeys, listKeys, rowsThatFit } from './list-keys.ts';

export interface SpanResult {
  /** Rows compared: for each chunk of the store that has more of them. */
  readonly rows: number;
  /** Rows whose tenant is not part of the comparison: for each chunk of the store that has more of them. */
  readonly leftOut: number;
  readonly chunks: number;
  readonly differing: readonly DifferingChunk[];
  /** Row keys that looked different, to be settled. */
  readonly keys: readonly string[];
  /** Rows that differ beyond the keys listed: at least so many. */
  readonly unlisted: number;
  /** Rows by tenant, when asked for. */
  readonly tenants?: Readonly<Record<string, number>> | undefined;
}

export interface DifferingChunk extends KeyBounds {
  readonly rows: number;
  /** How many of its keys differ, at least. 0: none did any more when they were looked at. */
  readonly keys: number;
}

export interface SpanOptions {
  /** The source store, whose rows are counted by tenant: one more statement. `true` is legacy. */
  readonly countTenants?: StoreName | boolean | undefined;
  /** Keys listed at most. Default {@link MAX_KEYS}. */
  readonly maxKeys?: number | undefined;
  /** How often what it belongs to has been cut. */
  readonly depth?: number | undefined;
}

/** As many as a cycle settles one by one. */
const MAX_KEYS = 100_000;
/** A part with so many times the rows that were wanted of a chunk is not read on: it is cut where it has its keys. */
const CROWDED = 4;
const CROWDED_AT_LEAST = 20_000;
/** In place of a digest: the part has a row that its store cannot map. */
const UNREADABLE = 'unreadable';
/** By the statement timeout, or by hand. */
const STATEMENT_ENDED = '57014';
/** Cuts within cuts. Each takes the store with more rows, so two or three settle any part, unless the stores disagree on the order. */
const DEEPEST = 6;
/** A differing part is cut finer before its rows are hashed one by one when it has so many times `splitRows`. */
const LARGE = 10;

/** @throws {SqlError} of the stores. */
export async function compareSpan(
  migration: Migration,
  compared: ComparedTable,
  span: ChunkSpan,
  { countTenants: tenantsOf = false, maxKeys = MAX_KEYS, depth = 0 }: SpanOptions = {},
): Promise<SpanResult> {
  const parts = partsOf(span);
  const rowsAtMost = Math.max(CROWDED_AT_LEAST, migration.deps.plan.reconcile.chunkRows * CROWDED);
  const [legacy, target, tenants] = await Promise.all([
    digestsOf(migration, 'legacy', compared, parts, rowsAtMost),
    digestsOf(migration, 'target', compared, parts, rowsAtMost),
    tenantsOf === false
      ? undefined
      : rowsByTenant(migration, compared, tenantsOf === true ? 'legacy' : tenantsOf, span),
  ]);
  const differing: DifferingPart[] = [];
  let unreadable = 0;
  const tallies = chunksOf(span).map(() => ({
    legacy: 0,
    target: 0,
    leftOutOf: { legacy: 0, target: 0 },
    differs: false,
    keys: 0,
  }));
  const tallyOf = (chunk: number) => {
    const tally = tallies[chunk];
    if (tally === undefined) throw new RangeError(`table ${compared.table} has no chunk ${chunk} in its span`);
    return tally;
  };
  for (const [n, part] of parts.entries()) {
    const [left, right] = [legacy.get(n), target.get(n)];
    if (left === undefined || right === undefined)
      throw new RangeError(`part ${n} of table ${compared.table} was not answered; an aggregate always is`);
    if (left.digest === UNREADABLE || right.digest === UNREADABLE) {
      const tally = tallyOf(part.chunk);
      tally.differs = true;
      tally.keys += 1;
      unreadable += 1;
      continue;
    }
    const sizes = { legacy: sizeOf(left), target: sizeOf(right) };
    const isCrowded = STORES.some((store) => sizes[store].rows + sizes[store].leftOut >= rowsAtMost);
    const tally = tallyOf(part.chunk);
    if (!isCrowded) {
      tally.legacy += sizes.legacy.rows;
      tally.target += sizes.target.rows;
      for (const store of STORES) tally.leftOutOf[store] += sizes[store].leftOut;
      if (left.rows === right.rows && left.digest === right.digest) continue;
    }
    differing.push({ ...part, n, isCrowded, ...sizes });
  }
  const found = differing.length === 0 ? [] : await drillDown(migration, compared, differing, maxKeys, depth);
  for (const { chunk, keys, unlisted, crowd, differs } of found) {
    const tally = tallyOf(chunk);
    tally.differs ||= differs;
    tally.keys += keys.length + unlisted;
    tally.legacy += crowd?.rows ?? 0;
    tally.target += crowd?.rows ?? 0;
    for (const store of STORES) tally.leftOutOf[store] += crowd?.leftOut ?? 0;
  }
  const counted = chunksOf(span).map((range, index) => {
    const { legacy: ofLegacy, target: ofTarget, leftOutOf, ...tally } = tallyOf(index);
    const leftOut = Math.max(leftOutOf.legacy, leftOutOf.target);
    return { ...range, ...tally, rows: Math.max(ofLegacy, ofTarget), leftOut };
  });
  return {
    rows: counted.reduce((sum, chunk) => sum + chunk.rows, 0),
    leftOut: counted.reduce((sum, chunk) => sum + chunk.leftOut, 0),
    chunks: counted.length,
    differing: counted
      .filter((chunk) => chunk.differs)
      .map(({ after, through, rows, keys }) => ({ after, through, rows, keys })),
    keys: found.flatMap((part) => part.keys),
    unlisted: found.reduce((sum, part) => sum + part.unlisted, unreadable),
    ...(tenants === undefined ? {} : { tenants }),
  };
}

async function digestsOf(
  migration: Migration,
  store: StoreName,
  { table: name, ...reading }: ComparedTable,
  parts: readonly KeyBounds[],
  rowsAtMost: number,
): Promise<ReadonlyMap<number, PartDigest>> {
  const table = tableNamed(migration, name);
  const { databases, log } = migration.deps;
  const session = databases.open(store, 'compare');
  const digest = async (from: number, to: number): Promise<readonly PartDigest[]> => {
    try {
      const some = parts.slice(from, to);
      const rows = await session.query<PartDigest>(
        digestParts(table, migration.byName, store, some, reading, rowsAtMost),
      );
      return rows.map((row) => ({ ...row, n: row.n + from }));
    } catch (error) {
      if (!(error instanceof SqlError) || !isOfItsRows(error)) throw error;
      if (to - from < 2) {
        if (error.sqlState === STATEMENT_ENDED) throw error;
        const { after, through } = parts[from] ?? {};
        log.warn('rows cannot be read as the plan maps them; they are not proved', {
          ...{ table: name, store, after, through },
          reason: error.message,
        });
        return [{ n: from, rows: '0', left_out: '0', digest: UNREADABLE }];
      }
      const middle = (from + to) >> 1;
      return [...(await digest(from, middle)), ...(await digest(middle, to))];
    }
  };
  return new Map((await digest(0, parts.length)).map((row) => [row.n, row]));
}

/** Half of the statement may do: rows that are too many or too wide for its time, or one that no expression of the plan can map. */
function isOfItsRows({ sqlState = '' }: SqlError): boolean {
  return sqlState === STATEMENT_ENDED || sqlState.startsWith('22');
}

function sizeOf(digest: PartDigest) {
  return { rows: Number(digest.rows), leftOut: Number(digest.left_out) };
}

/** Small parts first, many a statement; large ones each on its own. What is over `maxKeys` is counted by its parts instead of being listed. */
async function drillDown(
  migration: Migration,
  compared: ComparedTable,
  parts: readonly DifferingPart[],
  maxKeys: number,
  depth: number,
): Promise<readonly FoundKeys[]> {
  const { splitRows } = migration.deps.plan.reconcile;
  const isLarge = (part: DifferingPart) =>
    part.isCrowded ||
    Math.max(part.legacy.rows, part.target.rows) > Math.min(splitRows * LARGE, rowsThatFit(migration, [part]));
  const small = parts.filter((part) => !isLarge(part));
  const found = [...(await listKeys(migration, compared, small, maxKeys))];
  let room = maxKeys - found.reduce((sum, part) => sum + part.keys.length, 0);
  for (const part of parts.filter(isLarge)) {
    const one = await cutAndCompare(migration, compared, part, room, depth + 1);
    room -= one.keys.length;
    found.push(one);
  }
  return found;
}

/** Cuts a part where the store with more rows has its keys: the other one may have none. */
async function cutAndCompare(
  migration: Migration,
  compared: ComparedTable,
  { chunk, after, through, isCrowded, legacy, target }: DifferingPart,
  room: number,
  depth: number,
): Promise<FoundKeys> {
  if (depth > DEEPEST)
    throw new RangeError(
      `table ${compared.table}: rows behind ${after ?? 'the beginning'} cannot be cut into chunks, because legacy and the target order its key differently; give the key a type that both order alike, such as text`,
    );
  const { chunkRows, splitRows } = migration.deps.plan.reconcile;
  const [inLegacy, inTarget] = [legacy.rows + legacy.leftOut, target.rows + target.leftOut];
  const store = inTarget > inLegacy ? 'target' : 'legacy';
  // What is not crowded fits into one span, and one more chunk: or its end would ask for a span of its own.
  const chunksPerSpan = isCrowded
    ? Math.max(1, Math.floor(SPAN_ROWS / chunkRows))
    : Math.ceil(Math.max(inLegacy, inTarget) / chunkRows) + 1;
  const partRows = Math.min(splitRows, rowsThatFit(migration, [{ after, through }]));
  const cut = { store, after, through, chunkRows, chunksPerSpan, partRows } as const;
  const keys: string[] = [];
  const crowd = { rows: 0, leftOut: 0 };
  let unlisted = 0;
  let differs = !isCrowded;
  for await (const span of cutRange(migration, compared.table, cut)) {
    const result = await compareSpan(migration, compared, span, { maxKeys: room - keys.length, depth });
    for (const key of result.keys) keys.push(key);
    crowd.rows += result.rows;
    crowd.leftOut += result.leftOut;
    unlisted += result.unlisted;
    differs ||= result.differing.length > 0;
    // A store with millions of rows too many: the cycle fails by the first of them.
    if (unlisted > 0 && keys.length >= room) break;
  }
  return { chunk, differs, keys, unlisted, ...(isCrowded ? { crowd } : {}) };
}

async function rowsByTenant(
  migration: Migration,
  { table: name, tenants }: ComparedTable,
  store: StoreName,
  span: ChunkSpan,
): Promise<Readonly<Record<string, number>>> {
  const session = migration.deps.databases.open(store, 'compare');
  // A store with a tenant a row answers with more than the Data API lets through: then chunk by chunk.
  const counts = await inHalves(chunksOf(span), (chunks) => {
    const range = { after: chunks[0]?.after ?? null, through: chunks.at(-1)?.through ?? null };
    return session.query<TenantCount>(countTenants(tableNamed(migration, name), migration.byName, range, tenants));
  });
  const rows = new Map<string, number>();
  for (const count of counts) rows.set(count.tenant, (rows.get(count.tenant) ?? 0) + Number(count.rows));
  return Object.fromEntries(rows);
}
