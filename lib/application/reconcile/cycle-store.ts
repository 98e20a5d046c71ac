/** Where a cycle keeps what outgrows a document: its description, its chunks and their results, in the bucket under `cycles/<id>/`. */
import type { Chunk } from '../../domain/chunk.ts';
import type { ObjectStore } from '../../ports/objects.ts';
import type { ChunkResult } from './compare-chunk.ts';
import type { Comparison } from './comparison.ts';
import type { DriftRow, PendingRow } from './settle-round.ts';

export interface Cycle {
  /** ISO start time, which is the id of its document too; of a dry run with a prefix. */
  readonly id: string;
  readonly startedAt: string;
  readonly dryRun: boolean;
  readonly scopeKind: 'full' | 'sample';
  readonly comparison: Comparison;
  readonly chunks: number;
  /** Tells cycles apart that compare something else: tenants with their generations, tables, mode, forms. */
  readonly subject: string;
}

/** Items of the Distributed Map: a chunk and the cycle whose comparison it is part of. */
export interface ChunkItem extends Chunk {
  readonly cycle: string;
}

/** `error`: the chunk could not be read, for a reason that no retry mends. */
export type StoredChunk =
  | ({ readonly table: string } & ChunkResult)
  | { readonly table: string; readonly error: string };

/** What the rounds of `settle` have found so far. */
export interface Settling {
  readonly pending: readonly PendingRow[];
  readonly drift: readonly DriftRow[];
  readonly inFlight: Readonly<Record<string, number>>;
  /** By table: rows beyond what is looked at one by one. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly tables: readonly ChunkTally[];
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
}

export const chunksKey = (cycle: string): string => `cycles/${cycle}/chunks.json`;
const cycleKey = (cycle: string): string => `cycles/${cycle}/cycle.json`;
const resultKey = (cycle: string, n: number): string => `cycles/${cycle}/results/${n}.json`;
const settlingKey = (cycle: string): string => `cycles/${cycle}/settling.json`;

/** Objects read at once. */
const READS = 20;

export async function saveCycle(objects: ObjectStore, cycle: Cycle, chunks: readonly ChunkItem[]): Promise<void> {
  await objects.put(chunksKey(cycle.id), JSON.stringify(chunks), 'application/json');
  await objects.put(cycleKey(cycle.id), JSON.stringify(cycle), 'application/json');
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

/** In the order of the chunks; undefined where there is no result. */
export async function readResults(objects: ObjectStore, cycle: Cycle): Promise<readonly (StoredChunk | undefined)[]> {
  const results: (StoredChunk | undefined)[] = [];
  for (let first = 0; first < cycle.chunks; first += READS) {
    const numbers = Array.from({ length: Math.min(READS, cycle.chunks - first) }, (_, index) => first + index);
    results.push(...(await Promise.all(numbers.map((n) => read<StoredChunk>(objects, resultKey(cycle.id, n))))));
  }
  return results;
}

export async function saveSettling(objects: ObjectStore, cycle: Cycle, settling: Settling): Promise<void> {
  await objects.put(settlingKey(cycle.id), JSON.stringify(settling), 'application/json');
}

export async function readSettling(objects: ObjectStore, cycle: Cycle): Promise<Settling | undefined> {
  return read<Settling>(objects, settlingKey(cycle.id));
}

/** Read by the same code that wrote it. */
async function read<T>(objects: ObjectStore, key: string): Promise<T | undefined> {
  const body = await objects.get(key);
  return body === undefined ? undefined : (JSON.parse(body) as T);
}
