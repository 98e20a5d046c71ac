/** Capture by trigger on real databases: every value exactly, every way to change a row, TRUNCATE never missed, removed without a trace. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fenceStore, installCapture, installSchemas, removeCapture } from '../../lib/application/install/install.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { DROP_PROTOCOL_SCHEMA } from '../../lib/sql/install/schema.ts';
import { expectEqualStores, settle } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const COLUMNS = `
  big bigint, n numeric, money_ money, r real, d double precision, c char(5), bc bpchar, v varchar(9), t text, nm name,
  b boolean, u uuid, raw bytea, dt date, tm time, tz timetz, ts timestamp, tsz timestamptz, i interval, bits bit(5), vb varbit,
  ip inet, net cidr, mac macaddr, x xml, tv tsvector, p point, j json, jb jsonb, ints int[], texts text[], jsons jsonb[], stamps timestamptz[],
  floats float8[], m public.mood, moods public.mood[], pos public.positive, pad public.padded, doc public.document, pair public.pair, pairs public.pair[],
  ir int4range, tr tstzrange, mr nummultirange, fr public.float_range, halved bigint GENERATED ALWAYS AS (big / 2) STORED`;
const SQL = `
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'it''s "fine", {really}');
CREATE DOMAIN public.positive AS int CHECK (value > 0);
CREATE DOMAIN public.padded AS bpchar;
CREATE DOMAIN public.document AS jsonb;
CREATE TYPE public.pair AS (a jsonb, b text, c float8);
CREATE TYPE public.float_range AS RANGE (subtype = float8);
CREATE TABLE public.exact (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ${COLUMNS});
CREATE TABLE public.stamped (at timestamptz, f float8, raw bytea, PRIMARY KEY (at, f, raw));
CREATE TABLE public.rows (id int PRIMARY KEY, note text, other text);
CREATE TABLE public.children (id int PRIMARY KEY, row_id int REFERENCES public.rows ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE public.parts (id int, region text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE public.parts_eu PARTITION OF public.parts FOR VALUES IN ('eu');
CREATE TABLE public.parts_us PARTITION OF public.parts FOR VALUES IN ('us');
`;
const PLAN = 'tenants: none\ntables: { exact: {}, stamped: {}, rows: {}, children: {}, parts: {} }\n';

const HOSTILE = `
SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = -15;
SET bytea_output = 'escape'; SET search_path = pg_temp, public; SET standard_conforming_strings = off; SET xmloption = document;
SET transform_null_equals = on; SET quote_all_identifiers = on; SET plan_cache_mode = force_generic_plan;`;

let test: TestMigration;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(test.deps);
  const migration = await test.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  await turnOn(test.deps, 'forward', { tenant: '*', stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => test?.close());

/** Events of the table since the last call of `mark`. */
let since = '0';
const mark = async () => {
  since = (await test.legacy.query('SELECT coalesce(max(seq), 0)::text AS seq FROM crossfade.outbox')).rows[0].seq;
};
const events = async () =>
  (
    await test.legacy.query(
      'SELECT table_name, row_key, op::text FROM crossfade.outbox WHERE seq > $1::bigint ORDER BY seq',
      [since],
    )
  ).rows.map((row) => `${row.op} ${row.table_name} ${row.row_key}`);

