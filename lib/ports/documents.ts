/**
 * What Crossfade remembers, as versioned documents in one table (DynamoDB; in memory for tests): held to test/contract/documents.contract.ts.
 * A document is addressed by kind and id; ids of one kind sort as text, so time-ordered kinds use ISO times as ids.
 */
import type { DocumentKind, Documents } from '../contracts/documents.ts';

export interface Stored<T> {
  readonly id: string;
  /** Grows by one with every put; 0 never occurs. */
  readonly version: number;
  readonly value: T;
}

export type Expectation = 'absent' | 'any' | number;

export interface DocumentStore {
  get<K extends DocumentKind>(kind: K, id: string): Promise<Stored<Documents[K]> | undefined>;
  /**
   * Writes the whole document. `expect`: `absent` (create), a version (compare and swap) or `any` (last writer wins).
   * @returns the new version.
   * @throws {VersionConflict} when the expectation does not hold.
   */
  put<K extends DocumentKind>(kind: K, id: string, value: Documents[K], expect: Expectation): Promise<number>;
  /** In ascending order of id, from `from` (inclusive) to `to` (exclusive); newest first with `descending`. */
  list<K extends DocumentKind>(
    kind: K,
    range?: { readonly from?: string; readonly to?: string; readonly limit?: number; readonly descending?: boolean },
  ): Promise<readonly Stored<Documents[K]>[]>;
  /** Adds to the numbers of a document, creating it; atomic. Only for kinds whose value is a flat record of numbers. */
  add<K extends DocumentKind>(kind: K, id: string, numbers: Readonly<Record<string, number>>): Promise<void>;
  remove(kind: DocumentKind, id: string): Promise<void>;
}

export class VersionConflict extends Error {
  override readonly name = 'VersionConflict';
  constructor(kind: string, id: string, expect: Expectation) {
    super(`document ${kind}/${id} is not as expected (${expect}); somebody else wrote it first`);
  }
}
