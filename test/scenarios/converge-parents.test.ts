/** Parents, children, keys and tenants that change converge in every order of delivery (protocol §3.7, §5.5; design §3.7). */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { convergeInEveryOrder, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `
CREATE TABLE public.boxes (id bigint PRIMARY KEY, tenant_id text NOT NULL, label text);
CREATE TABLE public.things (id bigint PRIMARY KEY, box_id bigint REFERENCES public.boxes ON UPDATE CASCADE ON DELETE CASCADE, name text);
CREATE TABLE public.parts (thing_id bigint REFERENCES public.things ON UPDATE CASCADE ON DELETE CASCADE, n integer, name text, PRIMARY KEY (thing_id, n));
CREATE TABLE public.teams (id bigint PRIMARY KEY, tenant_id text NOT NULL);
CREATE TABLE public.players (id bigint PRIMARY KEY, tenant_id text NOT NULL, team_id bigint REFERENCES public.teams ON DELETE SET NULL);
CREATE TABLE public.codes (id bigint PRIMARY KEY, tenant_id text NOT NULL, code text NOT NULL UNIQUE);
CREATE TABLE public.uses (id bigint PRIMARY KEY, tenant_id text NOT NULL, code text REFERENCES public.codes (code) ON UPDATE CASCADE);
CREATE TABLE public.accounts (id bigint PRIMARY KEY, tenant_id text NOT NULL);
CREATE TABLE public.entries (id bigint PRIMARY KEY, tenant_id text NOT NULL, account_id bigint NOT NULL REFERENCES public.accounts);
`;
const PLAN = `
tenants: { column: tenant_id }
tables:
  boxes:
  things: { tenant: { parent: boxes, on: { box_id: id } } }
  parts: { tenant: { parent: things, on: { thing_id: id } } }
  teams:
  players:
  codes:
  uses:
  accounts:
  entries:
relay: { shards: 2, batchRows: 3, poll: 20ms }
`;

let stores: TestMigration;

beforeAll(async () => {
  stores = await aMigration({ plan: PLAN, legacySql: SQL });
  await startConverging(stores, ['acme', 'globex']);
});

afterAll(() => stores?.close());

const boxOfThree = (
  n: number,
) => `INSERT INTO boxes VALUES (${n}, 'acme', 'old'); INSERT INTO things VALUES (${n}, ${n}, 'a'), (${n + 1}, ${n}, 'b');
  INSERT INTO parts VALUES (${n}, 1, 'p'), (${n}, 2, 'q')`;

describe('parents and children', () => {
  it('are inserted in one transaction', async () => {
    await convergeInEveryOrder(stores, { before: () => '', change: (n) => `BEGIN; ${boxOfThree(n)}; COMMIT` });
  });

  it('are inserted in transactions of their own', async () => {
    await convergeInEveryOrder(stores, {
      before: () => '',
      change: (
        n,
      ) => `BEGIN; INSERT INTO accounts VALUES (${n}, 'acme'); COMMIT; BEGIN; INSERT INTO entries VALUES (${n}, 'acme', ${n}); COMMIT;
        BEGIN; INSERT INTO entries VALUES (${n + 1}, 'acme', ${n}); COMMIT`,
    });
  });

  it('go with a cascade', async () => {
    await convergeInEveryOrder(stores, { before: boxOfThree, change: (n) => `DELETE FROM boxes WHERE id = ${n}` });
  });

  it('go, the children first, and the parent is refused a delete while it has any', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) =>
        `INSERT INTO accounts VALUES (${n}, 'acme'); INSERT INTO entries VALUES (${n}, 'acme', ${n}), (${n + 1}, 'acme', ${n})`,
      change: (n) => `DELETE FROM entries WHERE account_id = ${n}; DELETE FROM accounts WHERE id = ${n}`,
    });
  });

  it('the parent goes with a cascade and comes back with its children', async () => {
    await convergeInEveryOrder(stores, {
      before: boxOfThree,
      change: (n) => `DELETE FROM boxes WHERE id = ${n}; ${boxOfThree(n)}`,
    });
  });

  it('the parent goes, its children lose it, and get it back when it comes again', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO teams VALUES (${n}, 'acme'); INSERT INTO players VALUES (${n}, 'acme', ${n})`,
      change: (n) =>
        `DELETE FROM teams WHERE id = ${n}; INSERT INTO teams VALUES (${n}, 'acme'); UPDATE players SET team_id = ${n} WHERE id = ${n}`,
    });
  });

  it('a child moves to another parent, and the old parent goes', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `${boxOfThree(n)}; INSERT INTO boxes VALUES (${n + 1}, 'acme', 'new')`,
      change: (n) => `UPDATE things SET box_id = ${n + 1} WHERE id = ${n}; DELETE FROM boxes WHERE id = ${n}`,
    });
  });

  it('a child moves to a parent that is new in the same transaction, and the old parent goes', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO accounts VALUES (${n}, 'acme'); INSERT INTO entries VALUES (${n}, 'acme', ${n})`,
      change: (
        n,
      ) => `BEGIN; INSERT INTO accounts VALUES (${n + 1}, 'acme'); UPDATE entries SET account_id = ${n + 1} WHERE id = ${n};
        DELETE FROM accounts WHERE id = ${n}; COMMIT`,
    });
  });
});

