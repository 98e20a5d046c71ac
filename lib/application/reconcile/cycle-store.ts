/** Where a cycle keeps what outgrows a document: its description, its chunks and their results, in the bucket under `cycles/<id>/`. */

import type { CycleDocument, TenantCycle, WorstChunk } from '../../contracts/documents.ts';
import type { ChunkSpan } from '../../domain/chunk.ts';
import type { ObjectStore } from '../../ports/objects.ts';
import type { SpanResult } from './compare-span.ts';
import type { Comparison } from './comparison.ts';
import type { DriftRow, PendingRow, SetAsideRow, WaitingRow } from './settle-round.ts';

export interface Cycle {
  /** ISO start time, which is the id of its document too; of a dry run with a prefix. */
  readonly id: string;
  readonly startedAt: string;
  readonly dryRun: boolean;
  /**
   * Of the tables that are compared: `full` and `window` run their drift clocks, also where they are not all tables; `sample` (a
   * limit, a part) and `keys` do not (ADR 027).
   */
  readonly scopeKind: CycleDocument['scopeKind'];
  readonly comparison: Comparison;
  /** Items of the Distributed Map: spans of chunks, or pages of keys. 0 while they are being listed. */
  readonly chunks: number;
  /** Tells cycles apart that compare something else: tenants with their generations, tables, scope, mode, forms. */
  readonly subject: string;
  /** By table, what is compared of it (subject.ts). */
  readonly shapes?: Readonly<Record<string, string>> | undefined;
  /** Whether it may move the marks from which the next window goes on. */
  readonly moves?: boolean | undefined;
  /** Known when the list is complete. */
  readonly beyondLimit?: CycleDocument['beyondLimit'];
}

/** Items of the Distributed Map: consecutive chunks of a table, or row keys, and the cycle whose comparison they are part of. */
export type ChunkItem = { readonly cycle: string; readonly n: number; readonly table: string } & (
  | ChunkSpan
  | { readonly keys: readonly string[] }
);

/** One object an item. `error`: it could not be read, for a reason that no retry mends. */
export type StoredChunk =
  | ({ readonly table: string } & SpanResult)
  | { readonly table: string; readonly error: string };

/** What the rounds of `settle` have found so far. */
export interface Settling {
  /** The last read that is part of it, whose it was and when it ended: a call that is made twice must not count twice. */
  readonly round?: { readonly execution: string; readonly n: number; readonly at: string } | undefined;
  readonly pending: readonly PendingRow[];
  readonly drift: readonly DriftRow[];
  /** By table: rows that differed at their first read and were equal at a later one. */
  readonly converged?: Readonly<Record<string, number>> | undefined;
  readonly inFlight: Readonly<Record<string, number>>;
  /** Rows in flight by key. What they wait for may leave no event behind, so the next window looks at them again. */
  readonly waiting?: readonly WaitingRow[] | undefined;
  /** Rows in flight whose events wait for somebody: they differ, and say why. */
  readonly setAside: readonly SetAsideRow[];
  /** By table: rows beyond what is looked at one by one. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly tables: readonly ChunkTally[];
  /** Rows compared by tenant, where they were counted: in full passes. */
  readonly tenants?: Readonly<Record<string, number>> | undefined;
  /** Tenants that were turned off, or on anew, before the rows were settled: it proves nothing of them. */
  readonly gone?: readonly string[] | undefined;
  /** Tables that are not what they were when the cycle was planned. */
  readonly changed?: readonly string[] | undefined;
  /** Chunks without a result, and why where it is known. */
  readonly missing: number;
  readonly errors: readonly string[];
}

export interface ChunkTally {
  readonly table: string;
  readonly rows: number;
  readonly chunks: number;
  readonly differingChunks: number;
  readonly leftOut: number;
  /** Chunks with the most differing keys, up to MAX_WORST of them (record-cycle.ts). */
  readonly worst?: readonly WorstChunk[] | undefined;
}

export const chunksKey = (cycle: string): string => `cycles/${cycle}/chunks.json`;
const cycleKey = (cycle: string): string => `cycles/${cycle}/cycle.json`;
const resultKey = (cycle: string, n: number): string => `cycles/${cycle}/results/${n}.json`;
const partKey = (cycle: string, part: number): string => `cycles/${cycle}/parts/${part}.json`;
const tenantsKey = (cycle: string): string => `cycles/${cycle}/tenants.json`;
const settlingKey = (cycle: string): string => `cycles/${cycle}/settling.json`;

/** Objects read at once. */
const READS = 20;

export async function saveCycle(objects: ObjectStore, cycle: Cycle, chunks: readonly ChunkItem[]): Promise<void> {
  await objects.put(chunksKey(cycle.id), JSON.stringify(chunks), 'application/json');
  await describeCycle(objects, cycle);
}

