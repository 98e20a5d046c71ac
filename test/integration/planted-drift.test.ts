/**
 * The list of planted differences and the form that must see each (design §4): `fast` sees what `=` sees, `exact` sees how a value is
 * represented, and neither sees two spellings of one value. All of them lie in the stores at once, so that nothing else is found either.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { installSchemas } from '../../lib/application/install/install.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { comparePass, type PassResult } from '../../lib/application/reconcile/compare-pass.ts';
import { planComparison } from '../../lib/application/reconcile/comparison.ts';
import { DIGEST_FORMS, type DigestForm } from '../../lib/domain/digest.ts';
import { STORES } from '../../lib/domain/direction.ts';
import { NO_TENANT } from '../../lib/domain/table.ts';
import { BUILT_IN_TYPES } from '../../lib/sql/compare/compared-types.ts';
import { startTestDataApi } from '../support/data-api.ts';
import { EVERY_TYPE_SQL } from '../support/every-type.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { overDataApi } from '../support/over-data-api.ts';

type Seen = 'both' | 'exact' | 'neither';
/** What differs, its column, SQL of the value in legacy and in the target, and who must see it. */
type Planted = readonly [what: string, column: string, legacy: string, target: string, seen: Seen];

/** Ten million bits. */
const BITS = `decode(repeat('a5', 1250000), 'hex')`;

