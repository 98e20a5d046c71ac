/** What Crossfade may rely on from SQL, whichever driver is behind it (lib/ports/sql.ts). */
import { beforeAll, describe, expect, test } from 'vitest';
import { SqlError, type SqlRow, type SqlSession, type SqlStore } from '../../lib/ports/sql.ts';
import type { SqlValue, Statement } from '../../lib/sql/statement.ts';

export interface OpenedSql {
  /** A session of a superuser in an empty database. */
  readonly store: SqlStore;
  /** The same database with a wrong password. */
  readonly wrongSecret: SqlStore;
  /** A server that nobody listens at. */
  readonly unreachable: SqlStore;
}

export function describeSqlStore(name: string, open: () => Promise<OpenedSql>): void {
  describe(`SqlStore over ${name}`, () => {
    let opened: OpenedSql;
    let store: SqlStore;

    beforeAll(async () => {
      opened = await open();
      store = opened.store;
      await run(store, 'CREATE TABLE parent (id int PRIMARY KEY)');
      await run(
        store,
        'CREATE TABLE item (id int PRIMARY KEY, email text CONSTRAINT item_email UNIQUE, parent int CONSTRAINT item_parent REFERENCES parent, amount int CHECK (amount > 0))',
      );
    });

    describe('values', () => {
      test('small integers and floats come back as numbers, booleans as booleans, NULL as null', async () => {
        const [row] = await run(
          store,
          `SELECT 1::int2 AS a, (-2147483648)::int4 AS b, 1.5::float4 AS c, 0.1::float8 AS d, true AS e, false AS f, NULL::int4 AS g, NULL::text AS h`,
        );

        expect(row).toEqual({ a: 1, b: -2147483648, c: 1.5, d: 0.1, e: true, f: false, g: null, h: null });
      });

      test('everything else comes back as the text that PostgreSQL prints', async () => {
        const [row] = await run(
          store,
          `SELECT 9223372036854775807::int8 AS long, 3.10::numeric AS money, 'ä\n"b"'::text AS words, '' AS empty, '7'::xid8 AS xid,
             'b6d9bd6e-7a02-4d2c-8d07-0b1c7c4bd2a3'::uuid AS id, '{"a": 1}'::jsonb AS body, 12::oid AS oid, 'x'::name AS name, '\\xbeef'::bytea AS bytes`,
        );

        expect(row).toEqual({
          long: '9223372036854775807',
          money: '3.10',
          words: 'ä\n"b"',
          empty: '',
          xid: '7',
          id: 'b6d9bd6e-7a02-4d2c-8d07-0b1c7c4bd2a3',
          body: '{"a": 1}',
          oid: '12',
          name: 'x',
          bytes: '\\xbeef',
        });
      });

      test('parameters arrive with the type that the query casts them to', async () => {
        const [row] = await run(
          store,
          `SELECT $1::text AS a, $2::int AS b, $3::float8 AS c, $4::boolean AS d, $5::bigint AS e, $6::text AS f, $7::jsonb ->> 'k' AS g, $8::uuid AS h, $9::numeric AS i`,
          ['x', 7, 2.5, true, 9007199254740993n, null, '{"k":"v"}', 'b6d9bd6e-7a02-4d2c-8d07-0b1c7c4bd2a3', '0.30'],
        );

        expect(row).toEqual({
          a: 'x',
          b: 7,
          c: 2.5,
          d: true,
          e: '9007199254740993',
          f: null,
          g: 'v',
          h: 'b6d9bd6e-7a02-4d2c-8d07-0b1c7c4bd2a3',
          i: '0.30',
        });
      });

      test('one parameter may be used twice, in any order, and more than nine are told apart', async () => {
        const values = Array.from({ length: 11 }, (_, index) => `v${index + 1}`);

        const [row] = await run(
          store,
          'SELECT $11::text || $1::text || $1::text AS a, $10::text AS b, $2::text||$3||$4||$5||$6||$7||$8||$9 AS c',
          values,
        );

        expect(row).toEqual({ a: 'v11v1v1', b: 'v10', c: 'v2v3v4v5v6v7v8v9' });
      });

      test('a dollar sign inside strings, identifiers, comments and dollar quotes is no parameter', async () => {
        const text = `SELECT '$1' AS "$1", E'it\\'s $1' AS b, $$it's $1$$ AS c, $tag$ $$ $1 $tag$ AS d, ':p1 :x' AS e, $1::text AS f -- $2 it's
          /* $3 /* nested ' $4 */ ' $5 */`;

        const [row] = await run(store, text, ['real']);

        expect(row).toEqual({ $1: '$1', b: "it's $1", c: "it's $1", d: ' $$ $1 ', e: ':p1 :x', f: 'real' });
      });

      test('a list travels as JSON text and is unnested in SQL', async () => {
        const rows = await run(store, 'SELECT value::int AS n FROM jsonb_array_elements_text($1::jsonb) ORDER BY 1', [
          JSON.stringify([3, 1, 2]),
        ]);

        expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
      });

      test('a statement without a result has no rows, and RETURNING has them', async () => {
        expect(await run(store, 'INSERT INTO parent (id) VALUES (100)')).toEqual([]);
        expect(await run(store, 'UPDATE parent SET id = 101 WHERE id = 100 RETURNING id')).toEqual([{ id: 101 }]);
        expect(await run(store, 'SELECT id FROM parent WHERE id = 100')).toEqual([]);
      });

      test('a function body keeps its dollar signs and colons', async () => {
        await run(
          store,
          'CREATE FUNCTION twice(int) RETURNS int LANGUAGE plpgsql AS $body$ DECLARE n int := 2; BEGIN RETURN $1 * n; END $body$',
        );

        expect(await run(store, 'SELECT twice($1::int) AS n', [21])).toEqual([{ n: 42 }]);
      });
    });

    describe('transactions', () => {
      test('commit what was done when the work resolves, and hand on its result', async () => {
        const answer = await store.transaction(async (session) => {
          await run(session, 'INSERT INTO parent (id) VALUES (1)');
          return 'done';
        });

        expect(answer).toBe('done');
        expect(await countParents(store, 1)).toBe(1);
      });

      test('undo everything when the work throws, and throw what it threw', async () => {
        const failure = new Error('changed my mind');

        const attempt = store.transaction(async (session) => {
          await run(session, 'INSERT INTO parent (id) VALUES (2)');
          throw failure;
        });

        await expect(attempt).rejects.toBe(failure);
        expect(await countParents(store, 2)).toBe(0);
      });

      test('are invisible to others before their commit', async () => {
        const seen = await store.transaction(async (session) => {
          await run(session, 'INSERT INTO parent (id) VALUES (3)');
          return [await countParents(session, 3), await countParents(store, 3)];
        });

        expect(seen).toEqual([1, 0]);
      });

      test('run at READ COMMITTED', async () => {
        const level = await store.transaction((session) =>
          run(session, `SELECT current_setting('transaction_isolation') AS level`),
        );

        expect(level).toEqual([{ level: 'read committed' }]);
      });

      test('refuse to write when they are read-only', async () => {
        const attempt = store.transaction((session) => run(session, 'INSERT INTO parent (id) VALUES (4)'), {
          readOnly: true,
        });

        await expect(attempt).rejects.toMatchObject({ sqlState: '25006' });
      });

      test('run queries of Promise.all one after the other', async () => {
        const rows = await store.transaction((session) =>
          Promise.all([1, 2, 3].map((n) => run(session, 'SELECT $1::int AS n', [n]))),
        );

        expect(rows).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]]);
      });

      test('never commit after a failed statement, even when the work swallowed the error', async () => {
        const attempt = store.transaction(async (session) => {
          await run(session, 'INSERT INTO parent (id) VALUES (5)');
          await run(session, 'SELECT 1 / 0').catch(() => undefined);
        });

        await expect(attempt).rejects.toMatchObject({ sqlState: '22012' });
        expect(await countParents(store, 5)).toBe(0);
      });

      test('are ended by the first failed statement: no savepoint brings them back', async () => {
        const attempt = store.transaction(async (session) => {
          await run(session, 'INSERT INTO parent (id) VALUES (6)');
          await run(session, 'SAVEPOINT before');
          await run(session, 'SELECT 1 / 0').catch(() => undefined);
          await run(session, 'ROLLBACK TO SAVEPOINT before');
        });

        await expect(attempt).rejects.toMatchObject({
          kind: 'transient',
          message: expect.stringContaining('earlier statement'),
        });
        expect(await countParents(store, 6)).toBe(0);
      });

      test('refuse a statement that comes after their end', async () => {
        let kept: SqlSession | undefined;
        await store.transaction(async (session) => {
          kept = session;
        });

        await expect(run(kept ?? store, 'SELECT 1')).rejects.toThrow(/after the end of its transaction/);
      });

      test('fail at commit when a deferred constraint is broken, and keep nothing', async () => {
        await run(store, 'CREATE TABLE later (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)');

        const attempt = store.transaction((session) => run(session, 'INSERT INTO later (id) VALUES (999)'));

        await expect(attempt).rejects.toMatchObject({ kind: 'foreign-key' });
        expect(await run(store, 'SELECT id FROM later')).toEqual([]);
      });

      test('leave the store usable after every kind of failure', async () => {
        for (let attempt = 0; attempt < 20; attempt += 1) {
          await store.transaction((session) => run(session, 'SELECT 1 / 0')).catch(() => undefined);
        }

        expect(await run(store, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      });
    });

    describe('errors', () => {
      const cases: readonly { readonly what: string; readonly text: string; readonly expected: Partial<SqlError> }[] = [
        {
          what: 'a unique violation',
          text: `INSERT INTO item (id, email) VALUES (1, 'hidden@x.test'), (2, 'hidden@x.test')`,
          expected: { kind: 'unique', sqlState: '23505', constraint: 'item_email' },
        },
        {
          what: 'a missing parent',
          text: 'INSERT INTO item (id, parent) VALUES (3, 77123)',
          expected: { kind: 'foreign-key', sqlState: '23503', constraint: 'item_parent' },
        },
        {
          what: 'a check violation',
          text: 'INSERT INTO item (id, amount) VALUES (4, -77123)',
          expected: { kind: 'permanent', sqlState: '23514', constraint: 'item_amount_check' },
        },
        {
          what: 'a value of the wrong form',
          text: `SELECT 'hidden-77123'::int`,
          expected: { kind: 'permanent', sqlState: '22P02' },
        },
        {
          what: 'a value out of range',
          text: `SELECT '77123771237712377123'::int`,
          expected: { kind: 'permanent', sqlState: '22003' },
        },
        { what: 'a missing table', text: 'SELECT * FROM nowhere', expected: { kind: 'permanent', sqlState: '42P01' } },
        {
          what: 'a cancelled statement',
          text: `SELECT set_config('statement_timeout', '50', true), pg_sleep(10)`,
          expected: { kind: 'transient', sqlState: '57014' },
        },
        {
          what: 'a serialization failure',
          text: `DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$`,
          expected: { kind: 'transient', sqlState: '40001' },
        },
        {
          what: 'an exception of a trigger',
          text: `DO $$ BEGIN RAISE EXCEPTION 'row hidden-77123'; END $$`,
          expected: { kind: 'permanent', sqlState: 'P0001' },
        },
        {
          what: 'a missing privilege',
          text: 'SELECT * FROM guarded',
          expected: { kind: 'configuration', sqlState: '42501' },
        },
      ];

      test.each(cases)('$what is $expected.kind, and its message holds no value', async ({ text, expected }) => {
        const error = await failureOf(async () => {
          if (expected.sqlState === '42501') await prepareGuarded(store);
          if (expected.sqlState === '57014') return cancelled(store);
          return store.transaction(async (session) => {
            if (expected.sqlState === '42501') await run(session, 'SET LOCAL ROLE guest');
            return run(session, text);
          });
        });

        expect(error).toBeInstanceOf(SqlError);
        expect(error).toMatchObject(expected);
        expect(`${error.message}${String(error.cause ?? '')}`).not.toMatch(/hidden|77123/);
      });

      test('a lock that is not granted is transient', async () => {
        const error = await store.transaction(async (holder) => {
          await run(holder, 'LOCK TABLE parent IN ACCESS EXCLUSIVE MODE');
          return failureOf(() =>
            store.transaction((session) => run(session, 'LOCK TABLE parent IN ACCESS EXCLUSIVE MODE NOWAIT')),
          );
        });

        expect(error).toMatchObject({ kind: 'transient', sqlState: '55P03' });
      });

      test('a wrong password is a configuration error that does not repeat it', async () => {
        const error = await failureOf(() => run(opened.wrongSecret, 'SELECT 1'));

        expect(error).toMatchObject({ kind: 'configuration' });
        expect(error.message).not.toContain('wrong-password');
      });

      test('a server that nobody listens at is unavailable', async () => {
        expect(await failureOf(() => run(opened.unreachable, 'SELECT 1'))).toMatchObject({ kind: 'unavailable' });
        expect(
          await failureOf(() => opened.unreachable.transaction((session) => run(session, 'SELECT 1'))),
        ).toMatchObject({ kind: 'unavailable' });
      });
    });
  });
}

function run(session: SqlSession, text: string, values: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
  const statement: Statement = { text, values };
  return session.query(statement);
}

async function countParents(session: SqlSession, id: number): Promise<number> {
  const [row] = await session.query<{ n: number }>({
    text: 'SELECT count(*)::int AS n FROM parent WHERE id = $1::int',
    values: [id],
  });
  return row?.n ?? -1;
}

async function prepareGuarded(store: SqlStore): Promise<void> {
  await run(store, 'CREATE TABLE guarded (id int)');
  await run(store, `DO $$ BEGIN IF to_regrole('guest') IS NULL THEN CREATE ROLE guest; END IF; END $$`);
}

async function cancelled(store: SqlStore): Promise<void> {
  await store.transaction(async (session) => {
    await run(session, `SET LOCAL statement_timeout = '50ms'`);
    await run(session, 'SELECT pg_sleep(10)::text');
  });
}

async function failureOf(act: () => Promise<unknown>): Promise<SqlError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof SqlError) return error;
    throw error;
  }
  throw new Error('it was expected to fail, and did not');
}
