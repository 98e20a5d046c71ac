import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ExecuteStatementCommand, RDSDataClient } from '@aws-sdk/client-rds-data';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { adoptPlan, clusterArn } from '../../lib/local/adopt-plan.ts';
import { CHECKOUT, LOCAL_REGION, NODE_FOLDER } from '../../lib/local/checkout.ts';
import { runSql } from '../../lib/local/databases.ts';
import { type LocalEnvironment, startEnvironment } from '../../lib/local/environment.ts';
import { writeState } from '../../lib/local/environment-state.ts';
import { openLifetimeScope } from '../../lib/local/lifetime-scope.ts';
import { freePort } from '../../lib/local/ports.ts';
import { removePostgresFolder } from '../../lib/local/postgres.ts';
import { isAlive, type ProcessIdentity, waitForExit } from '../../lib/local/processes.ts';
import { startServices } from '../../lib/local/services.ts';
import { bringUp, status, takeDown } from '../../lib/local/up.ts';
import { loadPlan } from '../../lib/plan/plan.ts';

const PLAN = `# Kept comment
name: shop
environment: dev
legacy: { driver: pg, urlEnv: ELSEWHERE_LEGACY }
target: { driver: pg, urlEnv: ELSEWHERE_TARGET }
tenants: none
tables:
  orders: { criticalColumns: [amount] }
`;

const root = mkdtempSync(join(tmpdir(), 'crossfade environment '));
const planFile = join(root, 'my plan.yaml');
let environment: LocalEnvironment;

beforeAll(async () => {
  writeFileSync(planFile, PLAN);
  environment = await startEnvironment({
    folder: join(root, 'whole'),
    planFile,
    deploy: false,
    fsync: false,
    scope: openLifetimeScope(),
    prepare: async (stores) => {
      const sql =
        'SET ROLE shop_owner; CREATE TABLE orders (id int PRIMARY KEY, amount numeric); INSERT INTO orders VALUES (1, 9.90)';
      for (const { url } of Object.values(stores)) await runSql(url, sql);
    },
  });
});

afterEach(() => {
  vi.unstubAllEnvs();
});

afterAll(async () => {
  await environment.stop();
  for (const name of ['whole', 'SIGINT', 'SIGTERM', 'SIGKILL']) {
    for (const store of ['legacy', 'target']) removePostgresFolder(join(root, name, store));
  }
  rmSync(root, { recursive: true, force: true });
});

describe('a plan on this machine', () => {
  test('keeps its words and gets local stores with a secret for each role', () => {
    const text = readFileSync(environment.adopted.file, 'utf8');

    expect(text).toContain('# Kept comment');
    expect(environment.plan.tables).toEqual(loadPlan(PLAN, 'plan.yaml').tables);
    expect(environment.plan.legacy).toMatchObject({
      driver: 'rds-data',
      clusterArn: clusterArn('legacy'),
      database: 'shop',
      roles: environment.adopted.secrets.legacy,
    });
    expect(
      new Set([
        ...Object.values(environment.adopted.secrets.legacy),
        ...Object.values(environment.adopted.secrets.target),
      ]).size,
    ).toBe(14);
  });

  test('is reached through the Data API with the secrets of the emulator, each role within its rights', async () => {
    const as = (secretArn: string, sql: string) =>
      clientOf(environment).send(
        new ExecuteStatementCommand({ resourceArn: clusterArn('target'), secretArn, database: 'shop', sql }),
      );
    const { apply, read } = environment.adopted.secrets.target;

    await as(apply, 'UPDATE public.orders SET amount = amount + 0.1');

    expect((await as(read, 'SELECT amount, session_user::text FROM public.orders')).records).toEqual([
      [{ stringValue: '10.00' }, { stringValue: 'crossfade_read' }],
    ]);
    await expect(as(read, 'DELETE FROM public.orders')).rejects.toThrow(/permission denied|read-only transaction/);
    await expect(as(`${read}x`, 'SELECT 1')).rejects.toMatchObject({ name: 'SecretsErrorException' });
  });

  test('feels the faults of a rehearsal until they are healed', async () => {
    const call = () =>
      clientOf(environment).send(
        new ExecuteStatementCommand({
          resourceArn: clusterArn('target'),
          secretArn: environment.adopted.secrets.target.read,
          database: 'shop',
          sql: 'SELECT 1',
        }),
      );

    await environment.setFaults([
      { cluster: clusterArn('target'), secret: 'target/read', error: 'ServiceUnavailableError' },
    ]);
    await expect(call()).rejects.toMatchObject({ name: 'ServiceUnavailableError' });

    await environment.setFaults([]);
    expect((await call()).records).toHaveLength(1);
  });

  test('outlives a target server that is killed and restarted', async () => {
    const call = () =>
      clientOf(environment).send(
        new ExecuteStatementCommand({
          resourceArn: clusterArn('target'),
          secretArn: environment.adopted.secrets.target.read,
          database: 'shop',
          sql: 'SELECT 1',
        }),
      );

    await environment.servers?.target.kill('SIGKILL');
    await expect(call()).rejects.toMatchObject({ name: 'DatabaseUnavailableException' });
    await environment.servers?.target.restart();

    expect((await call()).records).toHaveLength(1);
  });

  test('names a table that a store lacks, and adopting again renews the passwords', async () => {
    const options = {
      planFile,
      folder: join(root, 'again'),
      stores: environment.stores,
      endpoint: environment.endpoint,
      credentials: environment.credentials,
    };
    const other = join(root, 'other.yaml');
    writeFileSync(other, PLAN.replace('orders:', 'sales.invoices:'));

    await expect(adoptPlan({ ...options, planFile: other })).rejects.toThrow(
      'legacy (database shop) has no table sales.invoices; load its schema first (--legacy-sql FILE)',
    );
    expect((await adoptPlan(options)).secrets).toEqual(environment.adopted.secrets);
  });
});