const PLANTED: readonly Planted[] = [
  ['NULL against an empty string', 'note', `NULL`, `''`, 'both'],
  ['NULL against the word', 'note', `NULL`, `'NULL'`, 'both'],
  ['a trailing space', 'note', `'ab'`, `'ab '`, 'both'],
  ['a leading space', 'note', `'ab'`, `' ab'`, 'both'],
  ['only spaces against nothing', 'note', `''`, `' '`, 'both'],
  ['a line feed against both ends', 'note', `E'a\\nb'`, `E'a\\r\\nb'`, 'both'],
  ['a capital letter', 'note', `'ab'`, `'Ab'`, 'both'],
  ['composed against decomposed unicode', 'note', `U&'\\00e9'`, `U&'e\\0301'`, 'both'],
  ['a quotation mark', 'note', `'"'`, `''''`, 'both'],
  ['a backslash', 'note', `E'\\\\'`, `E'\\\\\\\\'`, 'both'],
  ['letters beyond the basic plane', 'note', `'𐍈'`, `'𐍉'`, 'both'],
  ['a capital letter under a collation that ignores case', 'loose', `'ab'`, `'AB'`, 'both'],
  ['an accent under a collation that ignores it', 'loose', `'cafe'`, `'café'`, 'both'],
  ['a capital letter in citext', 'folded', `'ab'`, `'AB'`, 'both'],
  ['padding of char(n)', 'code', `'ab'`, `'ab  '`, 'neither'],
  ['another char(n)', 'code', `'ab'`, `'abc'`, 'both'],
  ['a blank in varchar(n)', 'short', `'ab'`, `'ab '`, 'both'],
  ['a character', 'letter', `'a'`, `'b'`, 'both'],
  ['a name', 'label', `'ab'`, `'ac'`, 'both'],
  ['numeric scale', 'amount', `3.10`, `3.1`, 'exact'],
  ['numeric scale of zero', 'amount', `0`, `0.00`, 'exact'],
  ['the last digit of a long number', 'amount', `12345678901234567890123.1`, `12345678901234567890123.2`, 'both'],
  ['the sign of a number', 'amount', `1`, `-1`, 'both'],
  ['the sign of a number of fixed scale', 'price', `1`, `-1`, 'both'],
  ['NaN against NULL', 'amount', `'NaN'`, `NULL`, 'both'],
  ['NaN against infinity', 'amount', `'NaN'`, `'Infinity'`, 'both'],
  ['infinity against its negative', 'amount', `'Infinity'`, `'-Infinity'`, 'both'],
  ['zero against NULL', 'amount', `0`, `NULL`, 'both'],
  ['minus zero of numeric, which there is not', 'amount', `0`, `-0`, 'neither'],
  ['one number written in two ways', 'amount', `1e2`, `100`, 'neither'],
  ['a number of fixed scale', 'price', `3.10`, `3.11`, 'both'],
  ['a fixed scale that is written out', 'price', `3.1`, `3.10`, 'neither'],
  ['a smallint', 'small', `1`, `2`, 'both'],
  ['an integer', 'middle', `-1`, `1`, 'both'],
  ['one bit of a bigint', 'big', `9223372036854775807`, `9223372036854775806`, 'both'],
  ['the highest bit of a bigint', 'big', `0`, `-9223372036854775808`, 'both'],
  ['the last bit of a double', 'ratio', `0.1`, `0.10000000000000002`, 'both'],
  ['0.1 + 0.2', 'ratio', `0.3`, `0.1::float8 + 0.2::float8`, 'both'],
  ['minus zero of a double', 'ratio', `0`, `'-0'`, 'exact'],
  ['NaN of a double against infinity', 'ratio', `'NaN'`, `'Infinity'`, 'both'],
  ['a NaN that was calculated', 'ratio', `'NaN'`, `'Infinity'::float8 - 'Infinity'::float8`, 'neither'],
  ['the last bit of a real', 'share', `0.1`, `0.10000001`, 'both'],
  ['minus zero of a real', 'share', `'-0'`, `0`, 'exact'],
  ['true against false', 'flag', `true`, `false`, 'both'],
  ['false against NULL', 'flag', `false`, `NULL`, 'both'],
  ['one of ten million bits', 'raw', BITS, `set_bit(${BITS}, 4999999, 1 - get_bit(${BITS}, 4999999))`, 'both'],
  ['a zero byte at the end', 'raw', `'\\x01'`, `'\\x0100'`, 'both'],
  ['no bytes against NULL', 'raw', `'\\x'`, `NULL`, 'both'],
  ['bytes written in two ways', 'raw', `'\\x6162'`, `'ab'`, 'neither'],
  ['one instant in two zones', 'seen_at', `'2026-01-01 00:00+00'`, `'2026-01-01 05:30+05:30'`, 'neither'],
  ['one wall clock in two zones', 'seen_at', `'2026-01-01 00:00+00'`, `'2026-01-01 00:00+01'`, 'both'],
  ['a microsecond', 'seen_at', `'2026-01-01 00:00:00.000001+00'`, `'2026-01-01 00:00+00'`, 'both'],
  ['infinity against its negative (timestamptz)', 'seen_at', `'infinity'`, `'-infinity'`, 'both'],
  ['before Christ', 'seen_at', `'0044-03-15 00:00+00 BC'`, `'0044-03-15 00:00+00'`, 'both'],
  ['a timestamp without a zone', 'made_at', `'2026-01-01 00:00'`, `'2026-01-01 01:00'`, 'both'],
  ['a day', 'day', `'2026-01-01'`, `'2026-01-02'`, 'both'],
  ['a day at infinity', 'day', `'infinity'`, `NULL`, 'both'],
  ['the end of a day against its start', 'clock', `'24:00'`, `'00:00'`, 'both'],
  ['one moment of the day in two zones', 'zoned', `'12:00+00'`, `'13:00+01'`, 'both'],
  ['a month against 30 days', 'span', `'1 mon'`, `'30 days'`, 'exact'],
  ['a day against 24 hours', 'span', `'1 day'`, `'24:00'`, 'exact'],
  ['a second', 'span', `'1 sec'`, `'2 sec'`, 'both'],
  ['the order of keys in jsonb', 'data', `'{"a":1,"b":2}'`, `'{"b":2,"a":1}'`, 'neither'],
  ['white space in jsonb', 'data', `'{"a":1}'`, `'{ "a" : 1 }'`, 'neither'],
  ['the scale of a number in jsonb', 'data', `'{"a":1.50}'`, `'{"a":1.5}'`, 'exact'],
  ['a number against its text in jsonb', 'data', `'{"a":1}'`, `'{"a":"1"}'`, 'both'],
  ['JSON null against SQL NULL', 'data', `'null'`, `NULL`, 'both'],
  ['JSON null against no key', 'data', `'{"a":null}'`, `'{}'`, 'both'],
  ['a list against a list of it', 'data', `'[1]'`, `'[[1]]'`, 'both'],
  // What jsonb_hash leaves out: found before the switch, whose proof is exact, and at once where the column is critical.
  ['the sign of a number in jsonb', 'data', `'{"a":1}'`, `'{"a":-1}'`, 'exact'],
  ['a number against a list of it', 'data', `'1'`, `'[1]'`, 'exact'],
  ['a key that moved out of an object', 'data', `'{"a":{"b":1,"c":2}}'`, `'{"a":{"b":1},"c":2}'`, 'exact'],
  ['the order of a list', 'data', `'[1,2]'`, `'[2,1]'`, 'both'],
  ['the order of keys in json', 'doc', `'{"a":1,"b":2}'`, `'{"b":2,"a":1}'`, 'both'],
  ['white space in json', 'doc', `'{"a":1}'`, `'{"a": 1}'`, 'both'],
  ['a key that json holds twice', 'doc', `'{"a":1,"a":1}'`, `'{"a":1}'`, 'both'],
  ['an attribute of xml', 'page', `'<a b="1"/>'`, `'<a b="2"/>'`, 'both'],
  ['xml NULL', 'page', `'<a/>'`, `NULL`, 'both'],
  ['a bit', 'bits', `B'101'`, `B'100'`, 'both'],
  ['a longer string of bits', 'more_bits', `B'1'`, `B'10'`, 'both'],
  ['money', 'cash', `'1'::money`, `'1.01'::money`, 'both'],
  ['a point', 'spot', `'(1,2)'`, `'(2,1)'`, 'both'],
  ['a point without a coordinate', 'spot', `'(0,0)'`, `NULL`, 'both'],
  ['a circle', 'ring', `'<(1,2),3>'`, `'<(1,2),4>'`, 'both'],
  ['a line', 'straight', `'{1,2,3}'`, `'{1,2,4}'`, 'both'],
  ['a line segment that runs the other way', 'stretch', `'[(0,0),(1,1)]'`, `'[(1,1),(0,0)]'`, 'both'],
  ['a box of the same size', 'frame', `'(2,1),(0,0)'`, `'(1,2),(0,0)'`, 'both'],
  ['a box from other corners', 'frame', `'(1,1),(0,0)'`, `'(0,1),(1,0)'`, 'neither'],
  ['an open path against a closed one', 'way', `'[(0,0),(1,1)]'`, `'((0,0),(1,1))'`, 'both'],
  ['a polygon that begins elsewhere', 'area', `'((0,0),(1,1),(1,0))'`, `'((1,1),(1,0),(0,0))'`, 'both'],
  ['a circle of the same size', 'ring', `'<(1,2),3>'`, `'<(2,1),3>'`, 'both'],
  ['a coordinate in an array of points', 'spots', `'{"(1,2)"}'`, `'{"(1,3)"}'`, 'both'],
  ['the order in an array of money', 'coins', `ARRAY[1::money, 2::money]`, `ARRAY[2::money, 1::money]`, 'both'],
  ['a mask in an array of addresses', 'nets', `'{10.0.0.1/24}'`, `'{10.0.0.1/25}'`, 'both'],
  ['the sign in an array of documents', 'papers', `ARRAY['{"a":1}'::jsonb]`, `ARRAY['{"a":-1}'::jsonb]`, 'both'],
  ['a month against 30 days in an array', 'spans', `'{1 mon}'`, `'{30 days}'`, 'exact'],
  ['a block of addresses', 'block', `'10.0.0.0/8'`, `'10.0.0.0/9'`, 'both'],
  ['a block that is written short', 'block', `'10/8'`, `'10.0.0.0/8'`, 'neither'],
  ['a long hardware address', 'long_mac', `'08:00:2b:01:02:03:04:05'`, `'08:00:2b:01:02:03:04:06'`, 'both'],
  ['the highest bit of an oid', 'object', `1`, `2147483649`, 'both'],
  ['a path into a document', 'trail', `'$.a'`, `'$.b'`, 'both'],
  ['a path that is written in another way', 'trail', `'$.a'`, `' $ . "a" '`, 'neither'],
  ['an operator of a tsquery', 'query', `'a & b'`, `'a | b'`, 'both'],
  ['a network mask', 'net', `'10.0.0.1/24'`, `'10.0.0.1/25'`, 'both'],
  ['an address that is written short', 'net', `'::1'`, `'0:0:0:0:0:0:0:1'`, 'neither'],
  ['a hardware address', 'mac', `'08:00:2b:01:02:03'`, `'08:00:2b:01:02:04'`, 'both'],
  ['a uuid', 'uid', `'11111111-2222-3333-4444-555555555555'`, `'11111111-2222-3333-4444-555555555556'`, 'both'],
  [
    'a uuid in capitals',
    'uid',
    `'aaaaaaaa-2222-3333-4444-555555555555'`,
    `'AAAAAAAA222233334444555555555555'`,
    'neither',
  ],
  ['a position in the log', 'lsn', `'16/B374D848'`, `'16/B374D849'`, 'both'],
  ['a word of a tsvector', 'words', `'a b'`, `'a c'`, 'both'],
  ['the order in a tsvector', 'words', `'a b'`, `'b a'`, 'neither'],
  ['NULL in an array against the word', 'tags', `ARRAY['a', NULL]`, `ARRAY['a', 'NULL']`, 'both'],
  ['NULL in an array against an empty string', 'tags', `ARRAY[NULL]::text[]`, `ARRAY['']`, 'both'],
  ['an empty array against NULL', 'tags', `'{}'`, `NULL`, 'both'],
  ['a comma in an array', 'tags', `ARRAY['a,b']`, `ARRAY['a', 'b']`, 'both'],
  ['bounds of an array of text', 'tags', `'{a,b}'`, `'[2:3]={a,b}'`, 'both'],
  ['bounds of an array', 'counts', `'{1,2}'`, `'[0:1]={1,2}'`, 'both'],
  ['dimensions of an array', 'counts', `'{{1,2},{3,4}}'`, `'{{1,2,3,4}}'`, 'both'],
  ['the order in an array', 'counts', `'{1,2}'`, `'{2,1}'`, 'both'],
  ['the sign in an array', 'amounts', `'{1}'`, `'{-1}'`, 'both'],
  // The hash of such an array would leave out the sign: its binary form is hashed, which holds the scale.
  ['scale in an array', 'amounts', `'{1.0}'`, `'{1.00}'`, 'both'],
  ['minus zero in an array', 'ratios', `'{0}'`, `'{-0}'`, 'exact'],
  ['the last bit in an array of doubles', 'ratios', `'{0.1}'`, `'{0.10000000000000002}'`, 'both'],
  ['bounds of an array of times', 'moments', `'{2026-01-01 00:00+00}'`, `'[5:5]={2026-01-01 00:00+00}'`, 'both'],
  ['one instant in an array in two zones', 'moments', `'{2026-01-01 00:00+00}'`, `'{2026-01-01 01:00+01}'`, 'neither'],
  ['NULL in an array of times', 'moments', `'{NULL}'`, `'{}'`, 'both'],
  ['an enum in an array', 'moods', `'{sad,ok}'`, `'{ok,sad}'`, 'both'],
  ['an empty range against NULL', 'reach', `'empty'`, `NULL`, 'both'],
  ['a range that is empty in another way', 'reach', `'empty'`, `'[5,5)'`, 'neither'],
  ['inclusive against exclusive bounds of whole numbers', 'reach', `'[1,4]'`, `'[1,5)'`, 'neither'],
  ['an open range against a closed one', 'reach', `'[1,)'`, `'[1,9)'`, 'both'],
  ['inclusive against exclusive bounds', 'levels', `'[1.5,2.5]'`, `'[1.5,2.5)'`, 'both'],
  ['the sign in a range', 'levels', `'[-1,5)'`, `'[1,5)'`, 'both'],
  ['scale in a range', 'levels', `'[1.0,2)'`, `'[1.00,2)'`, 'exact'],
  ['a range of bigint', 'far', `'[1,9)'`, `'[1,9223372036854775807)'`, 'both'],
  ['a range of timestamps', 'local_period', `'[2026-01-01,2026-01-02)'`, `'[2026-01-01,2026-01-02]'`, 'both'],
  ['a range of days', 'days', `'[2026-01-01,2026-01-02)'`, `'[2026-01-01,2026-01-03)'`, 'both'],
  [
    'inclusive against exclusive bounds of days',
    'days',
    `'[2026-01-01,2026-01-02]'`,
    `'[2026-01-01,2026-01-03)'`,
    'neither',
  ],
  ['a range of times', 'period', `'[2026-01-01 00:00+00,)'`, `'[2026-01-01 00:00+01,)'`, 'both'],
  ['a range of times in two zones', 'period', `'[2026-01-01 00:00+00,)'`, `'[2026-01-01 01:00+01,)'`, 'neither'],
  ['a multirange', 'reaches', `'{[1,3),[5,9)}'`, `'{[1,3)}'`, 'both'],
  ['a multirange in another order', 'reaches', `'{[1,3),[5,9)}'`, `'{[5,9),[1,3)}'`, 'neither'],
  ['a multirange of bigint', 'fars', `'{[1,3),[5,9)}'`, `'{[1,9)}'`, 'both'],
  ['the sign in a multirange', 'ladder', `'{[-1,5)}'`, `'{[1,5)}'`, 'both'],
  // As in an array of numbers.
  ['scale in a multirange', 'ladder', `'{[1.0,2)}'`, `'{[1.00,2)}'`, 'both'],
  ['a multirange of timestamps', 'local_periods', `'{[2026-01-01,2026-01-02)}'`, `'{[2026-01-01,2026-01-02]}'`, 'both'],
  ['a multirange of times', 'periods', `'{[2026-01-01 00:00+00,)}'`, `'{[2026-01-01 00:00+01,)}'`, 'both'],
  [
    'a multirange of times in two zones',
    'periods',
    `'{[2026-01-01 00:00+00,)}'`,
    `'{[2026-01-01 01:00+01,)}'`,
    'neither',
  ],
  ['a multirange of days', 'holidays', `'{[2026-01-01,2026-01-03)}'`, `'{[2026-01-01,2026-01-04)}'`, 'both'],
  ['an enum', 'mood', `'sad'`, `'ok'`, 'both'],
  ['an enum whose values stand in another order', 'mood', `'ok'`, `'ok'`, 'neither'],
  ['a domain over text', 'mail', `'a@b'`, `'A@b'`, 'both'],
  ['a part of a composite', 'pair', `ROW(1, 'a')`, `ROW(1, 'b')`, 'both'],
  ['NULL in a composite', 'pair', `ROW(1, NULL)`, `ROW(1, '')`, 'both'],
  ['a domain over an instant', 'moment', `'2026-01-01 00:00+00'`, `'2026-01-01 00:00+01'`, 'both'],
  ['a domain over an instant in two zones', 'moment', `'2026-01-01 00:00+00'`, `'2026-01-01 01:00+01'`, 'neither'],
  [
    'the instant of a composite',
    'stamped',
    `ROW('2026-01-01 00:00+00', 0.1)`,
    `ROW('2026-01-01 00:00+01', 0.1)`,
    'both',
  ],
  ['the last bit of a composite', 'stamped', `ROW(NULL, 0.1)`, `ROW(NULL, 0.10000000000000002)`, 'both'],
  ['a value of hstore', 'options', `'a=>1'`, `'a=>NULL'`, 'both'],
  ['the order in hstore', 'options', `'a=>1, b=>2'`, `'b=>2, a=>1'`, 'neither'],
  ['a large document', 'data', largeDocument(''), largeDocument(`|| '{"x":[1]}'`), 'both'],
];

