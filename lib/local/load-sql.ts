/**
 * Loads a file of SQL statements into a database, as its owner would. There is no psql: its backslash commands and statements
 * about databases are left out, and COPY FROM stdin is refused.
 */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { quoteIdentifier } from '../sql/identifier.ts';

/** @throws {Error} with the file and the line of the statement that failed. */
export async function loadSqlFile(url: string, file: string, owner?: string): Promise<void> {
  const sql = withoutDatabaseCommands(readFileSync(file, 'utf8'));
  if (/^\s*COPY\s[^;]*FROM\s+stdin/im.test(sql)) {
    throw new Error(`${file} holds COPY … FROM stdin, which only psql can load; dump with pg_dump --inserts`);
  }
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    if (owner !== undefined) await client.query(`SET ROLE ${quoteIdentifier(owner)}`);
    await client.query(sql);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const position = Number((error as Error & { position?: string }).position ?? 0);
    const line = position > 0 ? `:${sql.slice(0, position).split('\n').length}` : '';
    throw new Error(`${file}${line} could not be loaded: ${firstLine(error.message)}`);
  } finally {
    await client.end();
  }
}

/** Lines keep their numbers: what is left out becomes an empty line. A comment that speaks of databases has no semicolon. */
export function withoutDatabaseCommands(sql: string): string {
  return sql.replace(/^\\.*$/gm, '').replace(/^[ \t]*(?:CREATE|DROP|ALTER)[ \t]+DATABASE\b[^;\n]*;[ \t]*$/gim, '');
}

/** A message may repeat the file from where it could not be read. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.slice(0, 200) ?? '';
}
