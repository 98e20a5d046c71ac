import {
  BatchExecuteStatementCommand,
  BeginTransactionCommand,
  CommitTransactionCommand,
  ExecuteStatementCommand,
  type ExecuteStatementCommandInput,
  RDSDataClient,
  RollbackTransactionCommand,
  type SqlParameter,
} from '@aws-sdk/client-rds-data';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDataApi } from '../../lib/local/data-api/server.ts';
import { runSql } from '../../lib/local/databases.ts';
import { freePort } from '../../lib/local/ports.ts';
import { credentialsIn, databaseIn, startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { freshDatabase } from '../support/postgres.ts';

const KIBIBYTE = 1024;
let api: TestDataApi;
let database: string;
let url: string;
let time = 0;

beforeAll(async () => {
  url = await freshDatabase('target');
  database = databaseIn(url);
  await runSql(
    url,
    `CREATE TABLE parents (id int PRIMARY KEY, code text UNIQUE);
     CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents);
     CREATE TYPE mood AS ENUM ('calm')`,
  );
  api = await startTestDataApi({ limits: { statementMs: 1_500 }, now: () => time });
});

afterAll(() => api.stop());

describe('values', () => {
  test('come back by their types, with every digit', async () => {
    const { records } = await execute(
      `SELECT 1::int2, 2::int4, 3::int8, 1.5::float8, true, NULL::int, 3.10::numeric, 'x'::text, '\\x00ff'::bytea, '{"a": 1}'::jsonb,
              '7d444840-9dc0-11d1-b245-5ffdce74fad2'::uuid, date '2024-02-29', timestamp '2024-01-02 03:04:05.678', 'NaN'::float8`,
    );

    expect(records?.[0]).toEqual([
      { longValue: 1 },
      { longValue: 2 },
      { longValue: 3 },
      { doubleValue: 1.5 },
      { booleanValue: true },
      { isNull: true },
      { stringValue: '3.10' },
      { stringValue: 'x' },
      { blobValue: new Uint8Array([0, 255]) },
      { stringValue: '{"a": 1}' },
      { stringValue: '7d444840-9dc0-11d1-b245-5ffdce74fad2' },
      { stringValue: '2024-02-29' },
      { stringValue: '2024-01-02 03:04:05.678' },
      { doubleValue: Number.NaN },
    ]);
  });

  test('larger than a double arrive whole when longs are asked for as strings', async () => {
    const { records } = await execute('SELECT 9223372036854775807::int8, 10::numeric, 2.5::numeric', [], {
      resultSetOptions: { longReturnType: 'STRING', decimalReturnType: 'DOUBLE_OR_LONG' },
    });

    expect(records?.[0]).toEqual([{ stringValue: '9223372036854775807' }, { longValue: 10 }, { doubleValue: 2.5 }]);
  });

  test('of timestamptz are printed in UTC without an offset, whatever the time zone of the session', async () => {
    const transactionId = await begin();
    await execute("SET LOCAL TimeZone = 'Asia/Kolkata'", [], { transactionId });

    const { records } = await execute("SELECT timestamptz '2024-03-01 01:00:00.25+05:30'", [], { transactionId });

    await rollback(transactionId);
    expect(records?.[0]).toEqual([{ stringValue: '2024-02-29 19:30:00.25' }]);
  });

  test('in simple arrays come as arrays', async () => {
    const { records } = await execute(
      "SELECT ARRAY[1,2], ARRAY['a','b,\"c'], ARRAY[true,false], ARRAY[0.5::float8], ARRAY[1.10::numeric], '{}'::text[]",
    );

    expect(records?.[0]).toEqual([
      { arrayValue: { longValues: [1, 2] } },
      { arrayValue: { stringValues: ['a', 'b,"c'] } },
      { arrayValue: { booleanValues: [true, false] } },
      { arrayValue: { doubleValues: [0.5] } },
      { arrayValue: { stringValues: ['1.10'] } },
      { arrayValue: { stringValues: [] } },
    ]);
  });

  test.each([
    ["SELECT 'calm'::mood", /unsupported data type/],
    ["SELECT '(1,2)'::point", /unsupported data type point/],
    ['SELECT 1::money', /unsupported data type money/],
    ['SELECT ROW(1, 2)', /unsupported data type record/],
    ["SELECT '[1,2]'::int4range", /unsupported data type/],
    ['SELECT ARRAY[[1,2],[3,4]]', /multidimensional array/],
    ['SELECT ARRAY[1,NULL]', /array with a NULL element/],
  ])('that Aurora cannot return are refused: %s', async (sql, message) => {
    await expectError(execute(sql), 'UnsupportedResultException', message);
  });

  test('sent as parameters keep their types', async () => {
    const { records } = await execute(
      `SELECT pg_typeof(:text)::text, pg_typeof(:long)::text, pg_typeof(:double)::text, pg_typeof(:bool)::text, pg_typeof(:blob)::text,
              pg_typeof(:uuid)::text, pg_typeof(:decimal)::text, pg_typeof(:date)::text, :blob::bytea = '\\x0102'::bytea, :null::int IS NULL,
              :text || :text, :ids::uuid[] IS NOT NULL, ':text'`,
      [
        { name: 'text', value: { stringValue: "it's" } },
        { name: 'long', value: { longValue: 5 } },
        { name: 'double', value: { doubleValue: 0.1 } },
        { name: 'bool', value: { booleanValue: false } },
        { name: 'blob', value: { blobValue: new Uint8Array([1, 2]) } },
        { name: 'uuid', value: { stringValue: '7d444840-9dc0-11d1-b245-5ffdce74fad2' }, typeHint: 'UUID' },
        { name: 'decimal', value: { stringValue: '1.23' }, typeHint: 'DECIMAL' },
        { name: 'date', value: { stringValue: '2024-02-29' }, typeHint: 'DATE' },
        { name: 'null', value: { isNull: true } },
        { name: 'ids', value: { stringValue: '{7d444840-9dc0-11d1-b245-5ffdce74fad2}' } },
      ],
    );

    expect(records?.[0]?.map((field) => field.stringValue ?? field.booleanValue)).toEqual([
      'text',
      'bigint',
      'double precision',
      'boolean',
      'bytea',
      'uuid',
      'numeric',
      'date',
      true,
      true,
      "it'sit's",
      true,
      ':text',
    ]);
  });

  test('without the cast that Aurora demands fail here too', async () => {
    await expectError(
      execute('SELECT 1 WHERE gen_random_uuid() = :id', [
        { name: 'id', value: { stringValue: '7d444840-9dc0-11d1-b245-5ffdce74fad2' } },
      ]),
      'DatabaseErrorException',
      /^ERROR: operator does not exist: uuid = text; Position: 34; SQLState: 42883$/,
    );
  });

  test('are described, or formatted as JSON, on request', async () => {
    const described = await execute('SELECT 1::int8 AS a, now() AS b', [], { includeResultMetadata: true });
    const formatted = await execute("SELECT 1 AS a, NULL AS b, 'x' AS c, ARRAY[1] AS d", [], {
      formatRecordsAs: 'JSON',
    });

    expect(described.columnMetadata?.map(({ name, label, typeName }) => [name, label, typeName])).toEqual([
      ['a', 'a', 'int8'],
      ['b', 'b', 'timestamptz'],
    ]);
    expect(JSON.parse(formatted.formattedRecords ?? '')).toEqual([{ a: 1, b: null, c: 'x', d: [1] }]);
    expect(formatted.records).toBeUndefined();
  });

  test('written are counted, with and without RETURNING', async () => {
    const inserted = await execute("INSERT INTO parents SELECT n, 'counted ' || n FROM generate_series(101, 103) AS n");
    const returned = await execute('UPDATE parents SET code = code WHERE id > 101 AND id < 110 RETURNING id');
    const created = await execute('CREATE TABLE IF NOT EXISTS made ()');

    expect([inserted.numberOfRecordsUpdated, inserted.records, inserted.generatedFields]).toEqual([3, undefined, []]);
    expect([returned.numberOfRecordsUpdated, returned.records?.length]).toEqual([2, 2]);
    expect(created.numberOfRecordsUpdated).toBe(0);
  });
});

describe('limits', () => {
  test('a row of more than 64 KiB is refused', async () => {
    await execute(`SELECT repeat('x', ${64 * KIBIBYTE})`);

    await expectError(
      execute(`SELECT repeat('x', ${64 * KIBIBYTE}), 1`),
      'UnsupportedResultException',
      /Packet for query is too large: a row of 65537 bytes/,
    );
  });

  test('a response of more than 1 MiB is refused, counted as JSON', async () => {
    const rows = (count: number) => `SELECT repeat('x', ${10 * KIBIBYTE}) FROM generate_series(1, ${count})`;
    expect((await execute(rows(100))).records).toHaveLength(100);

    await expectError(execute(rows(103)), 'UnsupportedResultException', /Database response exceeded size limit/);
    await expectError(
      execute('SELECT 1 FROM generate_series(1, 80000)'),
      'UnsupportedResultException',
      /Database response exceeded size limit/,
    );
  });

  test('a request of more than 4 MiB is refused', async () => {
    const send = (size: number) =>
      execute('SELECT length(:text)', [{ name: 'text', value: { stringValue: 'x'.repeat(size) } }]);
    expect((await send(4 * KIBIBYTE * KIBIBYTE - 4 * KIBIBYTE)).records?.[0]?.[0]?.longValue).toBe(
      4 * KIBIBYTE * KIBIBYTE - 4 * KIBIBYTE,
    );

    await expectError(send(4 * KIBIBYTE * KIBIBYTE), 'BadRequestException', /exceeds the limit of 4194304 bytes/);
  });

  test('a statement text of more than 65536 characters is refused', async () => {
    await expectError(
      execute(`SELECT 1 -- ${'x'.repeat(65_536)}`),
      'ValidationException',
      /'sql' .* less than or equal to 65536/,
    );
  });

  test('arrays as parameters are refused', async () => {
    const array = { name: 'a', value: { arrayValue: { longValues: [1] } } };

    await expectError(execute('SELECT :a', [array]), 'BadRequestException', /Array parameters are not supported/);
  });

  test('several statements in one call are refused', async () => {
    await expectError(execute('SELECT 1; SELECT 2'), 'ValidationException', /Multistatements aren't supported/);
    await expectError(
      execute('SELECT :a; SELECT 2', [long('a', 1)]),
      'ValidationException',
      /Multistatements aren't supported/,
    );

    expect((await execute("SELECT ';' ;  ")).records).toEqual([[{ stringValue: ';' }]]);
  });

  test('a statement over its time is cancelled, and says which backend it was', async () => {
    const error = await expectError(
      execute("SELECT pg_sleep(30), 'cancel me'"),
      'StatementTimeoutException',
      /Request timed out/,
    );

    expect((error as { dbConnectionId?: number }).dbConnectionId).toBeGreaterThan(0);
    const { records } = await execute(
      "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cancel me%' AND state = 'active' AND pid <> pg_backend_pid()",
    );
    expect(records).toEqual([[{ longValue: 0 }]]);
  });

  test('a statement may go on after its time', async () => {
    await expectError(
      execute('WITH slow AS MATERIALIZED (SELECT pg_sleep(2)) INSERT INTO parents SELECT 501 FROM slow', [], {
        continueAfterTimeout: true,
      }),
      'StatementTimeoutException',
      /Request timed out/,
    );

    expect((await execute('SELECT count(*) FROM parents WHERE id = 501')).records).toEqual([[{ longValue: 1 }]]);
  });

  test('the schema parameter is refused', async () => {
    await expectError(
      execute('SELECT 1', [], { schema: 'public' }),
      'ValidationException',
      /schema parameter isn't supported/,
    );
  });
});

describe('errors', () => {
  test('of the database carry position and SQLSTATE, and no row contents', async () => {
    await execute("INSERT INTO parents VALUES (601, 'taken')");

    await expectError(
      execute("INSERT INTO parents VALUES (602, 'taken')"),
      'DatabaseErrorException',
      /^ERROR: duplicate key value violates unique constraint "parents_code_key"; SQLState: 23505$/,
    );
    await expectError(
      execute('INSERT INTO children VALUES (1, 999)'),
      'DatabaseErrorException',
      /^ERROR: insert or update on table "children" violates foreign key constraint "children_parent_fkey"; SQLState: 23503$/,
    );
    await expectError(
      execute('SELECT nothing'),
      'DatabaseErrorException',
      /^ERROR: column "nothing" does not exist; Position: 8; SQLState: 42703$/,
    );
  });

  test('of a missing parameter, cluster, secret, database and password have their names', async () => {
    await expectError(execute('SELECT :a'), 'BadRequestException', /Cannot find parameter: a/);
    await expectError(
      execute('SELECT 1', [], { resourceArn: `${api.clusterArns.target}s` }),
      'HttpEndpointNotEnabledException',
      /not enabled/,
    );
    await expectError(
      execute('SELECT 1', [], { secretArn: `${api.secretArns.target}s` }),
      'SecretsErrorException',
      /Error fetching secret/,
    );
    await expectError(
      execute('SELECT 1', [], { database: 'missing' }),
      'DatabaseErrorException',
      /FATAL: database "missing" does not exist; SQLState: 3D000/,
    );
    const wrong = api.addSecret('wrong', { ...credentialsIn(url), password: 'guess' });
    await expectError(
      execute('SELECT 1', [], { secretArn: wrong }),
      'DatabaseErrorException',
      /FATAL: password authentication failed for user "postgres"; SQLState: 28P01/,
    );
  });

  test('of a call without a signature are a denial', async () => {
    const response = await fetch(`${api.front.url}/Execute`, { method: 'POST', body: '{}' });

    expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([403, 'AccessDeniedException']);
  });

  test('of a database that is down are retried by the SDK and named', async () => {
    const resourceArn = 'arn:aws:rds:us-east-1:000000000000:cluster:down';
    const front = await startDataApi({
      clusters: { [resourceArn]: { host: '127.0.0.1', port: await freePort() } },
      resolveSecret: async () => credentialsIn(url),
    });
    const client = new RDSDataClient({
      endpoint: front.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 2,
    });

    const error = await expectError(
      client.send(new ExecuteStatementCommand({ resourceArn, secretArn: api.secretArns.target, sql: 'SELECT 1' })),
      'DatabaseUnavailableException',
    );

    expect((error as unknown as { $metadata: { attempts: number; httpStatusCode: number } }).$metadata).toMatchObject({
      attempts: 2,
      httpStatusCode: 504,
    });
    client.destroy();
    await front.stop();
  });

  test('of a session that the server ends are an unavailable database, and the next call works', async () => {
    await expectError(execute('SELECT pg_terminate_backend(pg_backend_pid())'), 'DatabaseUnavailableException');

    expect((await execute('SELECT 1')).records).toHaveLength(1);
  });
});

describe('transactions', () => {
  test('commit and roll back', async () => {
    const kept = await begin();
    await execute('INSERT INTO parents VALUES (701)', [], { transactionId: kept });
    const lost = await begin();
    await execute('INSERT INTO parents VALUES (702)', [], { transactionId: lost });

    const committed = await api.client.send(new CommitTransactionCommand({ ...target(), transactionId: kept }));
    const rolledBack = await rollback(lost);

    expect([committed.transactionStatus, rolledBack.transactionStatus]).toEqual([
      'Transaction Committed',
      'Rollback Complete',
    ]);
    expect((await execute('SELECT id FROM parents WHERE id IN (701, 702)')).records).toEqual([[{ longValue: 701 }]]);
    await expectError(rollback(kept), 'TransactionNotFoundException', /previous call resulted in a termination/);
  });

  test('run one statement at a time', async () => {
    const transactionId = await begin();
    const slow = execute('SELECT pg_sleep(0.2)', [], { transactionId });

    await expectError(
      execute('SELECT 1', [], { transactionId }).then(() => execute('SELECT 1', [], { transactionId })),
      'DatabaseErrorException',
      /Transaction is still running a query/,
    );

    await slow;
    expect((await execute('SELECT 1', [], { transactionId })).records).toHaveLength(1);
    await rollback(transactionId);
  });

  test('end with the first error', async () => {
    const transactionId = await begin();
    await execute('INSERT INTO parents VALUES (711)', [], { transactionId });
    await expectError(execute('SELECT nothing', [], { transactionId }), 'DatabaseErrorException');

    await expectError(
      execute('SELECT 1', [], { transactionId }),
      'TransactionNotFoundException',
      /aborted due to an error from a previous call/,
    );
    expect((await execute('SELECT id FROM parents WHERE id = 711')).records).toEqual([]);
  });

  test('are rolled back after three minutes without a call, and each call prolongs them', async () => {
    const transactionId = await begin();
    await execute('INSERT INTO parents VALUES (721)', [], { transactionId });
    time += 179_000;
    await execute('SELECT 1', [], { transactionId });
    time += 179_000;
    await execute('SELECT 1', [], { transactionId });

    time += 180_000;

    await expectError(
      execute('SELECT 1', [], { transactionId }),
      'TransactionNotFoundException',
      /Transaction may be expired/,
    );
    expect(
      (
        await execute(
          "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()",
        )
      ).records,
    ).toEqual([[{ longValue: 0 }]]);
  });

  test("that the role's own idle limit ends are not found", async () => {
    const transactionId = await begin();
    await execute('SET LOCAL idle_in_transaction_session_timeout = 50', [], { transactionId });
    await expectEventually(
      async () =>
        (
          await execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()",
          )
        ).records?.[0]?.[0]?.longValue === 0,
    );

    await expectError(execute('SELECT 1', [], { transactionId }), 'TransactionNotFoundException', /expired/);
  });

  test('belong to their cluster, and unknown ids are not found', async () => {
    const transactionId = await begin();

    await expectError(
      execute('SELECT 1', [], { resourceArn: api.clusterArns.legacy, secretArn: api.secretArns.legacy, transactionId }),
      'TransactionNotFoundException',
    );
    await expectError(execute('SELECT 1', [], { transactionId: 'unknown' }), 'TransactionNotFoundException');
    await rollback(transactionId);
  });
});

describe('batches', () => {
  test('run each parameter set, and promise no atomicity without a transaction', async () => {
    const batch = (ids: readonly number[]) =>
      api.client.send(
        new BatchExecuteStatementCommand({
          ...target(),
          database,
          sql: 'INSERT INTO parents VALUES (:id)',
          parameterSets: ids.map((id) => [long('id', id)]),
        }),
      );

    const done = await batch([801, 802]);
    await expectError(batch([803, 801, 804]), 'DatabaseErrorException', /23505/);

    expect(done.updateResults).toEqual([{ generatedFields: [] }, { generatedFields: [] }]);
    expect(
      (await execute('SELECT id FROM parents WHERE id > 800 ORDER BY id')).records?.map(([field]) => field?.longValue),
    ).toEqual([801, 802, 803]);
  });
});

describe('rehearsals', () => {
  test('make chosen calls slow, or refuse them, until the faults are cleared', async () => {
    const post = (body: unknown) =>
      fetch(`${api.front.url}/_front/faults`, { method: 'POST', body: JSON.stringify(body) });
    await post([
      { cluster: api.clusterArns.target, matching: 'from parents', error: 'ServiceUnavailableError' },
      { matching: 'as slow', latencyMs: 150 },
    ]);

    await expectError(execute('SELECT 1 FROM parents'), 'ServiceUnavailableError');
    const started = performance.now();
    await execute('SELECT 1 AS slow');
    expect(performance.now() - started).toBeGreaterThanOrEqual(149);
    expect((await post({ latency: 5 })).status).toBe(400);

    await fetch(`${api.front.url}/_front/faults`, { method: 'DELETE' });
    expect((await execute('SELECT 1 FROM parents LIMIT 1')).records).toHaveLength(1);
  });

  test('session settings of one call do not reach the next', async () => {
    await execute("SET application_name = 'sticky'");

    expect((await execute('SHOW application_name')).records).toEqual([[{ stringValue: 'data-api' }]]);
  });

  test('hundreds of calls at once share a bounded number of connections', async () => {
    const results = await Promise.all(Array.from({ length: 300 }, (_, n) => execute('SELECT :n', [long('n', n)])));

    expect(results.map(({ records }) => records?.[0]?.[0]?.longValue)).toEqual(
      Array.from({ length: 300 }, (_, n) => n),
    );
    const { records } = await execute(
      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'data-api'",
    );
    expect(records?.[0]?.[0]?.longValue).toBeLessThanOrEqual(16);
  });
});

function target() {
  return { resourceArn: api.clusterArns.target, secretArn: api.secretArns.target };
}

function execute(sql: string, parameters: SqlParameter[] = [], more: Partial<ExecuteStatementCommandInput> = {}) {
  return api.client.send(new ExecuteStatementCommand({ ...target(), database, sql, parameters, ...more }));
}

async function begin(): Promise<string> {
  const { transactionId = '' } = await api.client.send(new BeginTransactionCommand({ ...target(), database }));
  return transactionId;
}

function rollback(transactionId: string) {
  return api.client.send(new RollbackTransactionCommand({ ...target(), transactionId }));
}

function long(name: string, longValue: number): SqlParameter {
  return { name, value: { longValue } };
}

async function expectError(call: Promise<unknown>, name: string, message: RegExp = /.*/): Promise<Error> {
  const error = await call.then(
    () => new Error('the call succeeded'),
    (reason: Error) => reason,
  );
  expect({ name: error.name, message: error.message }).toEqual({ name, message: expect.stringMatching(message) });
  return error;
}

async function expectEventually(holds: () => Promise<boolean>): Promise<void> {
  await expect.poll(holds, { timeout: 45_000 }).toBe(true);
}