describe('up, status and down', () => {
  test('run on servers and an endpoint of your own, and leave them alone', async () => {
    const folder = join(root, 'own');
    vi.stubEnv('CROSSFADE_LEGACY_URL', environment.stores.legacy.url);
    vi.stubEnv('CROSSFADE_TARGET_URL', environment.stores.target.url);
    vi.stubEnv('AWS_ENDPOINT_URL', environment.endpoint);
    vi.stubEnv('AWS_ACCESS_KEY_ID', environment.credentials.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', environment.credentials.secretAccessKey);
    vi.stubEnv('CROSSFADE_PORT_FRONT', String(await freePort()));

    const up = await bringUp({ folder, sqlFiles: {}, progress: () => {} });
    const pid = up.services.front?.pid;
    const again = await bringUp({ folder, sqlFiles: {}, progress: () => {} });

    expect(up.state).toBe('up');
    expect([up.services.legacy?.pid, up.services.target?.pid, up.services.emulator?.pid]).toEqual([null, null, null]);
    expect(JSON.stringify(up)).not.toContain(new URL(environment.stores.legacy.url).password);
    expect(again.services.front?.pid).toBe(pid);
    expect(await takeDown(folder)).toEqual(['front']);
    expect(status(folder)).toMatchObject({ state: 'down', next: 'npm run local -- up --plan PLAN' });
    expect(await countOrders(environment.stores.legacy.url)).toBe(1);
  });

  test('clean up after a state whose processes are gone', async () => {
    const folder = join(root, 'stale');
    writeState(folder, {
      services: { front: { url: 'http://127.0.0.1:1', process: { pid: process.pid, startedAt: 'long ago' } } },
    });

    expect(status(folder)).toMatchObject({ state: 'broken', next: 'npm run local -- up' });
    expect(await takeDown(folder)).toEqual([]);
    expect(status(folder).state).toBe('down');
  });

  test('refuse a taken port in one line with the variable that changes it, and leave nothing running', async () => {
    const taken = new URL(environment.dataApiUrl).port;
    vi.stubEnv('CROSSFADE_PORT_FRONT', taken);
    const scope = openLifetimeScope();

    await expect(
      startServices({ folder: join(root, 'taken'), ports: 'fixed', lifetime: 'attached', scope, progress: () => {} }),
    ).rejects.toThrow(`port ${taken} (front) is taken; stop what uses it, or set CROSSFADE_PORT_FRONT to another port`);
    await scope.close();
  });
});

describe('a rehearsal in one process', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', null],
  ] as const)('leaves no process behind on %s', async (signal, expected) => {
    const child = spawn(
      join(NODE_FOLDER, 'node'),
      [join(CHECKOUT, 'test/support/hold-environment.ts'), join(root, signal), planFile],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const [line = '[]'] = await Promise.race([lineOf(child.stdout), exit.then(() => [])]);
    const services = JSON.parse(line) as readonly ProcessIdentity[];
    expect(services.length).toBeGreaterThan(6);
    expect(services.filter((service) => !isAlive(service))).toEqual([]);

    child.kill(signal);

    expect(await exit).toBe(expected);
    expect(await waitForExit(services, 15_000)).toBe(true);
  });
});

function clientOf({ dataApiUrl, credentials }: LocalEnvironment): RDSDataClient {
  return new RDSDataClient({ endpoint: dataApiUrl, region: LOCAL_REGION, credentials, maxAttempts: 1 });
}

async function countOrders(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM orders');
  await client.end();
  return rows[0]?.count ?? 0;
}

async function lineOf(stream: NodeJS.ReadableStream): Promise<string[]> {
  for await (const line of createInterface({ input: stream })) return [line];
  return [];
}
