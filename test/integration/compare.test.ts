/** The comparison on real databases of two majors: planted differences of every kind are found, and nothing else is. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installSchemas } from '../../lib/application/install/install.ts';
import { type Migration, tableNamed } from '../../lib/application/migration.ts';
import { cutTable } from '../../lib/application/reconcile/chunk-table.ts';
import { compareSpan } from '../../lib/application/reconcile/compare-span.ts';
import { type Comparison, planComparison } from '../../lib/application/reconcile/comparison.ts';
import { nameColumns } from '../../lib/application/reconcile/name-columns.ts';
import type { CompareMode, DigestForm } from '../../lib/domain/digest.ts';
import { NO_TENANT } from '../../lib/domain/table.ts';
import { digestRange, type RangeDigest } from '../../lib/sql/compare/digest-range.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

/** Values that are easily spoilt, one column a type, keyed by a bigint. */
const VALUES_SQL = `
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TABLE public.vals (
  id bigint PRIMARY KEY, a text, b text, c text, n numeric, d double precision, f real, ts timestamptz, day date, span interval,
  j jsonb, doc json, raw bytea, tags text[], u uuid, mood public.mood, flag boolean, code character(4), bits bit(3), rng int4range
);
INSERT INTO public.vals SELECT i, 'a' || i, NULL, '', i + 0.10, i / 3.0, i / 7.0, '2026-01-01 00:00+00'::timestamptz + i * interval '1 hour', '2026-01-01'::date + i::integer,
  make_interval(days => i::integer), jsonb_build_object('i', i, 'l', ARRAY[1, NULL]), '{"z": 1,  "a": 2}', decode(lpad(to_hex(i), 8, '0'), 'hex'),
  ARRAY['x', NULL, i::text], ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, 'ok', i % 2 = 0, 'ab', B'101', int4range(1, 9)
FROM generate_series(1, 60) AS i;
`;

/** Keys of several columns under collations that order differently in the two stores; uuid and text keys; mapping, owned and dropped columns. */
const LEGACY_SHAPES = `
CREATE TABLE public.notes (name text COLLATE "LEGACY_COLLATION", at date, body text, first_name text, last_name text, junk text, PRIMARY KEY (name, at));
CREATE TABLE public.things (id uuid PRIMARY KEY, price numeric(10,2), seen timestamp);
CREATE TABLE public.weights (w numeric PRIMARY KEY, v text);
INSERT INTO public.notes SELECT n, '2026-01-01'::date + i, n || i, 'Ann', 'Lee', 'x' FROM unnest(ARRAY['a', 'B', 'ä', 'Z', '_', 'A b', 'a''c', '']) AS n, generate_series(1, 5) AS i;
INSERT INTO public.things SELECT gen_random_uuid(), i, '2026-01-01'::timestamp + i * interval '1 second' FROM generate_series(1, 50) AS i;
INSERT INTO public.weights VALUES (1.0, 'one'), (2.50, 'two and a half'), (10, 'ten');
`;
const TARGET_SHAPES = `
CREATE TABLE public.notes (name text COLLATE "C", at date, body text, full_name text, score integer DEFAULT 7, PRIMARY KEY (name, at));
CREATE TABLE public.things (id uuid PRIMARY KEY, price numeric(12,4), seen timestamp);
CREATE TABLE public.weights (w numeric PRIMARY KEY, v text);
`;
const PLAN = `
tenants: none
reconcile: { chunkRows: 10, splitRows: 3 }
tables:
  vals: { criticalColumns: [n] }
`;
const SHAPES_PLAN = `
tenants: none
reconcile: { chunkRows: 10, splitRows: 3 }
tables:
  notes:
    columns:
      full_name: { from: "first_name || ' ' || last_name", oneWay: true }
      score: { owner: target }
      first_name: { drop: true }
      last_name: { drop: true }
      junk: { drop: true }
  things: {}
  weights: {}
`;

let vals: TestMigration;
let shapes: TestMigration;

beforeAll(async () => {
  vals = await aMigration({ plan: PLAN, legacySql: VALUES_SQL });
  await installSchemas(vals.deps);
  shapes = await aMigration({
    plan: SHAPES_PLAN,
    legacySql: LEGACY_SHAPES.replace('LEGACY_COLLATION', 'en-x-icu'),
    targetSql: TARGET_SHAPES,
  });
  await installSchemas(shapes.deps);
  await copyShapes();
});

