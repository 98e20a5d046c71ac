/** Capture by the client library, over pg and over the Data API: one format with the trigger's, and a write that nobody captures is refused. */
import {
  BeginTransactionCommand,
  CommitTransactionCommand,
  ExecuteStatementCommand,
  RollbackTransactionCommand,
} from '@aws-sdk/client-rds-data';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fenceStore, installCapture, installSchemas, removeCapture } from '../../lib/application/install/install.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { joinTransaction, overDataApi, type Queryable, withCapture } from '../../lib/client/index.js';
import { expectEqualStores, settle } from '../support/converging.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const COLUMNS = 'id bigint PRIMARY KEY, tenant_id text NOT NULL, note text, doc jsonb, ratio float8, at timestamptz';
const SQL = `CREATE TABLE public.orders (${COLUMNS}); CREATE TABLE public.twins (${COLUMNS}); CREATE TABLE public.aside (id int PRIMARY KEY);
CREATE TABLE public.visits (at timestamptz, who text, tenant_id text, PRIMARY KEY (at, who));`;
const PLAN = `tenants: { column: tenant_id }
tables: { orders: { capture: client }, twins: {}, visits: { capture: client } }
`;

let test: TestMigration;
let front: TestDataApi;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  front = await startTestDataApi();
});

afterAll(async () => {
  await front?.stop();
  await test?.close();
});

const outbox = async (table: string) =>
  (
    await test.legacy.query(
      `SELECT op::text, row_key, correlation_id, payload::text, old_tenant, new_tenant FROM crossfade.outbox WHERE table_name = $1 ORDER BY seq`,
      [table],
    )
  ).rows;

async function dataApi(): Promise<Queryable> {
  const { rows } = await test.legacy.query<{ name: string }>('SELECT current_database() AS name');
  const target = { resourceArn: front.clusterArns.legacy, secretArn: front.secretArns.legacy };
  const database = rows[0]?.name;
  return overDataApi({
    begin: () => front.client.send(new BeginTransactionCommand({ ...target, database })),
    execute: (input) => front.client.send(new ExecuteStatementCommand({ ...target, database, ...input })),
    commit: (input) => front.client.send(new CommitTransactionCommand({ ...target, ...input })),
    rollback: (input) => front.client.send(new RollbackTransactionCommand({ ...target, ...input })),
  });
}

