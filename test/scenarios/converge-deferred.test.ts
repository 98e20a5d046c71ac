/** Foreign keys in circles and constraints that the target defers converge in every order of delivery. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convergeInEveryOrder, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';

const SQL = `
CREATE TABLE public.houses (id bigint PRIMARY KEY, tenant_id text NOT NULL, owner_id bigint NOT NULL);
CREATE TABLE public.owners (id bigint PRIMARY KEY, tenant_id text NOT NULL, house_id bigint NOT NULL REFERENCES public.houses DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE public.houses ADD FOREIGN KEY (owner_id) REFERENCES public.owners DEFERRABLE;
CREATE TABLE public.departments (id bigint PRIMARY KEY, tenant_id text NOT NULL, manager_id bigint, name text);
CREATE TABLE public.employees (id bigint PRIMARY KEY, tenant_id text NOT NULL, department_id bigint NOT NULL REFERENCES public.departments);
ALTER TABLE public.departments ADD FOREIGN KEY (manager_id) REFERENCES public.employees;
CREATE TABLE public.persons (id bigint PRIMARY KEY, tenant_id text NOT NULL, boss_id bigint REFERENCES public.persons DEFERRABLE INITIALLY IMMEDIATE);
CREATE TABLE public.ranks (id bigint PRIMARY KEY, tenant_id text NOT NULL, place integer NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE public.prices (id bigint PRIMARY KEY, tenant_id text NOT NULL, amount integer NOT NULL, sku text);
`;
const PLAN = `
tenants: { column: tenant_id }
tables: { houses: , owners: , departments: , employees: , persons: , ranks: , prices: }
relay: { shards: 2, batchRows: 3, poll: 20ms }
`;

let stores: TestMigration;

beforeAll(async () => {
  stores = await aMigration({
    plan: PLAN,
    legacySql: SQL,
    targetSql: `${SQL} ALTER TABLE public.prices ADD CONSTRAINT dear CHECK (amount < 1000); CREATE UNIQUE INDEX one_sku ON public.prices (sku);`,
  });
  await startConverging(stores, ['acme', 'globex']);
});

afterAll(() => stores?.close());

describe('foreign keys in a circle', () => {
  it('two rows of two tables refer to each other', async () => {
    await convergeInEveryOrder(stores, {
      before: () => '',
      change: (n) =>
        `BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO houses VALUES (${n}, 'acme', ${n}); INSERT INTO owners VALUES (${n}, 'acme', ${n}); COMMIT`,
    });
  });

  it('two rows of one table refer to each other', async () => {
    await convergeInEveryOrder(stores, {
      before: () => '',
      change: (n) =>
        `BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO persons VALUES (${n}, 'acme', ${n + 1}), (${n + 1}, 'acme', ${n}); COMMIT`,
    });
  });

  it('a circle goes', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) =>
        `BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO houses VALUES (${n}, 'acme', ${n}); INSERT INTO owners VALUES (${n}, 'acme', ${n}); COMMIT`,
      change: (n) =>
        `BEGIN; SET CONSTRAINTS ALL DEFERRED; DELETE FROM houses WHERE id = ${n}; DELETE FROM owners WHERE id = ${n}; COMMIT`,
    });
  });

  it('two rows come to refer to each other where nothing can be deferred', async () => {
    await convergeInEveryOrder(stores, {
      before: () => '',
      change: (n) =>
        `INSERT INTO departments VALUES (${n}, 'acme', NULL, 'new'); INSERT INTO employees VALUES (${n}, 'acme', ${n}); UPDATE departments SET manager_id = ${n} WHERE id = ${n}`,
    });
  });

  it('two rows that refer to each other go where nothing can be deferred', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) =>
        `INSERT INTO departments VALUES (${n}, 'acme', NULL, 'old'); INSERT INTO employees VALUES (${n}, 'acme', ${n}); UPDATE departments SET manager_id = ${n} WHERE id = ${n}`,
      change: (n) =>
        `UPDATE departments SET manager_id = NULL WHERE id = ${n}; DELETE FROM employees WHERE id = ${n}; DELETE FROM departments WHERE id = ${n}`,
    });
  });

  it('a row refers to itself', async () => {
    await convergeInEveryOrder(stores, {
      before: () => '',
      change: (n) =>
        `INSERT INTO persons VALUES (${n}, 'acme', ${n}); UPDATE persons SET boss_id = NULL WHERE id = ${n}; DELETE FROM persons WHERE id = ${n}`,
    });
  });

  it('a chain of bosses is turned round', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) =>
        `INSERT INTO persons VALUES (${n}, 'acme', NULL), (${n + 1}, 'acme', ${n}), (${n + 2}, 'acme', ${n + 1})`,
      change: (
        n,
      ) => `UPDATE persons SET boss_id = ${n + 1} WHERE id = ${n}; UPDATE persons SET boss_id = ${n + 2} WHERE id = ${n + 1};
        UPDATE persons SET boss_id = NULL WHERE id = ${n + 2}`,
    });
  });
});

describe('constraints that the target defers', () => {
  it('two rows swap a unique value', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO ranks VALUES (${n}, 'acme', ${n}), (${n + 1}, 'acme', ${n + 1})`,
      change: (n) => `UPDATE ranks SET place = ${2 * n + 1} - place WHERE id IN (${n}, ${n + 1})`,
    });
  });

  it('a whole list moves up by one', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO ranks SELECT ${n} + i, 'acme', ${n} + i FROM generate_series(0, 4) AS i`,
      change: (n) => `UPDATE ranks SET place = place + 1 WHERE id BETWEEN ${n} AND ${n + 4}`,
    });
  });
});

describe('a target that is stricter than legacy', () => {
  it('parks what its check refuses, with a reason that names the check and not the value', async () => {
    await stores.legacy.query(`INSERT INTO prices VALUES (1, 'acme', 123456, 'a')`);

    await relay();

    const [parked] = await setAside('[1]');
    expect(parked?.state).toBe('parked');
    expect(parked?.reason).toContain('dear');
    expect(parked?.reason).not.toContain('123456');
  });

  it('keeps one of two rows that only its own unique index forbids together, and says why for the other', async () => {
    await stores.legacy.query(`INSERT INTO prices VALUES (2, 'acme', 2, 'same'), (3, 'acme', 3, 'same')`);

    await relay();

    const { rows } = await stores.target.query(`SELECT id::int AS id FROM prices WHERE sku = 'same'`);
    expect(rows).toHaveLength(1);
    const waiting = await stores.target.query(
      `SELECT row_key, reason FROM crossfade.repair_queue WHERE table_name = 'prices'`,
    );
    expect(waiting.rows).toHaveLength(1);
    expect(waiting.rows[0].reason).toMatch(/one_sku.*legacy holds two rows/);
  });

  it('holds up nobody else', async () => {
    await stores.legacy.query(`INSERT INTO prices VALUES (4, 'acme', 4, 'other')`);

    await relay();

    expect((await stores.target.query('SELECT 1 FROM prices WHERE id = 4')).rows).toHaveLength(1);
  });
});

const relay = () => relayUntilIdle(stores.deps, 'forward', 300);
const setAside = async (key: string): Promise<readonly { state: string; reason: string }[]> =>
  (await stores.legacy.query('SELECT state, reason FROM crossfade.outbox WHERE row_key = $1', [key])).rows;
