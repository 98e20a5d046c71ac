import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { createDatabase, databaseUrl, dropDatabase, runSql } from '../../lib/local/databases.ts';
import {
  type PostgresOptions,
  type PostgresServer,
  removePostgresFolder,
  startPostgres,
} from '../../lib/local/postgres.ts';
import { dataFolderFor } from '../../lib/local/postgres-programs.ts';
import { isAlive } from '../../lib/local/processes.ts';
import { freshDatabase, testServers } from '../support/postgres.ts';

const root = mkdtempSync(join(tmpdir(), 'crossfade local '));
const started: PostgresServer[] = [];

afterAll(async () => {
  await Promise.all(started.map((server) => server.stop()));
  for (const name of ['ours', 'busy', 'stale', 'spare']) removePostgresFolder(join(root, name));
  rmSync(root, { recursive: true, force: true });
});

test('the two servers of a run are of different majors and accept only a password', async () => {
  const { legacy, target } = testServers();

  expect(await ask(legacy, 'SHOW server_version')).toMatch(/^15\./);
  expect(await ask(target, 'SHOW server_version')).toMatch(/^17\./);

  const wrong = new URL(legacy);
  wrong.password = 'guess';
  await expect(ask(wrong.toString(), 'SELECT 1')).rejects.toThrow(/password authentication failed/);
});

test('a server listens on the loopback address only and on no Unix socket', async () => {
  const { target } = testServers();

  expect(await ask(target, 'SHOW listen_addresses')).toBe('127.0.0.1');
  expect(await ask(target, 'SHOW unix_socket_directories')).toBe('');
});

test('text sorts by language unless COLLATE "C" is asked for, as in production', async () => {
  const url = await freshDatabase('legacy');

  const languageOrder = await ask(
    url,
    `SELECT string_agg(v, '' ORDER BY v) FROM (VALUES ('b'), ('A'), ('a'), ('B')) AS t(v)`,
  );
  const byteOrder = await ask(
    url,
    `SELECT string_agg(v, '' ORDER BY v COLLATE "C") FROM (VALUES ('b'), ('A'), ('a'), ('B')) AS t(v)`,
  );

  expect([languageOrder, byteOrder]).toEqual(['aAbB', 'ABab']);
});

test('a killed server comes back with what was committed, on the same port', async () => {
  const server = await launch({ major: 15, folder: join(root, 'ours') });
  await runSql(server.url, 'CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)');
  const before = server.identity();

  await server.kill('SIGKILL');
  await expect(ask(server.url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
  await server.restart();

  expect(await ask(server.url, 'SELECT id FROM kept')).toBe(7);
  expect(isAlive(before)).toBe(false);
  expect(isAlive(server.identity())).toBe(true);
});

test('a stopped server leaves no process, and the next start in its folder is clean', async () => {
  const options = { major: 17, folder: join(root, 'spare') } as const;
  const first = await launch(options);
  await runSql(first.url, 'CREATE TABLE leftover ()');

  await first.stop();
  const second = await launch(options);

  expect(isAlive(first.identity())).toBe(false);
  expect(await ask(second.url, `SELECT count(*)::int FROM pg_tables WHERE tablename = 'leftover'`)).toBe(0);
});

test('a stale postmaster.pid is cleaned away', async () => {
  const folder = join(root, 'stale');
  const first = await launch({ major: 15, folder });
  await first.kill('SIGKILL');
  writeFileSync(join(dataFolderFor(folder), 'data/postmaster.pid'), `${process.pid}\n/somewhere/else\n`);

  const second = await launch({ major: 17, folder });

  expect(await ask(second.url, 'SHOW server_version')).toMatch(/^17\./);
});

test('a folder in use and a taken port are refused in one line that names them', async () => {
  const server = await launch({ major: 17, folder: join(root, 'busy') });
  await expect(launch({ major: 17, folder: join(root, 'busy') })).rejects.toThrow(
    new RegExp(`\\(pid ${server.identity().pid}\\) is running in .*; run npm run local -- down`),
  );

  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
  const address = blocker.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  await expect(launch({ major: 17, folder: join(root, 'spare2'), port })).rejects.toThrow(`port ${port} is taken`);
  await new Promise((resolve) => blocker.close(resolve));
});

test('databases are created from a template and dropped with their sessions', async () => {
  const { legacy } = testServers();
  const template = await freshDatabase('legacy');
  await runSql(template, 'CREATE TABLE shape (id int)');

  const copy = await createDatabase(legacy, 'copy "of" template', new URL(template).pathname.slice(1));
  expect(await ask(copy, 'SELECT count(*)::int FROM shape')).toBe(0);
  await dropDatabase(legacy, 'copy "of" template');

  await expect(ask(databaseUrl(legacy, 'copy "of" template'), 'SELECT 1')).rejects.toThrow(/does not exist/);
});

async function launch(options: PostgresOptions): Promise<PostgresServer> {
  const server = await startPostgres({ ...options, fsync: options.folder.endsWith('ours') });
  started.push(server);
  return server;
}

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query({ text: sql, rowMode: 'array' });
    return result.rows[0]?.[0];
  } finally {
    await client.end();
  }
}