afterAll(async () => {
  await vals?.close();
  await shapes?.close();
});

async function copyShapes(): Promise<void> {
  const { rows: notes } = await shapes.legacy.query('SELECT name, at::text, body FROM notes');
  for (const row of notes)
    await shapes.target.query('INSERT INTO notes VALUES ($1, $2, $3, $4)', [row.name, row.at, row.body, 'Ann Lee']);
  for (const [table, columns] of [
    ['things', 'id::text, price::text, seen::text'],
    ['weights', 'w::text, v'],
  ] as const) {
    const { rows } = await shapes.legacy.query({ text: `SELECT ${columns} FROM ${table}`, rowMode: 'array' });
    for (const row of rows) {
      const places = row.map((_: unknown, index: number) => `$${index + 1}`).join(', ');
      await shapes.target.query(`INSERT INTO ${table} VALUES (${places})`, row);
    }
  }
}

async function compare(test: TestMigration, table: string, mode: CompareMode, form: DigestForm) {
  const migration = await test.load();
  const comparison = await planComparison(migration, 'forward', { mode, form, tenants: [NO_TENANT], tables: [table] });
  return compareAll(migration, comparison, table);
}

async function compareAll(migration: Migration, comparison: Comparison, table: string) {
  const compared = comparison.tables.find((candidate) => candidate.table === table);
  if (compared === undefined) throw new Error(`${table} is not compared`);
  const results = [];
  for await (const span of cutTable(migration, table)) results.push(await compareSpan(migration, compared, span));
  return {
    form: compared.fingerprint.form,
    chunks: results.reduce((sum, result) => sum + result.chunks, 0),
    differing: results.flatMap((result) => result.differing).length,
    rows: results.reduce((sum, result) => sum + result.rows, 0),
    keys: results.flatMap((result) => result.keys).sort(),
  };
}

describe('rows that are equal', () => {
  it.each(['fast', 'exact', 'md5'] as const)('have equal digests in PostgreSQL 15 and 17 (%s)', async (form) => {
    const result = await compare(vals, 'vals', 'checksum', form);

    expect(result).toMatchObject({ chunks: 7, differing: 0, rows: 60, keys: [] });
  });

  it('are equal under keys of every shape, whatever the collations are', async () => {
    for (const form of ['fast', 'exact'] as const) {
      expect(await compare(shapes, 'notes', 'checksum', form)).toMatchObject({ form, differing: 0, rows: 40 });
      expect(await compare(shapes, 'things', 'checksum', form)).toMatchObject({ form, differing: 0, rows: 50 });
      expect(await compare(shapes, 'weights', 'checksum', form)).toMatchObject({ form, differing: 0, rows: 3 });
    }
  });

  it('have the same digest under any session settings', async () => {
    const migration = await vals.load();
    const table = tableNamed(migration, 'vals');
    const range = { after: null, through: null };
    const statement = digestRange(table, migration.byName, 'legacy', range, null, {
      form: 'exact',
      columns: 'all',
    });
    const digests = new Set<string>();
    for (const settings of [
      '',
      `SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'iso_8601'`,
      `SET extra_float_digits = -5; SET bytea_output = 'escape'; SET search_path = pg_catalog; SET client_encoding = 'LATIN1'`,
    ]) {
      await vals.legacy.query(settings);
      const { rows } = await vals.legacy.query<RangeDigest>({ text: statement.text, values: [...statement.values] });
      digests.add(rows[0]?.digest ?? '');
      await vals.legacy.query('RESET ALL');
    }

    expect(digests.size).toBe(1);
  });

  it('are compared by the fast form although a type has no hash, or one that another database does not share', async () => {
    // vals has an enum, whose hash is made of an OID, and a json column, which has none.
    expect((await compare(vals, 'vals', 'checksum', 'fast')).form).toBe('fast');
  });
});

