/** The digest of the same rows is the same whatever the session, the role or the database has set, and whatever the encodings are. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installSchemas } from '../../lib/application/install/install.ts';
import { type Migration, tableNamed } from '../../lib/application/migration.ts';
import { DIGEST_FORMS, type DigestForm } from '../../lib/domain/digest.ts';
import { STORES } from '../../lib/domain/direction.ts';
import { digestRange, type RangeDigest } from '../../lib/sql/compare/digest-range.ts';
import { type HashProbeRow, probeHashes } from '../../lib/sql/compare/probe-hashes.ts';
import { EVERY_TYPE_SQL } from '../support/every-type.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { freshDatabase, testServers } from '../support/postgres.ts';

const SETTINGS: readonly string[] = [
  'RESET ALL',
  ...['Asia/Kolkata', 'America/St_Johns', 'UTC'].map((zone) => `SET TimeZone = '${zone}'`),
  ...['ISO, DMY', 'SQL, DMY', 'Postgres, MDY', 'German'].map((style) => `SET DateStyle = '${style}'`),
  ...['iso_8601', 'sql_standard', 'postgres_verbose'].map((style) => `SET IntervalStyle = ${style}`),
  ...[-15, 0, 3].map((digits) => `SET extra_float_digits = ${digits}`),
  `SET bytea_output = escape`,
  `SET search_path = ''`,
  `SET search_path = public, pg_catalog`,
  `SET lc_monetary = 'C'; SET lc_numeric = 'C'; SET lc_time = 'C'; SET lc_messages = 'C'`,
  `SET xmlbinary = hex; SET xmloption = document`,
  `SET client_encoding = LATIN1`,
  `SET client_encoding = SQL_ASCII`,
  `SET client_encoding = WIN1252; SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'; SET extra_float_digits = -5; SET bytea_output = escape`,
  `SET array_nulls = off; SET quote_all_identifiers = on; SET standard_conforming_strings = on; SET jit = off; SET enable_indexscan = off`,
];
const PLAN = `
tenants: none
tables:
  every_type: {}
  words: {}
`;
/** Letters that LATIN1 has too. */
const WORDS_SQL = `
CREATE TABLE public.words (id integer PRIMARY KEY, word text, code varchar(9), doc jsonb, list text[]);
INSERT INTO public.words VALUES (1, 'café', 'ü', '{"ß": "å"}', '{é,NULL}'), (2, '', NULL, '"x"', '{}'), (3, 'plain', 'p', 'null', NULL);
`;
const FILL = `
INSERT INTO public.every_type (id) SELECT i FROM generate_series(1, 5) AS i;
INSERT INTO public.every_type (id, note, tags, data, doc, folded, words, page) VALUES (6, 'é€𐍈', '{é,"a b",NULL}', '{"é": "€"}', '{"é": "€"}', 'É', 'é', '<é/>');
UPDATE public.every_type SET ratio = 1.0 / 3, share = 1.0 / 3, ratios = '{0.30000000000000004}' WHERE id = 5;
`;

let stores: TestMigration;
let migration: Migration;

beforeAll(async () => {
  stores = await aMigration({
    plan: PLAN,
    legacySql: EVERY_TYPE_SQL.legacy + WORDS_SQL + FILL,
    targetSql: EVERY_TYPE_SQL.target + WORDS_SQL + FILL,
  });
  await installSchemas(stores.deps);
  migration = await stores.load();
});

afterAll(() => stores?.close());

function digestStatement(store: 'legacy' | 'target', form: DigestForm, name: string) {
  const range = { after: null, through: null };
  const { text, values } = digestRange(tableNamed(migration, name), migration.byName, store, range, null, {
    form,
    columns: 'all',
  });
  return { text, values: [...values] };
}

async function digestIn(
  client: pg.Client,
  form: DigestForm,
  name = 'every_type',
  store: 'legacy' | 'target' = 'legacy',
) {
  const { rows } = await client.query<RangeDigest>(digestStatement(store, form, name));
  return `${rows[0]?.rows} ${rows[0]?.digest}`;
}

/** A database of the legacy server in another encoding. */
async function inEncoding(encoding: string, sql: string): Promise<pg.Client> {
  const admin = new pg.Client({ connectionString: testServers().legacy });
  await admin.connect();
  const name = `encoded_${randomBytes(5).toString('hex')}`;
  await admin.query(
    `CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`,
  );
  await admin.end();
  const url = new URL(testServers().legacy);
  url.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query(sql);
  return client;
}

