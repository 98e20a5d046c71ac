/** Properties of the digests over random rows, in PostgreSQL 15 and 17 at once. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tableNamed } from '../../lib/application/migration.ts';
import type { StoreName } from '../../lib/domain/direction.ts';
import type { MigratedTable } from '../../lib/domain/table.ts';
import { BUILT_IN_TYPES } from '../../lib/sql/compare/compared-types.ts';
import { fingerprintSql, rowFingerprint } from '../../lib/sql/compare/fingerprint.ts';
import { type HashProbeRow, probeHashes } from '../../lib/sql/compare/probe-hashes.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

type Literal = string | null;

/** Few characters, all of which mean something to some format. */
const odd = fc.string({
  unit: fc.constantFrom('a', 'b', ' ', ',', '"', '\\', '{', '}', '(', ')', '|', '/', 'N', 'é', '𐍈', '\n'),
  maxLength: 4,
});
const oddOrNull = fc.option(odd, { freq: 4 });
const oneOf = (...values: readonly string[]) => fc.constantFrom(...values);
const whole = (bits: bigint) => fc.bigInt({ min: -(2n ** bits), max: 2n ** bits - 1n }).map(String);
const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat({ max: 9 }), fc.nat({ max: 3 }))
  .map(
    ([digits, scale, zeros]) =>
      `${digits}e-${scale}`.replace(/e-0$/, '') + (scale === 0 && zeros > 0 ? `.${'0'.repeat(zeros)}` : ''),
  );
const double = fc.oneof(
  fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value))),
  oneOf('0', '-0', 'NaN', 'Infinity', '-Infinity', '0.1'),
);
const day = fc.date({
  min: new Date('0001-01-02T00:00:00Z'),
  max: new Date('9999-01-01T00:00:00Z'),
  noInvalidDate: true,
});
const listOf = (item: fc.Arbitrary<Literal>) =>
  fc
    .array(item, { maxLength: 3 })
    .map(
      (items) => `{${items.map((text) => (text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`,
    );
const range = (item: fc.Arbitrary<string>, order: (a: string, b: string) => number) =>
  fc.tuple(item, item, oneOf('[', '('), oneOf(']', ')')).map(([a, b, from, to]) => {
    const [low, high] = [a, b].toSorted(order);
    return `${from}"${low}","${high}"${to}`;
  });
const small = fc.integer({ min: -3, max: 3 }).map(String);

