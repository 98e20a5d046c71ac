/** Databases of a server that Crossfade may administer (rehearsals and tests only). */
import pg from 'pg';
import { quoteIdentifier } from '../sql/identifier.ts';

/** Creates `name`, from `template` when given, and returns its URL. */
export async function createDatabase(url: string, name: string, template?: string): Promise<string> {
  const from = template === undefined ? '' : ` TEMPLATE ${quoteIdentifier(template)}`;
  await runSql(url, `CREATE DATABASE ${quoteIdentifier(name)}${from}`);
  return databaseUrl(url, name);
}

/** Ends the sessions of `name` and removes it. */
export async function dropDatabase(url: string, name: string): Promise<void> {
  await runSql(url, `DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`);
}

/** Runs one SQL text, which may hold several statements, in a session of its own. */
export async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** `url` with another database. */
export function databaseUrl(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.toString();
}
