/** A child that is written while its parent moves to another tenant: neither transaction sees the other, and both commit. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settle, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';

const SQL = `
CREATE TABLE public.boxes (id bigint PRIMARY KEY, tenant_id text NOT NULL);
CREATE TABLE public.things (id bigint PRIMARY KEY, box_id bigint NOT NULL REFERENCES public.boxes ON DELETE CASCADE, name text);
CREATE TABLE public.parts (id bigint PRIMARY KEY, thing_id bigint NOT NULL REFERENCES public.things ON DELETE CASCADE);
`;
const PLAN = `
tenants: { column: tenant_id }
tables:
  boxes:
  things: { tenant: { parent: boxes, on: { box_id: id } } }
  parts: { tenant: { parent: things, on: { thing_id: id } } }
relay: { shards: 2, batchRows: 10, poll: 20ms }
`;

let stores: TestMigration;
let mover: pg.Client;

beforeAll(async () => {
  stores = await aMigration({ plan: PLAN, legacySql: SQL });
  await startConverging(stores, ['acme', 'globex']);
  const { host, port, user, password, database } = stores.legacy;
  mover = new pg.Client({ host, port, user, password: password ?? '', database: database ?? '' });
  await mover.connect();
});

afterAll(async () => {
  await mover?.end();
  await stores?.close();
});

/** The mover commits first; the relay may deliver its event before the child's transaction has ended. */
async function moveWhile(n: number, from: string, to: string, write: string, relayBetween: boolean): Promise<void> {
  await stores.legacy.query(
    `INSERT INTO boxes VALUES (${n}, '${from}'); INSERT INTO things VALUES (${n}, ${n}, 'old'); INSERT INTO parts VALUES (${n}, ${n})`,
  );
  await settle(stores);
  await stores.legacy.query(`BEGIN; ${write}`);
  await mover.query(`UPDATE boxes SET tenant_id = '${to}' WHERE id = ${n}`);
  if (relayBetween) await relayUntilIdle(stores.deps, 'forward', 300);
  await stores.legacy.query('COMMIT');
  await settle(stores);
}

const targetRows = async (n: number) => {
  const [row] = (
    await stores.target.query(
      `SELECT (SELECT count(*)::int FROM boxes WHERE id = ${n}) AS boxes, (SELECT count(*)::int FROM things WHERE box_id = ${n}) AS things,
              (SELECT count(*)::int FROM parts WHERE thing_id IN (${n}, ${n + 1})) AS parts`,
    )
  ).rows;
  return row;
};

describe.each([true, false])('a child is written while its parent moves (relay in between: %s)', (relayBetween) => {
  const base = relayBetween ? 100 : 200;

  it('to a tenant that is on: the child arrives', async () => {
    await moveWhile(
      base,
      'umbrella',
      'acme',
      `INSERT INTO things VALUES (${base + 1}, ${base}, 'new'); INSERT INTO parts VALUES (${base + 1}, ${base + 1})`,
      relayBetween,
    );

    expect(await targetRows(base)).toEqual({ boxes: 1, things: 2, parts: 2 });
  });

  it('to a tenant that is off: the child does not stay behind, and nothing waits for ever', async () => {
    const n = base + 10;
    await moveWhile(
      n,
      'acme',
      'umbrella',
      `INSERT INTO things VALUES (${n + 1}, ${n}, 'new'); INSERT INTO parts VALUES (${n + 1}, ${n + 1})`,
      relayBetween,
    );

    expect(await targetRows(n)).toEqual({ boxes: 0, things: 0, parts: 0 });
  });

  it('between two tenants that are on: the child arrives', async () => {
    const n = base + 20;
    await moveWhile(
      n,
      'acme',
      'globex',
      `UPDATE things SET name = 'changed' WHERE id = ${n}; INSERT INTO parts VALUES (${n + 1}, ${n})`,
      relayBetween,
    );

    expect(await targetRows(n)).toEqual({ boxes: 1, things: 1, parts: 2 });
  });
});