describe('capture by the client library', () => {
  it('works, and captures nothing, where Crossfade is not installed', async () => {
    const { result, position } = await withCapture(
      test.legacy,
      { correlationId: 'early', position: true },
      async (tx) => {
        const { rows } = await tx.write('orders', `INSERT INTO orders (id, tenant_id) VALUES (1, 'acme') RETURNING id`);
        return rows;
      },
    );

    expect({ result, position }).toEqual({ result: [{ id: '1' }], position: null });
    await installSchemas(test.deps);
    const migration = await test.load();
    await installCapture(migration, 'forward');
    await fenceStore(migration, 'target');
    for (const tenant of ['*', 'acme'])
      await turnOn(test.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
  });

  it('writes the events that the trigger writes', async () => {
    const writes = (table: string) =>
      [
        [
          `INSERT INTO ${table} VALUES (10, 'acme', 'a', 'null', 0.30000000000000004, '2026-03-04 05:06:07.000008+00'), (11, 'acme', NULL, '{"b": 1.0}', '-0', NULL) RETURNING id`,
          undefined,
        ],
        [`UPDATE ${table} SET tenant_id = 'umbrella', note = 'moved' WHERE id = 11 RETURNING id`, 'acme'],
        [`DELETE FROM ${table} WHERE id = 10 RETURNING id`, 'acme'],
        [`DELETE FROM ${table} WHERE id = 999 RETURNING id`, 'acme'],
      ] as const;
    await test.legacy.query(`SET TimeZone = 'Asia/Kathmandu'; SET extra_float_digits = -15`);

    for (const [text, oldTenant] of writes('orders'))
      await withCapture(test.legacy, { correlationId: 'same' }, (tx) =>
        tx.write('orders', text, undefined, { oldTenant }),
      );
    await test.legacy.query(`SET crossfade.correlation_id = 'same'`);
    for (const [text] of writes('twins')) await test.legacy.query(text);
    await test.legacy.query('RESET ALL');

    expect(await outbox('orders')).toEqual(await outbox('twins'));
    expect(await outbox('orders')).toHaveLength(4);
  });

  it('does the same over the Data API, whose answers keep every digit of a key', async () => {
    const { position } = await withCapture(await dataApi(), { correlationId: 'api' }, async (tx) => {
      const { rows } = await tx.query(
        `INSERT INTO orders (id, tenant_id, note) VALUES ($1::bigint, $2, 'costs $1') RETURNING id`,
        ['9223372036854775807', 'acme'],
      );
      await tx.capture('orders', rows);
    });

    const last = (await outbox('orders')).at(-1);
    expect(last).toMatchObject({
      op: 'U',
      row_key: '[9223372036854775807]',
      correlation_id: 'api',
      new_tenant: 'acme',
    });
    expect(JSON.parse(last.payload)).toMatchObject({ note: 'costs $1' });
    expect((await test.legacy.query('SELECT max(seq)::text AS seq FROM crossfade.outbox')).rows[0].seq).toBe(position);
  });

  it('carries a key with microseconds, and refuses one that a Date has cut', async () => {
    const insert = `INSERT INTO visits VALUES ('2026-03-04 05:06:07.123456+00', $1, 'acme') RETURNING `;
    await withCapture(test.legacy, {}, (tx) => tx.write('visits', `${insert} at::text, who`, ['a']));

    await expect(withCapture(test.legacy, {}, (tx) => tx.write('visits', `${insert} at, who`, ['b']))).rejects.toThrow(
      'at is Date',
    );
    await expect(withCapture(test.legacy, {}, (tx) => tx.write('visits', `${insert} who`, ['c']))).rejects.toThrow(
      'whole key (at, who)',
    );

    expect((await test.legacy.query('SELECT who FROM visits')).rows).toEqual([{ who: 'a' }]);
    expect(await outbox('visits')).toMatchObject([{ op: 'U', row_key: '["2026-03-04T05:06:07.123456+00:00", "a"]' }]);
  });

  it('fails the transaction of a write that was not captured, returned no key, or names no tenant for a row that is gone', async () => {
    const refused = (text: string, message: string, oldTenant?: string) =>
      expect(withCapture(test.legacy, {}, (tx) => tx.write('orders', text, undefined, { oldTenant }))).rejects.toThrow(
        message,
      );
    await expect(
      withCapture(test.legacy, {}, (tx) => tx.query(`UPDATE public."orders" SET note = 'forgotten' WHERE id = 11`)),
    ).rejects.toThrow('public.orders was written and not captured');
    await refused(`UPDATE orders SET note = 'no keys' WHERE id = 11`, 'end it with RETURNING');
    await refused('DELETE FROM orders WHERE id = 11 RETURNING id', 'captured without its tenant');

    // A table outside the plan needs no capture.
    await withCapture(test.legacy, {}, (tx) => tx.query('INSERT INTO aside VALUES (1)'));

    expect((await test.legacy.query('SELECT note FROM orders WHERE id = 11')).rows).toEqual([{ note: 'moved' }]);
    expect((await test.legacy.query('SELECT 1 FROM aside')).rows).toHaveLength(1);
  });

  it('joins a transaction of the caller, and tells a position for tables that triggers capture', async () => {
    await test.legacy.query('BEGIN');
    const tx = await joinTransaction(test.legacy, { position: true });
    await tx.query(`INSERT INTO twins (id, tenant_id) VALUES (50, 'acme')`);
    const position = await tx.finish();
    await test.legacy.query('COMMIT');

    const { rows } = await test.legacy.query(`SELECT seq::text FROM crossfade.outbox WHERE row_key = '[50]'`);
    expect(BigInt(position ?? 0)).toBeGreaterThanOrEqual(BigInt(rows[0].seq));
  });

  it('reaches the target, and goes on working when capture has been removed', async () => {
    await test.legacy.query(`DELETE FROM orders WHERE id IN (1, 11); DELETE FROM twins WHERE id = 11`);
    await settle(test);
    await expectEqualStores(test, await test.load());

    await removeCapture(await test.load(), 'forward');
    const before = await outbox('orders');
    const { position } = await withCapture(test.legacy, {}, (tx) =>
      tx.write('orders', `INSERT INTO orders (id, tenant_id) VALUES (70, 'acme') RETURNING id`),
    );

    expect(position).toBeNull();
    expect(await outbox('orders')).toEqual(before);
  });
});
