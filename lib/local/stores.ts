/** The two databases of a rehearsal: on servers that Crossfade starts, or on the caller's own. */
import pg from 'pg';
import type { StoreName } from '../domain/direction.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { createDatabase, databaseUrl } from './databases.ts';

/** Variables that name the caller's own servers; both or neither. */
export const URL_VARIABLES: Readonly<Record<StoreName, string>> = {
  legacy: 'CROSSFADE_LEGACY_URL',
  target: 'CROSSFADE_TARGET_URL',
};

export interface LocalStore {
  /** Of somebody who may create roles there; holds a password. */
  readonly url: string;
  readonly database: string;
  /** Whether the server is the caller's own: Crossfade creates no database there and never stops it. */
  readonly own: boolean;
}

/** The caller's servers, undefined when neither variable is set. @throws {Error} when only one is, or one is no URL with a database. */
export function ownStores(
  environment: NodeJS.ProcessEnv = process.env,
): Readonly<Record<StoreName, LocalStore>> | undefined {
  const { legacy, target } = URL_VARIABLES;
  if (!environment[legacy] && !environment[target]) return undefined;
  const parse = (variable: string): LocalStore => {
    const url = environment[variable];
    if (!url) throw new Error(`${variable} is not set; set both ${legacy} and ${target}, or neither`);
    const database = URL.canParse(url) ? decodeURIComponent(new URL(url).pathname.slice(1)) : '';
    if (!/^postgres(ql)?:/.test(url) || database === '')
      throw new Error(`${variable} is no URL of a database; expected postgresql://user:password@host:5432/database`);
    return { url, database, own: true };
  };
  return { legacy: parse(legacy), target: parse(target) };
}

/** Name of the role that owns a database on a server that Crossfade started. */
export function ownerRole(database: string): string {
  return `${database}_owner`.slice(0, 63);
}

/** A database and its owner on a server that Crossfade started; what is already there stays. Returns whether it is new. */
export async function ensureDatabase(
  serverUrl: string,
  database: string,
): Promise<{ readonly store: LocalStore; readonly created: boolean }> {
  const store = { url: databaseUrl(serverUrl, database), database, own: false };
  const known = await queryRows(serverUrl, 'SELECT 1 FROM pg_database WHERE datname = $1', [database]);
  if (known.length > 0) return { store, created: false };
  const owner = ownerRole(database);
  if ((await queryRows(serverUrl, 'SELECT 1 FROM pg_roles WHERE rolname = $1', [owner])).length === 0) {
    await queryRows(serverUrl, `CREATE ROLE ${quoteIdentifier(owner)} NOLOGIN`);
  }
  await createDatabase(serverUrl, database);
  await queryRows(serverUrl, `ALTER DATABASE ${quoteIdentifier(database)} OWNER TO ${quoteIdentifier(owner)}`);
  return { store, created: true };
}

export async function queryRows<Row extends object>(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}
