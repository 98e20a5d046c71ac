/** One connection of the shop's application: carries out one intent after the other, follows the authority, and keeps the ledger. */
import pg from 'pg';
import type { StoreName } from '../../domain/direction.ts';
import { PINNED_SESSION } from '../shop-tables.ts';
import type { Authority } from './authority.ts';
import { DIALECTS } from './dialect.ts';
import { drawIntent, type Intent, type OwnRows } from './intents.ts';
import type { Ledger, RowWrite } from './ledger.ts';
import type { Random } from './random.ts';

export interface WriteWorkerOptions {
  readonly own: OwnRows;
  readonly random: Random;
  /** URLs of the application's role. */
  readonly urls: Readonly<Record<StoreName, string>>;
  readonly authority: Authority;
  readonly ledger: Ledger;
  readonly observer: WriteObserver;
  readonly sleep: (ms: number) => Promise<void>;
}

export interface WriteObserver {
  acknowledged(store: StoreName, writes: number, statements: number): void;
  refused(store: StoreName): void;
  /** Rolled back by the store and worth another try: deadlocks, lost connections. */
  retried(reason: string): void;
  /** What an application must never see. */
  failed(intent: string, error: unknown): void;
}

export interface WriteWorker {
  /** Draws one intent and carries it out; resolves when it is acknowledged or given up. */
  step(): Promise<void>;
  close(): Promise<void>;
}

/** `read_only_sql_transaction`: what the fence raises. */
const FENCED = '25006';
const RETRIED = new Set(['40001', '40P01', '55P03']);
/** Class 08, and a server that shuts down or starts. */
const CONNECTION_LOST = /^(08|57P0)/;
const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT_MS = 200;
/** An intent is tried this often before it counts as failed; a switchover takes some hundred tries of 25 ms. */
const MOST_TRIES = 4_000;

export function createWriteWorker(options: WriteWorkerOptions): WriteWorker {
  const { own, random, urls, authority, ledger, observer, sleep } = options;
  let session: { readonly store: StoreName; readonly client: pg.Client } | undefined;

  const disconnect = async () => {
    const ending = session?.client;
    session = undefined;
    await ending?.end().catch(() => {});
  };
  const connect = async (store: StoreName): Promise<pg.Client> => {
    if (session !== undefined && session.store === store) return session.client;
    await disconnect();
    const client = new pg.Client({
      connectionString: urls[store],
      application_name: 'shop',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    // A connection that dies between two statements is noticed by the next one.
    client.on('error', () => {});
    await client.connect();
    await client.query(PINNED_SESSION);
    session = { store, client };
    return client;
  };

  const attempt = async (intent: Intent, store: StoreName): Promise<void> => {
    const client = await connect(store);
    let statements = 0;
    let committing: readonly RowWrite[] | undefined;
    try {
      await client.query('BEGIN');
      const done = await intent.run({
        ...DIALECTS[store],
        query: async (text, values) => {
          statements += 1;
          return (await client.query<Record<string, string>>(text, [...values])).rows;
        },
      });
      committing = done.writes;
      await client.query('COMMIT');
      ledger.acknowledge(done.writes);
      done.acknowledged?.();
      observer.acknowledged(store, done.writes.length, statements);
    } catch (error) {
      if (isConnectionLost(error)) {
        if (committing !== undefined) ledger.doubt(committing);
        await disconnect();
      } else {
        await client.query('ROLLBACK').catch(disconnect);
      }
      throw error;
    }
  };

  return {
    step: async () => {
      const intent = drawIntent(random, own);
      for (let tries = 0; tries < MOST_TRIES; tries += 1) {
        const { store } = authority;
        try {
          await attempt(intent, store);
          return;
        } catch (error) {
          const code = codeOf(error);
          if (code === FENCED) {
            observer.refused(store);
            await authority.refused(store);
          } else if (RETRIED.has(code)) {
            observer.retried(code);
          } else if (isConnectionLost(error)) {
            observer.retried('connection lost');
            await sleep(RECONNECT_MS);
            // Whether it was done is not known, and doing it twice is not what was meant.
            return;
          } else {
            observer.failed(intent.name, error);
            return;
          }
        }
      }
      observer.failed(intent.name, new Error(`not acknowledged in ${MOST_TRIES} tries`));
    },
    close: disconnect,
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  if (CONNECTION_LOST.test(code) || code.startsWith('ECONN') || code === 'EPIPE') return true;
  return (
    error instanceof Error &&
    /^(Connection terminated|timeout expired|Client has encountered a connection error)/.test(error.message)
  );
}