/** A column a type: random values, and often the few that are close to each other. */
const COLUMNS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  text: fc.oneof(odd, oneOf('', ' ', 'NULL')),
  'varchar(8)': odd,
  'char(6)': odd,
  boolean: oneOf('true', 'false'),
  smallint: fc.oneof(whole(15n), small),
  integer: fc.oneof(whole(31n), small),
  bigint: fc.oneof(whole(63n), small),
  numeric: fc.oneof(decimal, oneOf('0', '0.0', '-1', '1', '1.0', 'NaN', 'Infinity', '-Infinity')),
  'numeric(9,2)': fc.integer({ min: -99_999, max: 99_999 }).map((cents) => `${cents}e-2`),
  real: double.filter(
    (text) =>
      (Math.abs(Number(text)) < 1e38 && !(Math.abs(Number(text)) < 1e-37 && Number(text) !== 0)) ||
      !Number.isFinite(Number(text)),
  ),
  'double precision': double,
  uuid: fc.uuid(),
  bytea: fc.uint8Array({ maxLength: 5 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
  date: fc.oneof(
    day.map((at) => at.toISOString().slice(0, 10)),
    oneOf('infinity', '-infinity'),
  ),
  timestamp: fc.oneof(
    day.map((at) => at.toISOString().replace('Z', '')),
    oneOf('infinity'),
  ),
  timestamptz: fc.oneof(
    fc.tuple(day, oneOf('Z', '+05:30', '-11')).map(([at, zone]) => at.toISOString().replace('Z', zone)),
    oneOf('-infinity'),
  ),
  time: fc.oneof(
    day.map((at) => at.toISOString().slice(11, 23)),
    oneOf('24:00'),
  ),
  timetz: fc.tuple(day, oneOf('Z', '+01', '-03:30')).map(([at, zone]) => at.toISOString().slice(11, 23) + zone),
  interval: fc.tuple(small, small, small).map(([months, days, seconds]) => `${months} mon ${days} days ${seconds} sec`),
  jsonb: fc.json({ maxDepth: 2 }).filter((text) => !text.includes('\\u')),
  json: fc.json({ maxDepth: 1 }).filter((text) => !text.includes('\\u')),
  inet: fc.tuple(fc.ipV4(), oneOf('', '/8', '/24')).map(([address, mask]) => address + mask),
  'text[]': listOf(oddOrNull),
  'integer[]': listOf(fc.option(small)),
  'numeric[]': listOf(fc.option(oneOf('1', '-1', '1.0', 'NaN', '0'))),
  'double precision[]': listOf(fc.option(oneOf('0', '-0', '0.1', 'NaN'))),
  'timestamptz[]': listOf(fc.option(oneOf('2026-01-01 00:00+00', '2026-01-01 01:00+01', 'infinity'))),
  int4range: fc.oneof(
    range(small, (a, b) => Number(a) - Number(b)),
    oneOf('empty', '(,)', '[1,)'),
  ),
  numrange: fc.oneof(
    range(oneOf('-1', '1', '1.0', '2'), (a, b) => Number(a) - Number(b)),
    oneOf('empty', '(,5)'),
  ),
  tstzrange: oneOf('empty', '[2026-01-01 00:00+00,)', '[2026-01-01 01:00+01,)', '(2026-01-01 00:00+00,)'),
  int4multirange: oneOf('{}', '{[1,3)}', '{[1,2]}', '{[1,3),[5,9)}', '{(,)}'),
  'public.mood': oneOf('sad', 'ok'),
};
const TYPES = Object.keys(COLUMNS);
/** Without an operator for equality, or one that its hash does not follow; judged by their text. */
const BY_TEXT: ReadonlySet<string> = new Set(['json', 'text', 'varchar(8)', 'numeric[]']);
const row = fc.tuple(...TYPES.map((type) => fc.option(COLUMNS[type] ?? odd, { freq: 8 })));
/** A row, and the same one with a few of its values drawn again. */
const twoRows = fc
  .tuple(row, row, fc.uniqueArray(fc.nat({ max: TYPES.length - 1 }), { maxLength: 3 }))
  .map(([one, other, changed]) => ({
    one,
    other: one.map((value, index) => (changed.includes(index) ? (other[index] ?? null) : value)),
  }));

const TABLES_SQL = `
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TABLE public.things (id integer PRIMARY KEY, ${TYPES.map((type, index) => `c${index} ${type}`).join(', ')});
CREATE TABLE public.texts (id integer PRIMARY KEY, c0 text, c1 text, c2 text, c3 text[]);
`;

let stores: TestMigration;
let things: MigratedTable;
let texts: MigratedTable;

beforeAll(async () => {
  stores = await aMigration({ plan: 'tenants: none\ntables: { things: {}, texts: {} }', legacySql: TABLES_SQL });
  const migration = await stores.load();
  things = tableNamed(migration, 'things');
  texts = tableNamed(migration, 'texts');
  // The oracle is the text of a row, which says everything under these.
  for (const store of [stores.legacy, stores.target])
    await store.query(`SET extra_float_digits = 3; SET TimeZone = 'UTC'`);
});

afterAll(() => stores?.close());

interface Judged {
  readonly exact: readonly [string, string];
  readonly fast: readonly [string, string];
  /** Of both rows, as PostgreSQL prints them. */
  readonly printed: readonly [string, string];
  /** Columns that SQL calls different. */
  readonly different: readonly number[];
}

async function judge(
  store: StoreName,
  table: MigratedTable,
  types: readonly string[],
  rows: readonly (readonly Literal[])[],
): Promise<Judged> {
  const columns = types.map((type, index) => `(v.value ->> ${index})::${type} AS c${index}`).join(', ');
  const digest = (form: 'fast' | 'exact') =>
    rowFingerprint(fingerprintSql(table, store, 'r', { form, columns: 'all' }));
  const unequal = types.map((type, index) => {
    const value = (side: string) => (BY_TEXT.has(type) ? `${side}.c${index}::text COLLATE "C"` : `${side}.c${index}`);
    return `CASE WHEN ${value('a')} IS DISTINCT FROM ${value('b')} THEN ${index} END`;
  });
  const text = `
WITH given AS (SELECT v.ordinality AS place, 1 AS id, ${columns} FROM json_array_elements($1::json) WITH ORDINALITY AS v(value)),
judged AS (SELECT place, ${digest('exact')} AS exact, ${digest('fast')} AS fast, ROW(${types.map((_, index) => `r.c${index}`).join(', ')})::text AS printed FROM given AS r)
SELECT json_agg(exact ORDER BY place)::text AS exact, json_agg(fast ORDER BY place)::text AS fast, json_agg(printed ORDER BY place)::text AS printed,
  (SELECT array_to_json(array_remove(ARRAY[${unequal.join(', ')}], NULL))::text FROM given AS a, given AS b WHERE a.place = 1 AND b.place = 2) AS different FROM judged`;
  const { rows: found } = await stores[store].query({ text, values: [JSON.stringify(rows)] });
  const parsed = Object.entries(found[0] ?? {}).map(([name, value]) => [name, JSON.parse(value as string)]);
  return Object.fromEntries(parsed) as Judged;
}

describe('random rows of every type', () => {
  it('have the same digests in PostgreSQL 15 and 17; exact tells apart what prints apart, fast what SQL tells apart', async () => {
    await fc.assert(
      fc.asyncProperty(twoRows, async ({ one, other }) => {
        const [old, recent] = [
          await judge('legacy', things, TYPES, [one, other]),
          await judge('target', things, TYPES, [one, other]),
        ];

        expect(old).toEqual(recent);
        expect(old.exact[0] === old.exact[1]).toBe(old.printed[0] === old.printed[1]);
        // jsonb_hash leaves out signs and nesting: equal values hash alike, not the other way round.
        const told = old.different.filter((index) => TYPES[index] !== 'jsonb');
        if (old.different.length === 0) expect(old.fast[0]).toBe(old.fast[1]);
        if (told.length > 0) expect(old.fast[0]).not.toBe(old.fast[1]);
      }),
      { numRuns: 200 },
    );
  });

  it('keep one digest a row: neither NULL, nor a delimiter, nor a value that moves to the next column makes two rows one', async () => {
    const texted = fc.tuple(oddOrNull, oddOrNull, oddOrNull, fc.option(fc.array(oddOrNull, { maxLength: 3 })));
    const literals = (values: readonly [Literal, Literal, Literal, readonly Literal[] | null]): readonly Literal[] => {
      const [a, b, c, list] = values;
      return [
        a,
        b,
        c,
        list === null
          ? null
          : `{${list.map((text) => (text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`,
      ];
    };
    await fc.assert(
      fc.asyncProperty(texted, texted, async (one, other) => {
        const rows = [literals(one), literals(other)];

        const judged = await judge('legacy', texts, ['text', 'text', 'text', 'text[]'], rows);

        const isOne = JSON.stringify(one) === JSON.stringify(other);
        expect(judged.exact[0] === judged.exact[1]).toBe(isOne);
        expect(judged.fast[0] === judged.fast[1]).toBe(isOne);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the proof that both servers hash alike', () => {
  it.each(['', '[]'])('can be asked of every type, and PostgreSQL 15 and 17 pass it (type%s)', async (suffix) => {
    const types = [...BUILT_IN_TYPES, 'public.mood'].map((type) => type + suffix);
    const { text, values } = probeHashes(types);

    const [old, recent] = await Promise.all(
      [stores.legacy, stores.target].map((store) => store.query<HashProbeRow>({ text, values: [...values] })),
    );

    const hashes = JSON.parse(old?.rows[0]?.hashes ?? '[]') as readonly string[];
    expect(hashes).toHaveLength(types.length);
    expect(recent?.rows).toEqual(old?.rows);
  });
});