function largeDocument(more: string): string {
  return `(SELECT jsonb_object_agg('k' || i, repeat('v', 1000)) FROM generate_series(1, 1000) AS i) ${more}`;
}

const PLAN = `
tenants: none
reconcile: { chunkRows: 20, splitRows: 4 }
tables:
  every_type: {}
  pairs: {}
`;

/** Rows with a difference are every third one. */
function idOf(index: number): number {
  return 3 * index + 2;
}

function rowCount(): number {
  return idOf(PLANTED.length) + 40;
}

/** Rows of their own behind the list. */
const FIRST = idOf(PLANTED.length) + 1;
const [SWAPPED, SHIFTED, TRADED, GONE, EMPTIED] = [FIRST, FIRST + 2, FIRST + 4, FIRST + 8, FIRST + 10];
const EXTRA = [-3, FIRST + 1_000];

/** Text that the role's settings decide: whatever the databases set, the same. */
const STYLED_SQL = `
CREATE DOMAIN public.moment AS timestamptz;
CREATE TYPE public.stamped AS (at timestamptz, ratio double precision);
ALTER TABLE public.every_type ADD COLUMN moment public.moment DEFAULT '2026-01-01 00:00+00', ADD COLUMN stamped public.stamped DEFAULT ROW('2026-01-01 00:00+00', 0.1);
`;
const HOSTILE = {
  legacy: { TimeZone: `'Asia/Kolkata'`, DateStyle: `'German'`, extra_float_digits: -5 },
  target: { TimeZone: `'America/St_Johns'`, DateStyle: `'SQL, DMY'`, extra_float_digits: 0 },
} as const;

