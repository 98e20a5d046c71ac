/**
 * What the stores have acknowledged: the last state of every row that traffic wrote. A state counts from the moment the commit is
 * answered. Each key is written by one worker, so its acknowledgements come in the order of its commits; rows that all workers
 * write carry a revision, which decides instead.
 */
import type { ShopTable } from '../shop-tables.ts';

export interface RowWrite {
  readonly table: ShopTable;
  /** Text of the key (shop-tables.ts). */
  readonly key: string;
  /** Text of the row; null: deleted. */
  readonly state: string | null;
  /** +1 an insert, -1 a delete, 0 an update. */
  readonly rows: -1 | 0 | 1;
  /** Of rows with more than one writer: grows with each write. */
  readonly revision?: number | undefined;
}

export interface LedgerEntry {
  readonly state: string | null;
  readonly revision: number;
  /** Further states that may hold: the connection broke while one of these was being committed. */
  readonly doubtful: readonly (string | null)[];
}

export interface Ledger {
  /** The commit of these writes was answered. */
  acknowledge(writes: readonly RowWrite[]): void;
  /** They were sent to be committed and no answer came: each may hold or not. */
  doubt(writes: readonly RowWrite[]): void;
  entry(table: ShopTable, key: string): LedgerEntry | undefined;
  entriesOf(table: ShopTable): ReadonlyMap<string, LedgerEntry>;
  /** Rows that acknowledged inserts and deletes add to a table. */
  growthOf(table: ShopTable): number;
  /** Acknowledged row writes. */
  readonly acknowledged: number;
  readonly doubted: number;
}

export function createLedger(): Ledger {
  const tables = new Map<ShopTable, Map<string, LedgerEntry>>();
  const growth = new Map<ShopTable, number>();
  let acknowledged = 0;
  let doubted = 0;
  const entriesOf = (table: ShopTable) => {
    const entries = tables.get(table) ?? new Map<string, LedgerEntry>();
    tables.set(table, entries);
    return entries;
  };
  return {
    acknowledge: (writes) => {
      for (const { table, key, state, rows, revision = 0 } of writes) {
        acknowledged += 1;
        growth.set(table, (growth.get(table) ?? 0) + rows);
        const known = entriesOf(table).get(key);
        // Answers of two workers may arrive in another order than their commits.
        if (known !== undefined && known.revision > revision) continue;
        entriesOf(table).set(key, { state, revision, doubtful: [] });
      }
    },
    doubt: (writes) => {
      for (const { table, key, state } of writes) {
        doubted += 1;
        const known = entriesOf(table).get(key);
        if (known === undefined) continue;
        entriesOf(table).set(key, { ...known, doubtful: [...known.doubtful, state] });
      }
    },
    entry: (table, key) => tables.get(table)?.get(key),
    entriesOf: (table) => tables.get(table) ?? new Map<string, LedgerEntry>(),
    growthOf: (table) => growth.get(table) ?? 0,
    get acknowledged() {
      return acknowledged;
    },
    get doubted() {
      return doubted;
    },
  };
}
