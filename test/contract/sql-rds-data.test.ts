import { RDSDataClient } from '@aws-sdk/client-rds-data';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createRdsDataStore } from '../../lib/adapters/rds-data/sql-store.ts';
import { STORES } from '../../lib/domain/direction.ts';
import { credentialsIn, databaseIn, startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { freshDatabase, testServers } from '../support/postgres.ts';
import { describeSqlStore } from './sql.contract.ts';

let api: TestDataApi;
const unreachableClient = new RDSDataClient({
  endpoint: 'http://127.0.0.1:1',
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  maxAttempts: 1,
});

beforeAll(async () => {
  api = await startTestDataApi();
});

afterAll(async () => {
  unreachableClient.destroy();
  await api.stop();
});

for (const name of STORES) {
  describeSqlStore(`the RDS Data API, ${name}`, async () => {
    const database = databaseIn(await freshDatabase(name));
    const { username } = credentialsIn(testServers()[name]);
    const clock = createVirtualClock({ autoAdvance: true });
    const common = {
      client: api.client,
      clock,
      clusterArn: api.clusterArns[name],
      secretArn: api.secretArns[name],
      database,
    };
    return {
      store: createRdsDataStore(common),
      wrongSecret: createRdsDataStore({
        ...common,
        secretArn: api.addSecret(`wrong-${name}`, { username, password: 'wrong-password' }),
      }),
      unreachable: createRdsDataStore({ ...common, client: unreachableClient }),
    };
  });
}

describe('SqlStore over the RDS Data API only', () => {
  test('a database that resumes is waited for, 1 s to 30 s, eight times', async () => {
    const { store, clock } = await openResuming('ExecuteStatementCommand');

    const error = await store.query({ text: 'SELECT 1', values: [] }).catch((caught: unknown) => caught);

    expect(error).toMatchObject({ kind: 'unavailable' });
    expect(clock.now().getTime() - START.getTime()).toBe((1 + 2 + 4 + 8 + 16 + 30 + 30) * 1000);
  });

  test('a transaction begins when the database has resumed', async () => {
    const { store } = await openResuming('BeginTransactionCommand', 3);

    expect(await store.transaction((session) => session.query({ text: 'SELECT 1 AS one', values: [] }))).toEqual([
      { one: 1 },
    ]);
  });

  test('a result over 1 MiB and a row over 64 KB are the kind that asks for less', async () => {
    const store = await openLegacy();

    await expect(
      store.query({ text: `SELECT repeat('x', 1000) AS x FROM generate_series(1, 1200)`, values: [] }),
    ).rejects.toMatchObject({ kind: 'limit' });
    await expect(store.query({ text: `SELECT repeat('x', 70000) AS x`, values: [] })).rejects.toMatchObject({
      kind: 'limit',
    });
  });

  test('a statement over the limit of the request is the kind that asks for less', async () => {
    const store = await openLegacy();

    await expect(
      store.query({ text: 'SELECT length($1::text) AS n', values: ['x'.repeat(4_300_000)] }),
    ).rejects.toMatchObject({ kind: 'limit' });
  });

  test.each([
    ['ServiceUnavailableError', 'unavailable'],
    ['DatabaseUnavailableException', 'unavailable'],
    ['InternalServerErrorException', 'transient'],
    ['StatementTimeoutException', 'transient'],
    ['TransactionNotFoundException', 'transient'],
    ['ForbiddenException', 'configuration'],
    ['AccessDeniedException', 'configuration'],
    ['HttpEndpointNotEnabledException', 'configuration'],
    ['InvalidSecretException', 'configuration'],
    ['SecretsErrorException', 'configuration'],
    ['DatabaseNotFoundException', 'configuration'],
  ] as const)('%s is %s', async (name, kind) => {
    const store = await openLegacy();
    api.front.faults.set([{ matching: 'SELECT 7', error: name }]);

    const error = await store.query({ text: 'SELECT 7', values: [] }).catch((caught: unknown) => caught);
    api.front.faults.set([]);

    expect(error).toMatchObject({ kind });
  });

  test('a commit whose answer is lost is transient, because it may have happened', async () => {
    const store = await openLegacy({
      refuse: (name, attempt) =>
        name === 'CommitTransactionCommand' && attempt === 1 ? 'ServiceUnavailableError' : undefined,
    });

    await expect(store.transaction((session) => session.query({ text: 'SELECT 1', values: [] }))).rejects.toMatchObject(
      {
        kind: 'transient',
        message: expect.stringContaining('outcome of a COMMIT is unknown'),
      },
    );
  });
});

const START = new Date('2026-01-05T12:00:00.000Z');

async function openResuming(command: string, until = Number.POSITIVE_INFINITY) {
  const clock = createVirtualClock({ start: START, autoAdvance: true });
  const store = await openLegacy({
    clock,
    refuse: (name, attempt) => (name === command && attempt < until ? 'DatabaseResumingException' : undefined),
  });
  return { store, clock };
}

interface Refusals {
  readonly clock?: ReturnType<typeof createVirtualClock>;
  /** Name of the error that the n-th call of a command gets instead of being sent. */
  readonly refuse?: (command: string, attempt: number) => string | undefined;
}

async function openLegacy({
  clock = createVirtualClock({ autoAdvance: true }),
  refuse = () => undefined,
}: Refusals = {}) {
  const attempts = new Map<string, number>();
  const client = new RDSDataClient({
    endpoint: api.front.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });
  client.middlewareStack.add(
    (next, context) => (args) => {
      const command = context.commandName ?? '';
      attempts.set(command, (attempts.get(command) ?? 0) + 1);
      const name = refuse(command, attempts.get(command) ?? 0);
      if (name !== undefined)
        throw Object.assign(new Error('refused by the test'), {
          name,
          $metadata: { httpStatusCode: name === 'DatabaseResumingException' ? 400 : 503 },
        });
      return next(args);
    },
    { step: 'initialize' },
  );
  return createRdsDataStore({
    client,
    clock,
    clusterArn: api.clusterArns.legacy,
    secretArn: api.secretArns.legacy,
    database: databaseIn(await freshDatabase('legacy')),
  });
}