describe('the digest of the same rows', () => {
  it.each(DIGEST_FORMS)('is the same under every setting of a session, in PostgreSQL 15 and 17 (%s)', async (form) => {
    const digests = new Set<string>();
    for (const settings of SETTINGS) {
      for (const store of ['legacy', 'target'] as const) {
        await stores[store].query(settings);
        digests.add(await digestIn(stores[store], form, 'every_type', store));
        await stores[store].query('RESET ALL');
      }
    }

    expect([...digests]).toEqual([expect.stringMatching(/^6 ./)]);
  });

  it('is the same under settings drawn at random, of every time zone that the server knows', {
    timeout: 60_000,
  }, async () => {
    const { rows } = await stores.legacy.query<{ name: string }>('SELECT name FROM pg_timezone_names ORDER BY name');
    const usual: string[] = [];
    for (const form of DIGEST_FORMS) usual.push(await digestIn(stores.legacy, form));
    const settings = fc.record({
      TimeZone: fc.constantFrom(...rows.map(({ name }) => name)),
      DateStyle: fc
        .tuple(fc.constantFrom('ISO', 'SQL', 'Postgres', 'German'), fc.constantFrom('DMY', 'MDY', 'YMD'))
        .map((words) => words.join(', ')),
      IntervalStyle: fc.constantFrom('postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'),
      extra_float_digits: fc.integer({ min: -15, max: 3 }).map(String),
      bytea_output: fc.constantFrom('hex', 'escape'),
      search_path: fc.constantFrom('', 'public', 'pg_catalog, public', 'nowhere'),
      client_encoding: fc.constantFrom('UTF8', 'LATIN1', 'SQL_ASCII', 'WIN1252', 'EUC_JP'),
    });
    await fc.assert(
      fc.asyncProperty(settings, fc.constantFrom(...STORES), async (drawn, store) => {
        for (const [name, value] of Object.entries(drawn))
          await stores[store].query('SELECT set_config($1, $2, false)', [name, value]);
        const digests: string[] = [];
        for (const form of DIGEST_FORMS) digests.push(await digestIn(stores[store], form, 'every_type', store));
        await stores[store].query('RESET ALL');

        expect(digests).toEqual(usual);
      }),
      { numRuns: 300 },
    );
  });

  it.each(DIGEST_FORMS)('is the same whatever the database sets for those who connect (%s)', async (form) => {
    const url = await freshDatabase('legacy');
    const name = new URL(url).pathname.slice(1);
    const usual = await digestIn(stores.legacy, form);
    for (const setting of [
      `TimeZone = 'Asia/Kolkata'`,
      `DateStyle = 'German'`,
      `IntervalStyle = 'sql_standard'`,
      'extra_float_digits = -3',
      'bytea_output = escape',
      'client_encoding = LATIN1',
    ])
      await stores.legacy.query(`ALTER DATABASE ${name} SET ${setting}`);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('SET client_encoding = UTF8');
    await client.query(EVERY_TYPE_SQL.legacy);
    await client.query(`SET DateStyle = 'ISO'; SET client_encoding = UTF8; ${FILL}; RESET ALL`);

    const digest = await digestIn(client, form);

    await client.end();
    expect(digest).toBe(usual);
  });

  it.each(['LATIN1', 'SQL_ASCII'])('is the same in a database whose encoding is %s', async (encoding) => {
    const client = await inEncoding(encoding, WORDS_SQL);

    for (const form of DIGEST_FORMS) {
      // A hash is of the bytes as they are stored: only the others bridge encodings.
      if (form === 'fast' && encoding === 'LATIN1') continue;
      expect(await digestIn(client, form, 'words')).toBe(await digestIn(stores.target, form, 'words', 'target'));
      await client.query(`SET client_encoding = 'UTF8'`);
    }

    await client.end();
  });

  it('is exact between databases of two encodings, because the fast form would call every accent drift', async () => {
    const client = await inEncoding('LATIN1', '');
    const { text, values } = probeHashes(['integer', 'text', 'jsonb']);
    const probe = { text, values: [...values] };

    const [latin, unicode] = [await client.query<HashProbeRow>(probe), await stores.target.query<HashProbeRow>(probe)];

    const [one, other] = [latin, unicode].map(({ rows }) => JSON.parse(rows[0]?.hashes ?? '[]') as string[]);
    expect([0, 1, 2].map((place) => one?.[place] === other?.[place])).toEqual([true, false, false]);
    await client.end();
  });
});