const FILL = `
CREATE TABLE public.pairs (id integer PRIMARY KEY, word text);
INSERT INTO public.pairs SELECT i, CASE i WHEN 7 THEN 'seven' ELSE 'word' END FROM generate_series(1, 60) AS i;
INSERT INTO public.every_type (id) SELECT i FROM generate_series(1, ${rowCount()}) AS i`;

let stores: TestMigration;

beforeAll(async () => {
  stores = await aMigration({
    plan: PLAN,
    legacySql: EVERY_TYPE_SQL.legacy + STYLED_SQL + FILL,
    targetSql: EVERY_TYPE_SQL.target + STYLED_SQL + FILL,
    clock: createVirtualClock({ autoAdvance: true }),
  });
  for (const store of STORES)
    for (const [name, value] of Object.entries(HOSTILE[store]))
      await stores[store].query(`ALTER DATABASE ${stores[store].database} SET ${name} = ${value}`);
  await installSchemas(stores.deps);
  for (const [index, [, column, legacy, target]] of PLANTED.entries()) {
    const at = `WHERE id = ${idOf(index)}`;
    await stores.legacy.query(`UPDATE every_type SET ${column} = ${legacy} ${at}`);
    await stores.target.query(`UPDATE every_type SET ${column} = ${target} ${at}`);
  }
  await plantRows();
});

