/**
 * The TPC-B script as pgbench runs it (`tpcb-like`, prepared statements): three updates, one read, one insert a transaction.
 * Two differences: history has a key, because a row without one cannot be migrated, and branches are the tenants.
 */
import type pg from 'pg';

export const TABLES = ['accounts', 'tellers', 'branches', 'history'] as const;

export const TPCB_PLAN = `
name: bench
environment: dev
legacy: { driver: pg, urlEnv: LEGACY, tls: disable }
target: { driver: pg, urlEnv: TARGET, tls: disable }
tenants: { column: bid }
tables: { branches: {}, tellers: {}, accounts: {}, history: {} }
`;

const ACCOUNTS_A_BRANCH = 100_000;
const TELLERS_A_BRANCH = 10;

/** pgbench's own shapes and fill factors; `scale` branches. */
export function tpcbSchema(scale: number): string {
  return `
CREATE TABLE branches (bid int PRIMARY KEY, bbalance int, filler char(88)) WITH (fillfactor = 100);
CREATE TABLE tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84)) WITH (fillfactor = 100);
CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor = 100);
CREATE TABLE history (hid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
INSERT INTO branches SELECT b, 0, '' FROM generate_series(1, ${scale}) AS b;
INSERT INTO tellers SELECT t, (t - 1) / ${TELLERS_A_BRANCH} + 1, 0, '' FROM generate_series(1, ${scale * TELLERS_A_BRANCH}) AS t;
INSERT INTO accounts SELECT a, (a - 1) / ${ACCOUNTS_A_BRANCH} + 1, 0, '' FROM generate_series(1, ${scale * ACCOUNTS_A_BRANCH}) AS a;
VACUUM ANALYZE;`;
}

/** One transaction. Rows are chosen by `random`, a number in [0, 1). */
export async function runTransaction(client: pg.Client, scale: number, random: () => number): Promise<void> {
  const aid = 1 + Math.floor(random() * scale * ACCOUNTS_A_BRANCH);
  const tid = 1 + Math.floor(random() * scale * TELLERS_A_BRANCH);
  const bid = 1 + Math.floor(random() * scale);
  const delta = Math.floor(random() * 10_001) - 5_000;
  const run = ([name, text]: readonly [string, string], values: readonly number[]) =>
    client.query({ name, text, values: [...values] });
  await run(SCRIPT.begin, []);
  await run(SCRIPT.account, [delta, aid]);
  await run(SCRIPT.balance, [aid]);
  await run(SCRIPT.teller, [delta, tid]);
  await run(SCRIPT.branch, [delta, bid]);
  await run(SCRIPT.history, [tid, bid, aid, delta]);
  await run(SCRIPT.end, []);
}

const SCRIPT = {
  begin: ['begin', 'BEGIN'],
  account: ['account', 'UPDATE accounts SET abalance = abalance + $1 WHERE aid = $2'],
  balance: ['balance', 'SELECT abalance FROM accounts WHERE aid = $1'],
  teller: ['teller', 'UPDATE tellers SET tbalance = tbalance + $1 WHERE tid = $2'],
  branch: ['branch', 'UPDATE branches SET bbalance = bbalance + $1 WHERE bid = $2'],
  history: ['history', 'INSERT INTO history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)'],
  end: ['end', 'END'],
} as const satisfies Readonly<Record<string, readonly [string, string]>>;