describe('planted differences', () => {
  it.each([
    ['NULL against an empty string', `b = ''`, ['b']],
    ['a NULL that changes its place', `a = NULL, b = 'a7'`, ['a', 'b']],
    ['a delimiter that moves', `a = 'a7|', c = ''`, ['a']],
    ['a trailing space', `a = 'a7 '`, ['a']],
    ['numeric scale', 'n = n + 0.00000', ['n']],
    ['the last bit of a double', `d = d * (1 + 2.3e-16)`, ['d']],
    ['the sign of zero', `f = '-0'`, ['f']],
    ['a timestamp by a microsecond', `ts = ts + interval '1 microsecond'`, ['ts']],
    ['a day', `day = 'infinity'`, ['day']],
    ['an interval that prints alike in another unit', `span = interval '168 hours'`, ['span']],
    ['a number inside jsonb', `j = jsonb_set(j, '{i}', '7.0')`, ['j']],
    ['white space inside json', `doc = '{"z":1,"a":2}'`, ['doc']],
    ['one bit of a bytea', `raw = '\\x00000006'`, ['raw']],
    ['NULL inside an array', `tags = ARRAY['x', 'NULL', '7']`, ['tags']],
    ['an enum', `mood = 'sad'`, ['mood']],
    ['a boolean', 'flag = NULL', ['flag']],
    ['a bit', `bits = B'100'`, ['bits']],
    ['a range bound', 'rng = int4range(1, 10)', ['rng']],
  ])('%s', async (_, change, columns) => {
    await vals.target.query(`UPDATE vals SET ${change} WHERE id = 7`);

    const result = await compare(vals, 'vals', 'checksum', 'exact');
    const named = await nameColumns(await vals.load(), 'vals', ['[7]']);

    expect(result).toMatchObject({ differing: 1, keys: ['[7]'] });
    expect(named.get('[7]')).toEqual(columns);
    await restore(7);
  });

  it('finds rows that one store lacks, before the first key and behind the last one too', async () => {
    await vals.target.query(`INSERT INTO vals (id, a) VALUES (-5, 'x'), (1000, 'y')`);
    await vals.target.query('DELETE FROM vals WHERE id IN (1, 30, 60)');

    const result = await compare(vals, 'vals', 'checksum', 'exact');
    const counted = await compare(vals, 'vals', 'count', 'exact');

    expect(result.keys).toEqual(['[-5]', '[1000]', '[1]', '[30]', '[60]']);
    expect(counted.keys).toEqual(result.keys);
    await vals.target.query('DELETE FROM vals WHERE id IN (-5, 1000)');
    for (const id of [1, 30, 60]) await restore(id);
  });

  it('compares critical columns by value in mode count, and other columns not', async () => {
    await vals.target.query(`UPDATE vals SET n = 1 WHERE id = 3; UPDATE vals SET a = 'other' WHERE id = 4`);

    expect((await compare(vals, 'vals', 'count', 'fast')).keys).toEqual(['[3]']);
    expect((await compare(vals, 'vals', 'columns', 'fast')).keys).toEqual(['[3]', '[4]']);
    for (const id of [3, 4]) await restore(id);
  });

  it('finds a row that changed under a composite key of another collation, and looks through the mapping', async () => {
    await shapes.target.query(`UPDATE notes SET full_name = 'Ann  Lee' WHERE name = 'ä' AND at = '2026-01-03'`);
    await shapes.target.query('UPDATE notes SET score = 99');

    for (const form of ['fast', 'exact'] as const)
      expect((await compare(shapes, 'notes', 'checksum', form)).keys).toEqual(['["ä", "2026-01-03"]']);
    await shapes.target.query(`UPDATE notes SET full_name = 'Ann Lee'`);
  });

  it('sees with the exact form, and not with the fast one, what SQL calls equal', async () => {
    await shapes.target.query(`UPDATE weights SET w = 2.5 WHERE w = 2.50`);

    expect((await compare(shapes, 'weights', 'checksum', 'fast')).keys).toEqual([]);
    expect((await compare(shapes, 'weights', 'checksum', 'exact')).keys).toEqual(['[2.5]']);
  });

  it('finds a changed uuid-keyed row with the fast form', async () => {
    const { rows } = await shapes.target.query('UPDATE things SET price = 0.0001 WHERE price = 9 RETURNING id');

    const result = await compare(shapes, 'things', 'checksum', 'fast');

    expect(result).toMatchObject({ form: 'fast', keys: [`["${rows[0].id}"]`] });
  });
});

async function restore(id: number): Promise<void> {
  const { rows } = await vals.legacy.query('SELECT row_to_json(v)::text AS row FROM vals v WHERE id = $1', [id]);
  await vals.target.query('DELETE FROM vals WHERE id = $1', [id]);
  await vals.target.query('INSERT INTO vals SELECT * FROM json_populate_record(NULL::vals, $1::json)', [rows[0].row]);
}