afterAll(() => stores?.close());

async function plantRows(): Promise<void> {
  // Two columns of a row, the columns of a row moved on by one, and a column of two rows.
  await stores.target.query(`UPDATE every_type SET a = b, b = a WHERE id = ${SWAPPED}`);
  await stores.target.query(`UPDATE every_type SET a = note, b = a, note = b WHERE id = ${SHIFTED}`);
  for (const column of ['middle', 'amount', 'ratio', 'big'])
    await stores.legacy.query(
      `UPDATE every_type SET ${column} = CASE id WHEN ${TRADED} THEN 1 ELSE 2 END WHERE id IN (${TRADED}, ${TRADED + 1})`,
    );
  for (const column of ['middle', 'amount', 'ratio', 'big'])
    await stores.target.query(
      `UPDATE every_type SET ${column} = CASE id WHEN ${TRADED} THEN 2 ELSE 1 END WHERE id IN (${TRADED}, ${TRADED + 1})`,
    );
  // NULL and 0 changed places among four rows: hashes of both are trivial, and the sums of the keys are the same.
  for (const [store, zeros] of [
    [stores.legacy, [0, 3]],
    [stores.target, [1, 2]],
  ] as const)
    await store.query(
      `UPDATE every_type SET amount = CASE WHEN id - ${EMPTIED} IN (${zeros.join(', ')}) THEN 0 END WHERE id BETWEEN ${EMPTIED} AND ${EMPTIED + 3}`,
    );
  await stores.target.query(`DELETE FROM every_type WHERE id = ${GONE}`);
  for (const id of EXTRA) await stores.target.query(`INSERT INTO every_type (id) VALUES (${id})`);
  // An array keeps a mark of a NULL that it held once, and of which its text knows nothing.
  await stores.target.query(`UPDATE every_type SET counts[2] = NULL, moments[1] = NULL WHERE id = 1`);
  await stores.target.query(`UPDATE every_type SET counts[2] = 2, moments[1] = '2026-01-01 00:00+00' WHERE id = 1`);
}

