/** From small parts that differ to the keys that do: the fingerprint of each of their rows from both stores, many parts a statement. */
import type { KeyBounds } from '../../domain/chunk.ts';
import type { StoreName } from '../../domain/direction.ts';
import { digestRows, type PartRows } from '../../sql/compare/digest-range.ts';
import { type Migration, tableNamed } from '../migration.ts';
import type { ComparedTable } from './comparison.ts';
import { inHalves } from './in-halves.ts';

export interface DifferingPart extends KeyBounds {
  /** Place among the parts of the span. */
  readonly n: number;
  readonly chunk: number;
  readonly legacy: PartSize;
  readonly target: PartSize;
  /** A store has more rows in it than were read: neither digests nor counts mean anything. */
  readonly isCrowded: boolean;
}

export interface PartSize {
  readonly rows: number;
  readonly leftOut: number;
}

export interface FoundKeys {
  readonly chunk: number;
  readonly differs: boolean;
  readonly keys: readonly string[];
  /** At least so many rows that differ are not among `keys`. */
  readonly unlisted: number;
  /** What a crowded part holds, which its digests did not count. */
  readonly crowd?: PartSize | undefined;
}

/** Rows whose key and fingerprint one statement answers with, where the answer's bytes allow. */
const ROWS_AT_ONCE = 5_000;
/** Nobody has so many rows in a small part, unless they were written since: those differ, or are in flight. */
const ROWS_OF_A_PART = 20_000;
/** A line without its key: the exact form has 64 digits, critical columns have as many again. */
const LINE_BYTES = 140;

/** @param maxKeys when so many are found, what is left is counted by its parts: it costs no more than has been seen. */
export async function listKeys(
  migration: Migration,
  compared: ComparedTable,
  parts: readonly DifferingPart[],
  maxKeys: number,
): Promise<readonly FoundKeys[]> {
  const found: FoundKeys[] = [];
  let room = maxKeys;
  for (const page of pagesOf(parts, rowsAtOnce(migration, parts))) {
    if (room <= 0) {
      found.push(...page.map(leaveUnlisted));
      continue;
    }
    const [legacy, target] = await Promise.all([
      rowsByPart(migration, compared, 'legacy', page),
      rowsByPart(migration, compared, 'target', page),
    ]);
    for (const { n, chunk } of page) {
      const keys = differingKeys(legacy.get(n), target.get(n));
      const listed = keys.slice(0, room);
      room -= listed.length;
      found.push({ chunk, differs: true, keys: listed, unlisted: keys.length - listed.length });
    }
  }
  return found;
}

/** Rows that one store has more of are missing in the other for certain. */
function leaveUnlisted({ chunk, legacy, target }: DifferingPart): FoundKeys {
  return { chunk, differs: true, keys: [], unlisted: Math.max(1, Math.abs(legacy.rows - target.rows)) };
}

/** Fingerprint and key of each row. */
type Lines = readonly string[];

/** A store that had no row of a part a moment ago is not asked for it: what it has by now will be seen when the keys are settled. */
async function rowsByPart(
  migration: Migration,
  { table: name, ...reading }: ComparedTable,
  store: StoreName,
  parts: readonly DifferingPart[],
): Promise<ReadonlyMap<number, Lines>> {
  const table = tableNamed(migration, name);
  const session = migration.deps.databases.open(store, 'compare');
  const peopled = parts.filter((part) => part[store].rows > 0);
  const found = await inHalves(peopled, async (some) => {
    const rows = await session.query<PartRows>(
      digestRows(table, migration.byName, store, some, reading, ROWS_OF_A_PART),
    );
    return rows.map(({ n, lines }) => [some[n]?.n ?? -1, lines.split('\n')] as const);
  });
  const pieces = Map.groupBy(found, ([n]) => n);
  return new Map([...pieces].map(([n, of]) => [n, of.flatMap(([, lines]) => lines)]));
}

function differingKeys(legacy: Lines = [], target: Lines = []): readonly string[] {
  const [inLegacy, inTarget] = [new Set(legacy), new Set(target)];
  const keys = new Set<string>();
  for (const line of legacy) if (!inTarget.has(line)) keys.add(keyOf(line));
  for (const line of target) if (!inLegacy.has(line)) keys.add(keyOf(line));
  for (const line of [...twins(legacy, inLegacy), ...twins(target, inTarget)]) keys.add(keyOf(line));
  return [...keys].map(copyOf);
}

/** A piece of a text keeps the whole of it in memory: every line of an answer, for as long as one key is pending. */
function copyOf(key: string): string {
  return Buffer.from(key).toString();
}

/** Rows that a store holds twice, as it can where its unique index is gone or broken. */
function twins(lines: Lines, once: ReadonlySet<string>): Lines {
  return lines.length === once.size ? [] : lines.filter((line, place) => lines.indexOf(line) < place);
}

function keyOf(line: string): string {
  return line.slice(line.indexOf(' ') + 1);
}

function pagesOf(parts: readonly DifferingPart[], rowsAtMost: number): readonly (readonly DifferingPart[])[] {
  const pages: DifferingPart[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const part of parts) {
    const of = Math.max(part.legacy.rows, part.target.rows);
    rows += of;
    if (rows > rowsAtMost) {
      pages.push([]);
      rows = of;
    }
    pages.at(-1)?.push(part);
  }
  return pages;
}

function rowsAtOnce(migration: Migration, parts: readonly KeyBounds[]): number {
  return Math.min(ROWS_AT_ONCE, rowsThatFit(migration, parts));
}

/** An index takes no longer key. */
const LONGEST_KEY = 2_704;

/** Rows whose key and fingerprint one answer has room for: keys are about as long as those that bound the parts. */
export function rowsThatFit({ deps }: Migration, parts: readonly KeyBounds[]): number {
  const longest = parts.reduce((most, part) => Math.max(most, lengthOf(part)), 0);
  return Math.max(1, Math.floor(deps.databases.pageBytes / (LINE_BYTES + longest)));
}

/** Nothing is known of a part that is open at both ends. */
function lengthOf({ after, through }: KeyBounds): number {
  if (after === null && through === null) return LONGEST_KEY;
  return Math.max(Buffer.byteLength(after ?? ''), Buffer.byteLength(through ?? ''));
}
