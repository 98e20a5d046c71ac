/**
 * Every shape of primary key: rows that differ are found, and a row key finds its row again under any session's settings. Keys
 * under a nondeterministic collation are refused when the plan is joined with the catalogues.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { installSchemas } from '../../lib/application/install/install.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { comparePass } from '../../lib/application/reconcile/compare-pass.ts';
import { planComparison } from '../../lib/application/reconcile/comparison.ts';
import { NO_TENANT } from '../../lib/domain/table.ts';
import { quoteRelation } from '../../lib/sql/identifier.ts';
import { matchesRowKey, rowKeyOf } from '../../lib/sql/row.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

interface Shape {
  readonly name: string;
  /** Columns of the key, `COLLATION` standing for one that the two stores do not share. */
  readonly key: string;
  /** SQL of the key of row `i`, 1…40, one expression a column. */
  readonly values: readonly string[];
  /** Its text follows settings that only Crossfade's roles pin. */
  readonly leansOnRole?: true;
}

/** Order by bytes, by language and regardless of case differ for these. */
const WORD = `(ARRAY['a', 'B', 'ä', 'Z', '_', 'A b', 'a''c', '"', E'\\\\', 'é'])[1 + i % 10]`;

const SHAPES: readonly Shape[] = [
  { name: 'small', key: 'k smallint', values: ['i - 20'] },
  { name: 'integers', key: 'k integer', values: ['(i - 20) * 50000000'] },
  { name: 'bigs', key: 'k bigint', values: ['9007199254740992 + i'] },
  { name: 'uuids', key: 'k uuid', values: [`md5(i::text)::uuid`] },
  { name: 'texts', key: 'k text COLLATE COLLATION', values: [`${WORD} || i`] },
  { name: 'varchars', key: 'k varchar(20) COLLATE COLLATION', values: [`i || ${WORD}`] },
  { name: 'chars', key: 'k char(8)', values: [`${WORD} || i`] },
  { name: 'names', key: 'k name', values: [`${WORD} || i`] },
  { name: 'folded', key: 'k public.citext', values: [`${WORD} || i`] },
  { name: 'numbers', key: 'k numeric', values: [`(i - 20) * 1.50`] },
  { name: 'prices', key: 'k numeric(12,2)', values: [`(i - 20) * 1.5`] },
  {
    name: 'days',
    key: 'k date',
    values: [
      `CASE i WHEN 1 THEN '-infinity' WHEN 2 THEN 'infinity' WHEN 3 THEN '0044-03-15 BC' ELSE '2026-01-01'::date + i::integer END`,
    ],
  },
  {
    name: 'times',
    key: 'k timestamp',
    values: [`CASE i WHEN 2 THEN 'infinity' ELSE '2026-01-01'::timestamp + i * interval '1.000001 second' END`],
  },
  {
    name: 'instants',
    key: 'k timestamptz',
    values: [
      `CASE i WHEN 1 THEN '-infinity' WHEN 3 THEN '0044-03-15 00:00+00 BC' ELSE '2026-10-25 00:00+00'::timestamptz + i * interval '7.000001 minute' END`,
    ],
  },
  {
    name: 'rounded',
    key: 'k timestamp(3) with time zone',
    values: [`'2026-10-25 00:00+00'::timestamptz + i * interval '0.001 second'`],
  },
  { name: 'moments', key: 'k time', values: [`'00:00'::time + i * interval '1 minute'`] },
  { name: 'bytes', key: 'k bytea', values: [`decode(lpad(to_hex(i * 7), 4, '0'), 'hex')`] },
  { name: 'flags', key: 'k boolean', values: ['i % 2 = 0'] },
  { name: 'hosts', key: 'k inet', values: [`'10.0.0.0/24'::inet + i::integer`] },
  { name: 'cards', key: 'k macaddr', values: [`('08:00:2b:01:02:' || lpad(to_hex(i), 2, '0'))::macaddr`] },
  { name: 'moods', key: 'k public.mood', values: [`(ARRAY['sad', 'ok', 'Glad'])[1 + i % 3]::public.mood`] },
  { name: 'floats', key: 'k double precision', values: ['i / 3.0'], leansOnRole: true },
  { name: 'spans', key: 'k interval', values: [`i * interval '1 day 01:02:03.5'`], leansOnRole: true },
  { name: 'pairs', key: 'k text COLLATE COLLATION, l date', values: [WORD, `'2026-01-01'::date + i::integer`] },
  { name: 'lines', key: 'k uuid, l integer', values: [`md5((i / 4)::text)::uuid`, 'i'] },
  {
    name: 'triples',
    key: 'k public.mood, l timestamptz, m text COLLATE COLLATION',
    values: [
      `(ARRAY['sad', 'ok'])[1 + i % 2]::public.mood`,
      `'2026-01-01 00:00+00'::timestamptz + (i / 2) * interval '1 hour'`,
      `${WORD} || i`,
    ],
  },
  {
    name: 'everywhere',
    key: 'k bytea, l boolean, m numeric',
    values: [`decode('00ff', 'hex')`, 'i % 2 = 0', 'i * 1.10'],
  },
];