const ROWS_PLANTED: readonly string[] = [
  `different ${SWAPPED} a,b`,
  `different ${SHIFTED} a,b,note`,
  `different ${TRADED} amount,middle,big,ratio`,
  `different ${TRADED + 1} amount,middle,big,ratio`,
  `missing ${GONE} `,
  ...EXTRA.map((id) => `extra ${id} `),
  ...[0, 1, 2, 3].map((place) => `different ${EMPTIED + place} amount`),
];

async function find(form: DigestForm, databases = stores.deps.databases) {
  const migration = await loadMigration({ ...stores.deps, databases });
  const wish = { mode: 'checksum', form, tenants: [NO_TENANT], tables: ['every_type'] } as const;
  const comparison = await planComparison(migration, 'forward', wish);
  const until = new Date(stores.deps.clock.now().getTime() + 3_600_000);
  const result = await comparePass(migration, comparison, { id: `planted-${form}-${passes++}`, until });
  if (result === undefined) throw new Error('an hour was not enough');
  return { comparison, result };
}
let passes = 0;

describe('planted differences', () => {
  it('are of every type that is known by name', async () => {
    const { rows } = await stores.legacy.query<{ type: string }>(
      `SELECT format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = 'every_type'::regclass AND attname = ANY ($1)`,
      [PLANTED.filter(([, , , , seen]) => seen !== 'neither').map(([, column]) => column)],
    );

    const planted = new Set(rows.map(({ type }) => type));
    expect(BUILT_IN_TYPES.filter((type) => !planted.has(type))).toEqual([]);
  });

  it.each(DIGEST_FORMS)('are found by the form %s where it must see them, and nothing else is', async (form) => {
    const { comparison, result } = await find(form);

    expect(comparison.tables[0]?.fingerprint.form).toBe(form);
    expect(describeDrift(result.drift)).toEqual(expectedOf(form));
    expect(result).toMatchObject({ inFlight: 0, unsettled: 0 });
  });

  it.each(['fast', 'exact'] as const)('are found by the form %s over the RDS Data API too', async (form) => {
    const api = await startTestDataApi();

    const { result } = await find(form, overDataApi(api, stores)).finally(() => api.stop());

    expect(describeDrift(result.drift)).toEqual(expectedOf(form));
  });
});

