/**
 * The demo's proof, before the reverse relay is retired: both stores hold the same rows by the plan's mapping, and every
 * acknowledged write is in the authoritative store. It uses SQL and code of its own, nothing of Crossfade's digests: somebody who
 * does not trust the tool needs another witness. Traffic stands still while it runs.
 */
import type { StoreName } from '../../domain/direction.ts';
import { SHOP_TABLES, type ShopTable } from '../shop-tables.ts';
import type { Ledger, LedgerEntry } from '../traffic/ledger.ts';
import { compareTables, type TableComparison } from './compare-tables.ts';
import { openSnapshot, type TextRow } from './row-stream.ts';

export interface ProofInput {
  /** Of somebody who may read every table. */
  readonly urls: Readonly<Record<StoreName, string>>;
  readonly ledger: Ledger;
  readonly authoritative: StoreName;
  /** Rows of each table before the traffic began. */
  readonly seeded: Readonly<Record<ShopTable, number>>;
}

export interface TableProof extends TableComparison {
  readonly table: ShopTable;
  /** Seeded rows + acknowledged inserts - acknowledged deletes. */
  readonly expectedRows: number;
  /** Keys of the ledger that were looked up in the authoritative store. */
  readonly ledgerKeys: number;
  /** Keys whose last acknowledged state is there; a deleted row is absent. */
  readonly held: number;
}

export interface Proof {
  readonly proved: boolean;
  readonly tables: readonly TableProof[];
  readonly rows: number;
  readonly ledgerKeys: number;
  readonly acknowledgedWrites: number;
  /** What contradicts it, one line each; keys, never values. */
  readonly contradictions: readonly string[];
}

const MOST_CONTRADICTIONS = 30;

export async function prove(input: ProofInput): Promise<Proof> {
  const [legacy, target] = await Promise.all([
    openSnapshot(input.urls.legacy, 'legacy'),
    openSnapshot(input.urls.target, 'target'),
  ]);
  const contradictions: string[] = [];
  const tables: TableProof[] = [];
  try {
    for (const table of SHOP_TABLES) {
      const check = checkLedger(input.ledger.entriesOf(table));
      const compared = await compareTables(legacy.rows(table), target.rows(table), (store, row) => {
        if (store === input.authoritative) check.see(row);
      });
      const expectedRows = input.seeded[table] + input.ledger.growthOf(table);
      const result = check.end();
      tables.push({ table, ...compared, expectedRows, ledgerKeys: result.keys, held: result.held });
      contradictions.push(
        ...compared.examples.map((example) => `${table}: the stores differ: ${example}`),
        ...result.lost.map((line) => `${table}: ${line}`),
        ...checkCount(table, compared, expectedRows, input),
      );
    }
  } finally {
    await Promise.all([legacy.close(), target.close()]);
  }
  const differs = tables.some(({ missing, extra, different }) => missing + extra + different > 0);
  return {
    proved: contradictions.length === 0 && !differs,
    tables,
    rows: tables.reduce((sum, { same }) => sum + same, 0),
    ledgerKeys: tables.reduce((sum, { ledgerKeys }) => sum + ledgerKeys, 0),
    acknowledgedWrites: input.ledger.acknowledged,
    contradictions: contradictions.slice(0, MOST_CONTRADICTIONS),
  };
}

/** Also rows that no traffic touched are counted: a row lost in both stores alike would pass a comparison. */
function checkCount(
  table: ShopTable,
  { legacyRows, targetRows }: TableComparison,
  expected: number,
  { ledger, authoritative }: ProofInput,
): readonly string[] {
  const found = authoritative === 'legacy' ? legacyRows : targetRows;
  // Each write whose commit was not answered may have added or removed a row.
  if (Math.abs(found - expected) <= ledger.doubted) return [];
  return [
    `${table}: ${found} rows in the ${authoritative} store, ${expected} expected from seed and acknowledged writes`,
  ];
}

interface LedgerCheck {
  see(row: TextRow): void;
  end(): { readonly keys: number; readonly held: number; readonly lost: readonly string[] };
}

function checkLedger(entries: ReadonlyMap<string, LedgerEntry>): LedgerCheck {
  const open = new Map(entries);
  const lost: string[] = [];
  let held = 0;
  const judge = (key: string, entry: LedgerEntry, found: string | null) => {
    if (entry.state === found || entry.doubtful.includes(found)) held += 1;
    else if (found === null) lost.push(`an acknowledged write is lost: ${key} is not there`);
    else if (entry.state === null) lost.push(`an acknowledged delete is lost: ${key} is there`);
    else lost.push(`an acknowledged write is lost: ${key} holds another state`);
  };
  return {
    see: ({ key, state }) => {
      const entry = open.get(key);
      if (entry === undefined) return;
      open.delete(key);
      judge(key, entry, state);
    },
    end: () => {
      for (const [key, entry] of open) judge(key, entry, null);
      return { keys: entries.size, held, lost };
    },
  };
}