export async function describeCycle(objects: ObjectStore, cycle: Cycle): Promise<void> {
  await objects.put(cycleKey(cycle.id), JSON.stringify(cycle), 'application/json');
}

/** A piece of the list while it is being made: the same number always holds the same items. */
export async function savePart(objects: ObjectStore, id: string, part: number, items: readonly ChunkItem[]) {
  await objects.put(partKey(id, part), JSON.stringify(items), 'application/json');
}

/** Nothing, where the list has no such part. */
export async function readPart(objects: ObjectStore, id: string, part: number): Promise<readonly ChunkItem[]> {
  return (await read<readonly ChunkItem[]>(objects, partKey(id, part))) ?? [];
}

/** The list as the Distributed Map reads it: one JSON array. Joined as text: a list of 100 MB is never parsed. */
export async function joinParts(objects: ObjectStore, id: string, parts: number): Promise<void> {
  const bodies: string[] = [];
  for (let part = 0; part < parts; part++) {
    const body = await objects.get(partKey(id, part));
    if (body === undefined) throw new RangeError(`cycle ${id} has lost part ${part} of its list; start another one`);
    if (body.length > 2) bodies.push(body.slice(1, -1));
  }
  await objects.put(chunksKey(id), `[${bodies.join(',')}]`, 'application/json');
}

/** @throws {RangeError} when the bucket has no such cycle: its objects have expired or were removed. */
export async function readCycle(objects: ObjectStore, id: string): Promise<Cycle> {
  const cycle = await findCycle(objects, id);
  if (cycle === undefined) throw new RangeError(`cycle ${id} is not in bucket ${objects.bucket}; start another one`);
  return cycle;
}

export async function findCycle(objects: ObjectStore, id: string): Promise<Cycle | undefined> {
  return read<Cycle>(objects, cycleKey(id));
}

export async function saveResult(objects: ObjectStore, item: ChunkItem, result: StoredChunk): Promise<void> {
  await objects.put(resultKey(item.cycle, item.n), JSON.stringify(result), 'application/json');
}

export async function hasResult(objects: ObjectStore, item: ChunkItem): Promise<boolean> {
  return (await objects.get(resultKey(item.cycle, item.n))) !== undefined;
}

/** In the order of the items, a few at a time; undefined where there is no result. */
export async function* readResults(objects: ObjectStore, cycle: Cycle): AsyncGenerator<StoredChunk | undefined> {
  for (let first = 0; first < cycle.chunks; first += READS) {
    const numbers = Array.from({ length: Math.min(READS, cycle.chunks - first) }, (_, index) => first + index);
    yield* await Promise.all(numbers.map((n) => read<StoredChunk>(objects, resultKey(cycle.id, n))));
  }
}

export async function saveSettling(objects: ObjectStore, cycle: Cycle, settling: Settling): Promise<void> {
  await objects.put(settlingKey(cycle.id), JSON.stringify(settling), 'application/json');
}

export async function readSettling(objects: ObjectStore, cycle: Cycle): Promise<Settling | undefined> {
  return read<Settling>(objects, settlingKey(cycle.id));
}

/** Rows that differed when the cycle ended, and were neither equal nor drift. */
export async function readUnproved(objects: ObjectStore, cycle: string): Promise<readonly WaitingRow[]> {
  const settling = await read<Settling>(objects, settlingKey(cycle));
  return settling === undefined ? [] : unprovedRows(settling);
}

export function unprovedRows({ pending, waiting = [] }: Settling): readonly WaitingRow[] {
  return [...pending, ...waiting];
}

/** No row was found to differ, and none was left that might: what `passed` says of a cycle that leaves no record. */
export function isProved(settling: Settling): boolean {
  const { drift, pending, setAside, waiting = [], changed = [], missing, dropped } = settling;
  const open = [drift, pending, setAside, waiting.filter(({ late }) => late), changed];
  return (
    missing === 0 && open.every(({ length }) => length === 0) && Object.values(dropped).every((rows) => rows === 0)
  );
}

/** Of all tenants, where the cycle's document has only the first of them. */
export async function saveTenants(
  objects: ObjectStore,
  id: string,
  tenants: Readonly<Record<string, TenantCycle>>,
): Promise<void> {
  await objects.put(tenantsKey(id), JSON.stringify(tenants), 'application/json');
}

/** undefined: the list has expired, or the cycle has none. */
export async function readTenants(
  objects: ObjectStore,
  id: string,
): Promise<Readonly<Record<string, TenantCycle>> | undefined> {
  return read<Readonly<Record<string, TenantCycle>>>(objects, tenantsKey(id));
}

/** Read by the same code that wrote it. */
async function read<T>(objects: ObjectStore, key: string): Promise<T | undefined> {
  const body = await objects.get(key);
  return body === undefined ? undefined : (JSON.parse(body) as T);
}