function expectedOf(form: DigestForm): readonly string[] {
  const isSeen = (seen: Seen) => seen === 'both' || (seen === 'exact' && form !== 'fast');
  const values = PLANTED.flatMap(([what, column, , , seen], index) =>
    isSeen(seen) ? [`different ${idOf(index)} ${column}: ${what}`] : [],
  );
  return [...values, ...ROWS_PLANTED].sort();
}

function describeDrift(drift: PassResult['drift']): readonly string[] {
  const lines = drift.map(({ kind, rowKey, columns }) => {
    const [id] = JSON.parse(rowKey) as [number];
    const planted = PLANTED.find((_, index) => idOf(index) === id);
    return `${kind} ${id} ${columns.join(',')}${planted === undefined ? '' : `: ${planted[0]}`}`;
  });
  return lines.sort();
}

describe('rows that a store holds twice, its unique index gone', () => {
  it.each(DIGEST_FORMS)('are one difference each, whether the twins are alike or not (%s)', async (form) => {
    const migration = await stores.load();
    const wish = { mode: 'checksum', form, tenants: [NO_TENANT], tables: ['pairs'] } as const;
    const comparison = await planComparison(migration, 'forward', wish);
    await stores.target.query(
      `BEGIN; ALTER TABLE pairs DROP CONSTRAINT pairs_pkey; INSERT INTO pairs VALUES (7, 'seven'), (30, 'other'); COMMIT`,
    );

    const until = new Date(stores.deps.clock.now().getTime() + 3_600_000);
    const result = await comparePass(migration, comparison, { id: `twins-${form}`, until });

    await stores.target.query(
      `DELETE FROM pairs WHERE ctid IN (SELECT max(ctid) FROM pairs GROUP BY id HAVING count(*) > 1); ALTER TABLE pairs ADD PRIMARY KEY (id)`,
    );
    const found = result?.drift.map(({ kind, rowKey, columns }) => ({ kind, rowKey, columns }));
    expect(found?.toSorted((a, b) => (a.rowKey < b.rowKey ? -1 : 1))).toEqual([
      { kind: 'different', rowKey: '[30]', columns: [] },
      { kind: 'different', rowKey: '[7]', columns: [] },
    ]);
    expect(result).toMatchObject({ unsettled: 0, inFlight: 0 });
  });
});
