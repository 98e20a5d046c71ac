/** Stores of a plan: the adapter by driver, the role by purpose. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabases, type StoresPlan } from '../../lib/adapters/databases.ts';
import type { DatabaseSecret } from '../../lib/adapters/shared/secrets.ts';
import { runSql } from '../../lib/local/databases.ts';
import { type Databases, SqlError, type SqlRow, type SqlStore } from '../../lib/ports/sql.ts';
import { databaseIn, startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { freshDatabase } from '../support/postgres.ts';

const WHO = { text: `SELECT session_user::text AS who`, values: [] };
const opened: Databases[] = [];
let api: TestDataApi;
let legacyUrl: string;
let targetUrl: string;

beforeAll(async () => {
  [api, legacyUrl, targetUrl] = await Promise.all([
    startTestDataApi(),
    freshDatabase('legacy'),
    freshDatabase('target'),
  ]);
});

afterAll(async () => {
  await Promise.all(opened.map((databases) => databases.close()));
  await api.stop();
});

describe('a pg store', () => {
  test('is reached by the URL of its environment variable', async () => {
    const databases = open({ readSecret: noSecret, environment: { LEGACY_URL: legacyUrl, TARGET_URL: targetUrl } });

    expect(await versionOf(databases.open('legacy', 'compare'))).toMatch(/^15/);
    expect(await versionOf(databases.open('target', 'compare'))).toMatch(/^17/);
  });

  test('is opened once for a role', () => {
    const databases = open({ readSecret: noSecret, environment: {} });

    expect(databases.open('legacy', 'apply')).toBe(databases.open('legacy', 'apply'));
    expect(databases.open('legacy', 'apply')).not.toBe(databases.open('legacy', 'compare'));
  });

  test('takes the user of the role from its secret, and reads a rotated one again', async () => {
    await runSql(legacyUrl, `CREATE ROLE rotating LOGIN PASSWORD 'first'`);
    let password = 'first';
    const databases = open({
      readSecret: async () => ({ username: 'rotating', password }),
      environment: { LEGACY_URL: legacyUrl },
    });
    const store = databases.open('legacy', 'relay');
    const before = await store.query(WHO);
    await runSql(legacyUrl, `ALTER ROLE rotating PASSWORD 'second'`);
    await runSql(legacyUrl, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotating'`);
    password = 'second';

    const refused = await untilRefused(store);
    const after = await store.query(WHO);

    expect([before, after]).toEqual([[{ who: 'rotating' }], [{ who: 'rotating' }]]);
    expect(refused).toMatchObject({ kind: 'configuration' });
  });

  test('may take host, port and database from its secret', async () => {
    const { username, password, hostname, port } = new URL(legacyUrl);
    const secret: DatabaseSecret = {
      username,
      password,
      host: hostname,
      port: Number(port),
      database: databaseIn(legacyUrl),
    };
    const databases = open({ readSecret: async () => secret, environment: {}, url: false });

    expect(await databases.open('legacy', 'relay').query(WHO)).toEqual([{ who: username }]);
  });

  test('without its variable, or with something else in it, is a configuration error that repeats nothing', async () => {
    const missing = open({ readSecret: noSecret, environment: {} });
    const wrong = open({ readSecret: noSecret, environment: { LEGACY_URL: 'hidden-password' } });

    await expect(missing.open('legacy', 'compare').query(WHO)).rejects.toThrow(/LEGACY_URL is not set/);
    await expect(wrong.open('legacy', 'compare').query(WHO)).rejects.toThrow(/^(?!.*hidden).*does not hold a URL/);
  });

  test('with tls: verify-full refuses a server without TLS', async () => {
    const databases = open({ readSecret: noSecret, environment: { LEGACY_URL: legacyUrl }, tls: 'verify-full' });

    await expect(databases.open('legacy', 'compare').query(WHO)).rejects.toMatchObject({ kind: 'configuration' });
  });

  test('whose connection is killed in a transaction is unavailable then, and works again at once', async () => {
    const databases = open({ readSecret: noSecret, environment: { LEGACY_URL: legacyUrl } });
    const store = databases.open('legacy', 'install');

    const attempt = store.transaction(async (session) => {
      const [row] = await session.query<{ pid: number }>({ text: 'SELECT pg_backend_pid() AS pid', values: [] });
      await runSql(legacyUrl, `SELECT pg_terminate_backend(${row?.pid})`);
      return session.query(WHO);
    });

    await expect(attempt).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await store.query(WHO)).toHaveLength(1);
  });
});

describe('a plan', () => {
  test('with one Data API store pages by what the Data API returns', async () => {
    const plan: StoresPlan = {
      legacy: {
        driver: 'rds-data',
        clusterArn: api.clusterArns.legacy,
        secretArn: api.secretArns.legacy,
        database: databaseIn(legacyUrl),
      },
      target: { driver: 'pg', urlEnv: 'TARGET_URL', tls: 'disable' },
    };
    const databases = keep(
      openDatabases(plan, { rdsData: api.client, readSecret: noSecret, environment: { TARGET_URL: targetUrl } }),
    );

    expect(databases.pageBytes).toBe(700_000);
    expect(await versionOf(databases.open('legacy', 'compare'))).toMatch(/^15/);
    expect(await versionOf(databases.open('target', 'compare'))).toMatch(/^17/);
  });

  test('with pg stores only may read larger pages', () => {
    expect(open({ readSecret: noSecret, environment: {} }).pageBytes).toBe(8 * 1024 * 1024);
  });
});

interface Setting {
  readonly readSecret: () => Promise<DatabaseSecret>;
  readonly environment: Readonly<Record<string, string>>;
  readonly url?: boolean;
  readonly tls?: 'verify-full' | 'disable';
}

/** Role `relay` has a secret of its own. */
function open({ readSecret, environment, url = true, tls = 'disable' }: Setting): Databases {
  const roles = { relay: 'arn:aws:secretsmanager:us-east-1:000000000000:secret:relay' };
  const plan: StoresPlan = {
    legacy: { driver: 'pg', ...(url ? { urlEnv: 'LEGACY_URL' } : {}), tls, roles },
    target: { driver: 'pg', urlEnv: 'TARGET_URL', tls, roles },
  };
  return keep(openDatabases(plan, { readSecret, environment }));
}

function keep(databases: Databases): Databases {
  opened.push(databases);
  return databases;
}

async function noSecret(): Promise<never> {
  throw new Error('no secret was expected to be read');
}

async function versionOf(store: SqlStore): Promise<string> {
  const [row] = await store.query<SqlRow>({ text: 'SHOW server_version', values: [] });
  return String(row?.server_version);
}

/** The killed idle connection may be noticed by the query or before it; then the old password is refused. */
async function untilRefused(store: SqlStore): Promise<unknown> {
  for (;;) {
    try {
      await store.query(WHO);
    } catch (error) {
      if (error instanceof SqlError && error.kind === 'configuration') return error;
    }
  }
}
