/** A `pg` store of the plan as one role sees it: its address, its credentials and its TLS, found out at the first query. */

import type { PgStore } from '../../plan/stores.ts';
import type { Purpose, SqlSession, SqlStore } from '../../ports/sql.ts';
import { SqlError } from '../../ports/sql.ts';
import type { ReadSecret } from '../shared/secrets.ts';
import { createPgStore, type PgOptions } from './sql-store.ts';
import { tlsOptions } from './tls.ts';

export interface PgConnection {
  readonly store: Readonly<PgStore>;
  readonly purpose: Purpose;
  readonly secretArn: string | undefined;
  readonly readSecret: ReadSecret;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly proxyHost?: string | undefined;
  /** Folder of the deployed bundle; needed for `caBundle` only. */
  readonly bundle?: URL | undefined;
}

/** Long statements belong to these; the others answer within a live write or read. */
const LONG_PURPOSES: ReadonlySet<Purpose> = new Set(['install', 'backfill', 'compare', 'fence']);
const LONG_TIMEOUT_MS = 14 * 60_000;
const SHORT_TIMEOUT_MS = 60_000;

export function connectPg(connection: PgConnection): SqlStore {
  let opened: Promise<SqlStore> | undefined;
  const use = async <T>(run: (store: SqlStore) => Promise<T>): Promise<T> => {
    opened ??= optionsOf(connection).then(createPgStore);
    const current = opened;
    try {
      return await run(await current);
    } catch (error) {
      // A rotated secret is read again by the next call; so is one that could not be read.
      if (error instanceof SqlError && error.kind === 'configuration' && opened === current) {
        opened = undefined;
        current.then((store) => store.close()).catch(() => undefined);
      }
      throw error;
    }
  };
  return {
    query: <Row>(statement: Parameters<SqlSession['query']>[0]) => use((store) => store.query<Row>(statement)),
    transaction: (work, options) => use((store) => store.transaction(work, options)),
    close: async () => {
      const store = await opened?.catch(() => undefined);
      await store?.close();
    },
  };
}

async function optionsOf({
  store,
  purpose,
  secretArn,
  readSecret,
  environment,
  proxyHost,
  bundle,
}: PgConnection): Promise<PgOptions> {
  const common = {
    ssl: tlsOptions(store, bundle),
    queryTimeoutMs: LONG_PURPOSES.has(purpose) ? LONG_TIMEOUT_MS : SHORT_TIMEOUT_MS,
  };
  const secret = secretArn === undefined ? undefined : await readSecret(secretArn);
  const url = store.urlEnv === undefined ? undefined : readUrl(store.urlEnv, environment);
  const reader = purpose === 'read' ? store.reader : undefined;
  if (url !== undefined) {
    if (reader !== undefined) url.hostname = reader;
    if (secret !== undefined) {
      url.username = encodeURIComponent(secret.username);
      url.password = encodeURIComponent(secret.password);
    }
    return { ...common, connectionString: url.toString() };
  }
  const host = reader ?? proxyHost ?? store.host ?? secret?.host;
  if (secret === undefined || host === undefined) {
    throw new SqlError(
      `a pg store needs urlEnv, or a secretArn and a host; role ${purpose} has ${secret === undefined ? 'no secret' : 'no host'}`,
      {
        kind: 'configuration',
      },
    );
  }
  return {
    ...common,
    host,
    port: store.port ?? secret.port,
    database: store.database ?? secret.database,
    user: secret.username,
    password: secret.password,
  };
}

function readUrl(name: string, environment: PgConnection['environment']): URL {
  const text = environment[name];
  if (text === undefined || text === '') {
    throw new SqlError(`environment variable ${name} is not set; the plan says that it holds the store's URL`, {
      kind: 'configuration',
    });
  }
  // URL.parse: the message of `new URL` would repeat the password.
  const url = URL.parse(text);
  if (url === null)
    throw new SqlError(`environment variable ${name} does not hold a URL (postgresql://…)`, { kind: 'configuration' });
  return url;
}