describe('keys that change', () => {
  it('a parent gets another key, and its children follow by ON UPDATE CASCADE', async () => {
    await convergeInEveryOrder(stores, {
      before: boxOfThree,
      change: (n) => `UPDATE boxes SET id = ${n + 5} WHERE id = ${n}`,
    });
  });

  it('a key is part of the children’s own keys', async () => {
    await convergeInEveryOrder(stores, {
      before: boxOfThree,
      change: (n) => `UPDATE things SET id = ${n + 5} WHERE id = ${n}`,
    });
  });

  it('two rows swap their keys by way of a third one', async () => {
    await convergeInEveryOrder(stores, {
      before: boxOfThree,
      change: (n) => `UPDATE things SET id = ${n + 9} WHERE id = ${n}; UPDATE things SET id = ${n} WHERE id = ${n + 1};
        UPDATE things SET id = ${n + 1} WHERE id = ${n + 9}`,
    });
  });

  it('a row gets another key, and a new row takes the old one', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `INSERT INTO boxes VALUES (${n}, 'acme', 'first')`,
      change: (n) =>
        `UPDATE boxes SET id = ${n + 1} WHERE id = ${n}; INSERT INTO boxes VALUES (${n}, 'globex', 'second')`,
    });
  });

  it('a unique value that others refer to changes, and another row takes the old value and a child', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) =>
        `INSERT INTO codes VALUES (${n}, 'acme', 'x${n}'), (${n + 1}, 'acme', 'z${n}'); INSERT INTO uses VALUES (${n}, 'acme', 'x${n}')`,
      change: (n) =>
        `UPDATE codes SET code = 'y${n}' WHERE id = ${n}; UPDATE codes SET code = 'x${n}' WHERE id = ${n + 1}; UPDATE uses SET code = 'x${n}' WHERE id = ${n}`,
    });
  });
});

describe('rows that move between tenants', () => {
  it('both on: the row and what hangs on it follow', async () => {
    await convergeInEveryOrder(stores, {
      before: boxOfThree,
      change: (n) => `UPDATE boxes SET tenant_id = 'globex' WHERE id = ${n}`,
    });
  });

  it('to a tenant that is off and back', async () => {
    await convergeInEveryOrder(stores, {
      before: boxOfThree,
      change: (n) =>
        `UPDATE boxes SET tenant_id = 'umbrella' WHERE id = ${n}; UPDATE boxes SET tenant_id = 'globex', label = 'back' WHERE id = ${n}`,
    });
  });

  it('a child moves to a parent of another tenant', async () => {
    await convergeInEveryOrder(stores, {
      before: (n) => `${boxOfThree(n)}; INSERT INTO boxes VALUES (${n + 1}, 'globex', 'theirs')`,
      change: (n) =>
        `UPDATE things SET box_id = ${n + 1} WHERE id = ${n}; UPDATE parts SET name = 'r' WHERE thing_id = ${n}`,
    });
  });

  it('a row moves, changes, and goes', async () => {
    await convergeInEveryOrder(stores, {
      before: boxOfThree,
      change: (n) =>
        `UPDATE boxes SET tenant_id = 'globex' WHERE id = ${n}; DELETE FROM things WHERE id = ${n + 1}; DELETE FROM boxes WHERE id = ${n}`,
    });
  });
});
