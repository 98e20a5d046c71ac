/** Unique values that move between rows converge in every order of delivery (protocol §7). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convergeInEveryOrder, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilDone, relayUntilIdle } from '../support/relay-until-idle.ts';

const SQL = (deferrable: string) => `
CREATE TABLE public.handles (id bigint PRIMARY KEY, tenant_id text NOT NULL, handle text UNIQUE, note text);
CREATE TABLE public.seats (id bigint PRIMARY KEY, tenant_id text NOT NULL, place text NOT NULL, UNIQUE (place) ${deferrable});
CREATE TABLE public.members (id bigint PRIMARY KEY, tenant_id text NOT NULL, email text NOT NULL, UNIQUE (email) ${deferrable});
CREATE TABLE public.logins (id bigint PRIMARY KEY, tenant_id text NOT NULL, member_id bigint NOT NULL REFERENCES public.members ON DELETE CASCADE);
CREATE TABLE public.phones (id bigint PRIMARY KEY, tenant_id text NOT NULL, country integer NOT NULL, number integer, UNIQUE (country, number));
CREATE TABLE public.slugs (id bigint PRIMARY KEY, tenant_id text NOT NULL, slug text NOT NULL, retired boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX slugs_live ON public.slugs (lower(slug)) WHERE NOT retired;
CREATE TABLE public.names (id bigint PRIMARY KEY, tenant_id text NOT NULL, name text, folded text GENERATED ALWAYS AS (lower(name)) STORED UNIQUE);
CREATE TABLE public.contacts (id bigint PRIMARY KEY, tenant_id text NOT NULL, email text UNIQUE CHECK (email IS NOT NULL));
CREATE TABLE public.guarded (id bigint PRIMARY KEY, tenant_id text NOT NULL, code text UNIQUE);
`;
const PLAN = `
tenants: { column: tenant_id }
tables: { handles: , seats: , members: , logins: , phones: , slugs: , names: , contacts: , guarded: }
relay: { shards: 2, batchRows: 3, poll: 20ms }
`;

let stores: TestMigration;

beforeAll(async () => {
  stores = await aMigration({
    plan: PLAN,
    legacySql: SQL('DEFERRABLE INITIALLY DEFERRED'),
    targetSql: SQL(''),
  });
  await startConverging(stores, ['acme', 'globex']);
});

afterAll(() => stores?.close());

const handles =
  (...rows: readonly string[]) =>
  (n: number) =>
    `INSERT INTO handles VALUES ${rows.map((row, index) => `(${n + index}, 'acme', '${row}${n}')`).join(', ')}`;

describe('unique values that move', () => {
  it('A gives the value up and B takes it', async () => {
    const tried = await convergeInEveryOrder(stores, {
      before: handles('x', 'y'),
      change: (n) =>
        `UPDATE handles SET handle = 'new${n}' WHERE id = ${n}; UPDATE handles SET handle = 'x${n}' WHERE id = ${n + 1}`,
    });

    expect(tried).toBe(2);
  });

  it('A is deleted and B, a new row, takes its value', async () => {
    await convergeInEveryOrder(stores, {
      before: handles('x'),
      change: (n) => `DELETE FROM handles WHERE id = ${n}; INSERT INTO handles VALUES (${n + 1}, 'acme', 'x${n}')`,
    });
  });

  it('A and B swap by way of NULL', async () => {
    await convergeInEveryOrder(stores, {
      before: handles('x', 'y'),
      change: (
        n,
      ) => `BEGIN; UPDATE handles SET handle = NULL WHERE id = ${n}; UPDATE handles SET handle = 'x${n}' WHERE id = ${n + 1};
        UPDATE handles SET handle = 'y${n}' WHERE id = ${n}; COMMIT`,
    });
  });

  it('a value goes along a chain of three rows, and comes back', async () => {
    await convergeInEveryOrder(stores, {
      before: handles('x', 'y', 'z'),
      change: (
        n,
      ) => `UPDATE handles SET handle = NULL WHERE id = ${n}; UPDATE handles SET handle = 'x${n}' WHERE id = ${n + 1};
        UPDATE handles SET handle = 'y${n}' WHERE id = ${n + 2}; UPDATE handles SET handle = 'z${n}' WHERE id = ${n}`,
    });
  });

  it('the value moves between rows of two tenants', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO handles VALUES (${n}, 'acme', 'x${n}'), (${n + 1}, 'globex', 'y${n}')`,
      change: (n) =>
        `UPDATE handles SET handle = NULL WHERE id = ${n}; UPDATE handles SET handle = 'x${n}' WHERE id = ${n + 1}; UPDATE handles SET tenant_id = 'globex' WHERE id = ${n}`,
    });
  });

  it('two rows swap in one statement where only legacy defers the constraint', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO seats VALUES (${n}, 'acme', 'x${n}'), (${n + 1}, 'acme', 'y${n}')`,
      change: (n) =>
        `UPDATE seats SET place = CASE place WHEN 'x${n}' THEN 'y${n}' ELSE 'x${n}' END WHERE id IN (${n}, ${n + 1})`,
    });
  });

  it('three rows rotate in one statement where only legacy defers the constraint', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) =>
        `INSERT INTO seats VALUES (${n}, 'acme', '${n}-0'), (${n + 1}, 'acme', '${n}-1'), (${n + 2}, 'acme', '${n}-2')`,
      change: (n) => `UPDATE seats SET place = '${n}-' || ((id - ${n} + 1) % 3) WHERE id BETWEEN ${n} AND ${n + 2}`,
    });
  });

  it('a NOT NULL value moves between rows that other rows refer to', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO members VALUES (${n}, 'acme', 'x${n}'), (${n + 1}, 'acme', 'y${n}');
        INSERT INTO logins VALUES (${n}, 'acme', ${n}), (${n + 1}, 'acme', ${n + 1}), (${n + 2}, 'acme', ${n})`,
      change: (n) =>
        `UPDATE members SET email = 'new${n}' WHERE id = ${n}; UPDATE members SET email = 'x${n}' WHERE id = ${n + 1}`,
    });
  });

  it('two rows that others refer to swap a NOT NULL value', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO members VALUES (${n}, 'acme', 'x${n}'), (${n + 1}, 'acme', 'y${n}');
        INSERT INTO logins VALUES (${n}, 'acme', ${n}), (${n + 1}, 'acme', ${n + 1})`,
      change: (n) =>
        `UPDATE members SET email = CASE email WHEN 'x${n}' THEN 'y${n}' ELSE 'x${n}' END WHERE id IN (${n}, ${n + 1})`,
    });
  });

  it('a constraint over two columns, one of them shared', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO phones VALUES (${n}, 'acme', ${n}, 1), (${n + 1}, 'acme', ${n}, 2)`,
      change: (n) => `UPDATE phones SET number = 3 WHERE id = ${n}; UPDATE phones SET number = 1 WHERE id = ${n + 1};
        UPDATE phones SET number = 2 WHERE id = ${n}`,
    });
  });

  it('a partial index over an expression', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO slugs VALUES (${n}, 'acme', 'Home${n}'), (${n + 1}, 'acme', 'other${n}')`,
      change: (n) =>
        `UPDATE slugs SET retired = true WHERE id = ${n}; UPDATE slugs SET slug = 'home${n}' WHERE id = ${n + 1}; INSERT INTO slugs VALUES (${n + 2}, 'acme', 'other${n}')`,
    });
  });

  it('a unique index over a generated column, which nobody can set to NULL', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO names VALUES (${n}, 'acme', 'X${n}'), (${n + 1}, 'acme', 'Y${n}')`,
      change: (n) =>
        `UPDATE names SET name = 'new${n}' WHERE id = ${n}; UPDATE names SET name = 'x${n}' WHERE id = ${n + 1}`,
    });
  });

  it('a nullable column whose check refuses NULL', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO contacts VALUES (${n}, 'acme', 'x${n}'), (${n + 1}, 'acme', 'y${n}')`,
      change: (n) =>
        `UPDATE contacts SET email = 'new${n}' WHERE id = ${n}; UPDATE contacts SET email = 'x${n}' WHERE id = ${n + 1}`,
    });
  });

  it('a holder that a trigger of the target protects costs its own event, and nobody else’s', async () => {
    await stores.legacy.query(`INSERT INTO guarded VALUES (1, 'acme', 'x')`);
    await convergeInEveryOrder(stores, { before: () => 'SELECT 1', change: () => 'SELECT 1' });
    await stores.target.query(`
CREATE FUNCTION public.protect() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hands off'; END $$;
CREATE TRIGGER protect BEFORE UPDATE OR DELETE ON public.guarded FOR EACH ROW EXECUTE FUNCTION public.protect()`);
    await stores.legacy.query(`UPDATE guarded SET code = 'y' WHERE id = 1`);
    await stores.legacy.query(
      `INSERT INTO guarded VALUES (2, 'acme', 'x'); INSERT INTO handles VALUES (3, 'acme', 'z')`,
    );
    await stores.legacy.query(`INSERT INTO guarded VALUES (3, 'acme', 'other')`);

    await relayUntilIdle(stores.deps, 'forward', 500);

    const { rows } = await stores.legacy.query(
      `SELECT row_key, state FROM crossfade.outbox WHERE table_name = 'guarded' AND state <> 'published' ORDER BY seq`,
    );
    expect(rows).toEqual([
      { row_key: '[1]', state: 'parked' },
      { row_key: '[2]', state: 'parked' },
    ]);
    expect((await stores.target.query('SELECT id::int AS id FROM guarded ORDER BY id')).rows).toEqual([
      { id: 1 },
      { id: 3 },
    ]);
    await stores.target.query('DROP FUNCTION public.protect() CASCADE');
    await stores.legacy.query(`UPDATE crossfade.outbox SET state = 'pending' WHERE state = 'parked'`);
    await convergeInEveryOrder(stores, { before: () => 'SELECT 1', change: () => 'SELECT 1' });
  });

  it('the event that frees the value is parked: its row is read afresh, and the other one gets through', async () => {
    await stores.legacy.query(`INSERT INTO handles VALUES (1, 'acme', 'free'), (2, 'acme', 'taken')`);
    await convergeInEveryOrder(stores, { before: () => 'SELECT 1', change: () => 'SELECT 1' });
    await stores.legacy.query(`UPDATE handles SET handle = 'gone' WHERE id = 1`);
    await stores.legacy.query(
      `UPDATE crossfade.outbox SET state = 'parked', reason = 'by the test' WHERE state = 'pending'`,
    );
    await stores.legacy.query(`UPDATE handles SET handle = 'free' WHERE id = 2`);

    await relayUntilDone(stores);

    const sql = 'SELECT id::int AS id, handle FROM handles WHERE id IN (1, 2) ORDER BY id';
    expect((await stores.target.query(sql)).rows).toEqual((await stores.legacy.query(sql)).rows);
    await stores.legacy.query(`UPDATE crossfade.outbox SET state = 'pending' WHERE state = 'parked'`);
  });
});
