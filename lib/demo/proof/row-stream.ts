/** Rows of one table of one store as two texts, in the order of the key's bytes, read under one snapshot in pages. */
import pg from 'pg';
import type { StoreName } from '../../domain/direction.ts';
import { quoteIdentifier } from '../../sql/identifier.ts';
import { keyText, PINNED_SESSION, type ShopTable, stateText } from '../shop-tables.ts';

export interface TextRow {
  readonly key: string;
  readonly state: string;
}

export interface Snapshot {
  rows(table: ShopTable): AsyncGenerator<TextRow, void, void>;
  close(): Promise<void>;
}

const PAGE_ROWS = 5_000;

/** All tables are read as of one moment. */
export async function openSnapshot(url: string, store: StoreName): Promise<Snapshot> {
  const client = new pg.Client({ connectionString: url, application_name: 'crossfade-demo-proof' });
  await client.connect();
  await client.query(PINNED_SESSION);
  await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
  return {
    rows: (table) => readRows(client, table, store),
    close: () => client.end(),
  };
}

async function* readRows(client: pg.Client, table: ShopTable, store: StoreName): AsyncGenerator<TextRow, void, void> {
  const cursor = quoteIdentifier(`proof_${table}`);
  await client.query(
    `DECLARE ${cursor} NO SCROLL CURSOR FOR SELECT key, state FROM (SELECT ${keyText(table)} AS key, ${stateText(table, store)} AS state FROM ${quoteIdentifier(table)}) AS texts ORDER BY key COLLATE "C"`,
  );
  for (;;) {
    const { rows } = await client.query<TextRow>(`FETCH ${PAGE_ROWS} FROM ${cursor}`);
    yield* rows;
    if (rows.length < PAGE_ROWS) break;
  }
  await client.query(`CLOSE ${cursor}`);
}