describe('capture by trigger', () => {
  it('carries every type exactly under hostile settings of the session', async () => {
    await test.legacy.query(`${HOSTILE}
      INSERT INTO public.exact (big, n, r, d, tsz, i, raw, fr, tr) VALUES
        (9223372036854775807, 'NaN', '-0', 1.7976931348623157e308, 'infinity', '-1 mon +2 days -03:04:05.000006', decode('00ff5c27', 'hex'), '[0.1,0.30000000000000004)', '[2026-03-04 05:06:07.000008+00,)'),
        (-9223372036854775808, 'Infinity', 3.4028235e38, 5e-324, '-infinity', '1-2', decode('', 'hex'), '(,0.1]', 'empty'),
        (NULL, '-Infinity', 1.17549435e-38, '-0', '0044-03-15 12:00:00+00 BC', '-178000000 years', NULL, NULL, NULL),
        (0, 123456789012345678901234567890.123456789000, 'NaN', 'Infinity', '294276-12-31 23:59:59.999999+00', '0', NULL, NULL, NULL),
        (1, 1.10, 0.1, 0.30000000000000004, '1883-11-18 12:03:58-07:52:58', '1 day', NULL, NULL, NULL);
      RESET ALL;
      INSERT INTO public.exact (money_, c, bc, v, t, nm, b, u, dt, tm, tz, ts, bits, vb, ip, net, mac, x, tv, p, j, jb) VALUES
        ('-92233720368547758.08', 'a', 'b  ', 'c  ', E'\\u00e4 \\n " '' \\\\ \\u0001', 'n m', false, gen_random_uuid(), 'infinity', '24:00', '23:59:59.999999-15:59', '-infinity',
         B'10101', B'', '::ffff:1.2.3.4/128', '10.0.0.0/8', '08:00:2b:01:02:03', '<a b="1">&lt;</a> text', '''it''''s'':1A b:2', '(-0,1e300)', ' {"b":1, "a" : 1.0, "b":2} ', '{"n": 12345678901234567890.10, "z": null}'),
        (NULL, '', '', '', '', NULL, true, NULL, '4713-11-24 BC', '00:00', '00:00+15:59', '0001-01-01 BC', NULL, NULL, '1.2.3.4', NULL, NULL, '', '', NULL, 'null', 'null'),
        ('0.01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '5874897-12-31', NULL, NULL, '294276-12-31 23:59:59.999999', NULL, NULL, '::1/64', NULL, NULL, NULL, NULL, NULL, '"null"', '[null]');
      ${HOSTILE}
      INSERT INTO public.exact (ints, texts, jsons, stamps, floats, m, moods, pos, pad, doc, pair, pairs, ir, mr) VALUES
        ('[-1:1]={1,NULL,3}', ARRAY['', NULL, 'NULL', 'a,b', '"', 'it''s {x}'], ARRAY['null'::jsonb, NULL, '{"a": null}'], ARRAY['2026-01-01 00:00:00.000001+00'::timestamptz, 'infinity'],
         ARRAY[0.1, '-0', 'NaN', 0.30000000000000004]::float8[], 'it''s "fine", {really}', ARRAY['ok', NULL, 'it''s "fine", {really}']::public.mood[], 7, 'x   ', 'null', ROW('null', 'a,"b', 0.30000000000000004)::public.pair,
         ARRAY[ROW('null', NULL, 'NaN')::public.pair, NULL, ROW(NULL, '', NULL)::public.pair], '[1,5)', '{[1.0,2.00),(3,)}'),
        ('{}', '{}', '{}', '{}', '{{1,2},{3,4}}', 'sad', '{}', NULL, '', NULL, ROW(NULL, NULL, NULL)::public.pair, '{}', 'empty', '{}');
      RESET ALL`);

    await settle(test);

    await expectEqualStores(test, await test.load());
    const { rows } = await test.target.query(
      `SELECT count(*)::int AS n, count(halved)::int AS halved, count(jb)::int AS jb, count(j)::int AS j, count(doc)::int AS doc, count(pair)::int AS pair,
              count(*) FILTER (WHERE jsons[1] = 'null' AND jsons[2] IS NULL)::int AS jsons, count(*) FILTER (WHERE (pair).a = 'null')::int AS inner_null, count(*) FILTER (WHERE array_lower(ints, 1) = -1)::int AS bounds FROM public.exact`,
    );
    expect(rows).toEqual([{ n: 10, halved: 4, jb: 3, j: 3, doc: 1, pair: 2, jsons: 1, inner_null: 1, bounds: 1 }]);
  });

  it('follows keys whose printed form hangs on settings', async () => {
    await test.legacy.query(`${HOSTILE}
      INSERT INTO public.stamped VALUES ('2026-03-04 05:06:07.000008+00', 0.30000000000000004, decode('5c00ff', 'hex')), ('infinity', '-0', '')`);
    await test.legacy.query('RESET ALL');
    await settle(test);

    await test.legacy.query(`${HOSTILE} DELETE FROM public.stamped WHERE at = 'infinity'; RESET ALL`);
    await settle(test);

    await expectEqualStores(test, await test.load());
    expect((await test.target.query('SELECT count(*)::int AS n FROM public.stamped')).rows).toEqual([{ n: 1 }]);
  });

  it('captures what savepoints leave, and the row as other AFTER triggers leave it', async () => {
    await test.legacy.query(`CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE public.rows SET other = 'touched' WHERE id = NEW.id; RETURN NULL; END $$;
      CREATE TRIGGER aa_touch AFTER INSERT OR UPDATE ON public.rows FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.touch();
      CREATE TRIGGER zz_touch AFTER INSERT OR UPDATE ON public.rows FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.touch()`);
    await mark();

    await test.legacy.query(`BEGIN; INSERT INTO public.rows VALUES (1, 'kept'); SAVEPOINT s; UPDATE public.rows SET note = 'lost' WHERE id = 1; INSERT INTO public.rows VALUES (2, 'lost');
      ROLLBACK TO s; SAVEPOINT r; UPDATE public.rows SET note = 'released' WHERE id = 1; RELEASE r; COMMIT`);

    const { rows } = await test.legacy.query(
      `SELECT DISTINCT row_key, (SELECT payload FROM crossfade.outbox AS l WHERE l.row_key = o.row_key AND l.table_name = 'rows' ORDER BY seq DESC LIMIT 1) ->> 'note' AS last FROM crossfade.outbox AS o WHERE seq > $1::bigint`,
      [since],
    );
    expect(rows).toEqual([{ row_key: '[1]', last: 'released' }]);
    await test.legacy.query('DROP TRIGGER aa_touch ON public.rows; DROP TRIGGER zz_touch ON public.rows');
    await settle(test);
    expect((await test.target.query('SELECT note, other FROM public.rows')).rows).toEqual([
      { note: 'released', other: 'touched' },
    ]);
  });

  it('captures COPY, MERGE, ON CONFLICT DO UPDATE and cascades, and nothing where no row was touched', async () => {
    await test.legacy.query(
      `INSERT INTO public.rows VALUES (10, 'a'), (11, 'b'); INSERT INTO public.children VALUES (1, 10)`,
    );
    await mark();

    await test.legacy.query(
      `CREATE TEMP TABLE source AS SELECT 11 AS id, 'merged' AS note UNION ALL SELECT 12, 'merged'`,
    );
    await test.legacy.query(
      'MERGE INTO public.rows AS r USING source AS s ON r.id = s.id WHEN MATCHED THEN UPDATE SET note = s.note WHEN NOT MATCHED THEN INSERT (id, note) VALUES (s.id, s.note)',
    );
    await test.legacy.query(
      `INSERT INTO public.rows VALUES (10, 'conflict') ON CONFLICT (id) DO UPDATE SET note = excluded.note`,
    );
    await test.legacy.query(`INSERT INTO public.rows VALUES (10, 'ignored') ON CONFLICT DO NOTHING`);
    await test.legacy.query('DELETE FROM public.rows WHERE id = 999');
    await test.legacy.query(`COPY public.rows (id, note) FROM PROGRAM 'echo 13,copied' WITH (FORMAT csv)`);
    await test.legacy.query('UPDATE public.rows SET id = 20 WHERE id = 10');
    await test.legacy.query('DELETE FROM public.rows WHERE id = 20');

    expect((await events()).toSorted()).toEqual(
      [
        'U rows [11]',
        'U rows [12]',
        'U rows [10]',
        'U rows [13]',
        'D rows [10]',
        'U rows [20]',
        'U children [1]',
        'D rows [20]',
        'D children [1]',
      ].toSorted(),
    );
    await settle(test);
    await expectEqualStores(test, await test.load());
  });

  it('follows a row from one partition to another, and one that a session as a replica wrote', async () => {
    await test.legacy.query(`INSERT INTO public.parts VALUES (1, 'eu', 'moves'), (2, 'us', 'stays')`);
    await mark();

    await test.legacy.query(`UPDATE public.parts SET region = 'us' WHERE id = 1`);
    await test.legacy.query(
      `SET session_replication_role = replica; UPDATE public.parts_us SET note = 'as replica' WHERE id = 2; RESET session_replication_role`,
    );

    expect((await events()).toSorted()).toEqual(['D parts [1, "eu"]', 'U parts [1, "us"]', 'U parts [2, "us"]']);
    await settle(test);
    await expectEqualStores(test, await test.load());
  });

  it('refuses TRUNCATE of a table, of its parent with CASCADE, of a partition, and as a replica', async () => {
    await mark();
    for (const sql of [
      'TRUNCATE public.rows, public.children',
      'TRUNCATE public.rows CASCADE',
      'TRUNCATE public.parts',
      'TRUNCATE public.parts_eu',
      'SET LOCAL session_replication_role = replica; TRUNCATE public.parts_us',
    ]) {
      await expect(test.legacy.query(`BEGIN; ${sql}; COMMIT`)).rejects.toThrow(/TRUNCATE has no rows/);
      await test.legacy.query('ROLLBACK');
    }

    expect(await events()).toEqual([]);
  });

  it('leaves no trace of capture in the catalogue when it is removed', async () => {
    const catalogue = async () =>
      (
        await test.legacy.query(
          `SELECT 'trigger ' || tgname || tgrelid::regclass AS object FROM pg_trigger UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
           UNION ALL SELECT 'relation ' || oid::regclass || relhastriggers FROM pg_class WHERE relnamespace = 'public'::regnamespace
           UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_' UNION ALL SELECT 'grant ' || relname || relacl::text FROM pg_class WHERE relacl IS NOT NULL ORDER BY 1`,
        )
      ).rows.map(({ object }) => object);
    const migration = await test.load();
    await removeCapture(migration, 'forward');
    await test.legacy.query(DROP_PROTOCOL_SCHEMA.text);
    const before = await catalogue();
    await installSchemas(test.deps);
    await installCapture(migration, 'forward');
    expect(await catalogue()).not.toEqual(before);

    await removeCapture(migration, 'forward');
    await test.legacy.query(DROP_PROTOCOL_SCHEMA.text);

    expect(await catalogue()).toEqual(before);
    expect(before.filter((object) => object.includes('crossfade'))).toEqual([]);
  });
});