const schema = (collation: string, moods: string) => `
CREATE EXTENSION citext;
CREATE TYPE public.mood AS ENUM (${moods});
${SHAPES.map(({ name, key, values }) => {
  const columns = keyNames(key).join(', ');
  return `CREATE TABLE public.${name} (${key.replaceAll('COLLATION', collation)}, body text, PRIMARY KEY (${columns}));
    INSERT INTO public.${name} SELECT ${values.join(', ')}, 'body' FROM generate_series(1, 40) AS i ON CONFLICT DO NOTHING;`;
}).join('\n')}
`;
const PLAN = `
tenants: none
reconcile: { chunkRows: 10, splitRows: 3 }
tables:
${SHAPES.map(({ name }) => `  ${name}: {}`).join('\n')}
`;
const HOSTILE = [
  `SET TimeZone = 'America/St_Johns'; SET DateStyle = 'SQL, DMY'; SET bytea_output = escape; SET search_path = ''; SET IntervalStyle = postgres; SET extra_float_digits = 1`,
  `SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'German'; SET bytea_output = hex; SET search_path = pg_catalog; SET enable_seqscan = off`,
];

let stores: TestMigration;

beforeAll(async () => {
  stores = await aMigration({
    plan: PLAN,
    legacySql: schema('"en-x-icu"', `'sad', 'ok', 'Glad'`),
    targetSql: schema('"C"', `'sad', 'ok', 'Glad'`),
    clock: createVirtualClock({ autoAdvance: true }),
  });
  await installSchemas(stores.deps);
});

afterAll(() => stores?.close());

function keyNames(key: string): readonly string[] {
  return key.split(', ').map((part) => part.split(' ')[0] ?? part);
}

async function find(table: string, form: 'fast' | 'exact') {
  const migration = await stores.load();
  const wish = { mode: 'checksum', form, tenants: [NO_TENANT], tables: [table] } as const;
  const comparison = await planComparison(migration, 'forward', wish);
  const until = new Date(stores.deps.clock.now().getTime() + 3_600_000);
  const result = await comparePass(migration, comparison, { id: `${table}-${form}-${passes++}`, until });
  if (result === undefined) throw new Error('an hour was not enough');
  return result;
}
let passes = 0;

async function keysOf(client: pg.Client, table: string): Promise<readonly string[]> {
  const migrated = tableNamed(await stores.load(), table);
  const { rows } = await client.query(
    `SELECT ${rowKeyOf(migrated, 'r')} AS key FROM ${quoteRelation(migrated)} AS r ORDER BY 1`,
  );
  return rows.map(({ key }) => key);
}

describe.each(SHAPES)('a primary key of $key', ({ name, leansOnRole }) => {
  it('compares equal where rows are equal, and tells each row that differs', async () => {
    const equal = { fast: await find(name, 'fast'), exact: await find(name, 'exact') };
    const [changed = '', lost = '', extra = ''] = (await keysOf(stores.target, name)).toSorted((a, b) =>
      a < b ? -1 : 1,
    );
    const table = tableNamed(await stores.load(), name);
    const where = (key: string) => ({ text: matchesRowKey(table, 'r', '$1::text'), values: [key] });
    await stores.target.query(`UPDATE ${name} AS r SET body = 'other' WHERE ${where(changed).text}`, [changed]);
    await stores.target.query(`DELETE FROM ${name} AS r WHERE ${where(lost).text}`, [lost]);
    if (extra !== '') await stores.legacy.query(`DELETE FROM ${name} AS r WHERE ${where(extra).text}`, [extra]);

    const found = { fast: await find(name, 'fast'), exact: await find(name, 'exact') };

    const rows = (await keysOf(stores.legacy, name)).length + (extra === '' ? 0 : 1);
    const expected = [`different ${changed}`, `missing ${lost}`, ...(extra === '' ? [] : [`extra ${extra}`])].sort();
    for (const form of ['fast', 'exact'] as const) {
      expect(equal[form]).toMatchObject({ rows, drift: [], unsettled: 0 });
      expect(found[form].drift.map(({ kind, rowKey }) => `${kind} ${rowKey}`).sort()).toEqual(expected);
    }
  });

  it('reads the same in both stores under any settings, and finds its row again', async () => {
    const keys = await keysOf(stores.legacy, name);
    const table = tableNamed(await stores.load(), name);

    for (const settings of leansOnRole ? HOSTILE.slice(0, 1) : HOSTILE) {
      await stores.legacy.query(settings);
      expect(await keysOf(stores.legacy, name)).toEqual(keys);
      for (const key of keys) {
        const { rows } = await stores.legacy.query(
          `SELECT ${rowKeyOf(table, 'r')} AS key FROM ${quoteRelation(table)} AS r WHERE ${matchesRowKey(table, 'r', '$1::text')}`,
          [key],
        );
        expect(rows).toEqual([{ key }]);
      }
      await stores.legacy.query('RESET ALL');
    }
  });
});
