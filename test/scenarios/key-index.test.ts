/** Tables with text keys are walked by an index of their own order, in both stores; it comes with the install and goes without a trace. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installSchemas } from '../../lib/application/install/install.ts';
import { buildKeyIndexes, dropKeyIndexes } from '../../lib/application/install/key-index.ts';
import { KEY_INDEXES, missingKeyIndexes, watchKeyIndexes } from '../../lib/application/install/look-at-key-indexes.ts';
import { type Migration, tableNamed } from '../../lib/application/migration.ts';
import { chunkBounds } from '../../lib/sql/compare/chunk-bounds.ts';
import { keyPage } from '../../lib/sql/compare/key-page.ts';
import { keyIndexName } from '../../lib/sql/install/key-index.ts';
import { readPage } from '../../lib/sql/source/read-rows.ts';
import type { Statement } from '../../lib/sql/statement.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const ROWS = 100_000;
const SQL = `
CREATE TABLE public.codes (region integer, code text, note text, PRIMARY KEY (code, region));
INSERT INTO public.codes SELECT i % 7, md5(i::text), 'n' || i FROM generate_series(1, ${ROWS}) AS i;
CREATE TABLE public.bytes (code text COLLATE "C" PRIMARY KEY, note text);
CREATE TABLE public.numbers (id integer PRIMARY KEY, note text);
CREATE TABLE public.parts (code text PRIMARY KEY, note text) PARTITION BY RANGE (code);
CREATE TABLE public.parts_a PARTITION OF public.parts FOR VALUES FROM (MINVALUE) TO ('5');
CREATE TABLE public.parts_b PARTITION OF public.parts FOR VALUES FROM ('5') TO (MAXVALUE);
INSERT INTO public.parts SELECT md5(i::text), 'n' FROM generate_series(1, 1000) AS i;
ANALYZE;
`;

let test: TestMigration;
let migration: Migration;
const soon = () => new Date(Date.now() + 60_000);

beforeAll(async () => {
  test = await aMigration({
    plan: 'tenants: none\ntables: { codes: {}, bytes: {}, numbers: {}, parts: {} }\n',
    legacySql: SQL,
  });
  await installSchemas(test.deps);
  migration = await test.load();
});

afterAll(() => test?.close());

const ownIndexes = async (store: 'legacy' | 'target') => {
  const { rows } = await test[store].query(
    `SELECT c.relname AS name, i.indisvalid AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname LIKE 'crossfade\\_key\\_%' ORDER BY 1`,
  );
  return rows as { name: string; valid: boolean }[];
};

async function explain({ text, values }: Statement): Promise<string> {
  const { rows } = await test.legacy.query(`EXPLAIN ${text}`, [...values]);
  return rows.map((row: { 'QUERY PLAN': string }) => row['QUERY PLAN']).join('\n');
}

const AFTER = '["8", 1]';

function walks(): readonly Statement[] {
  const codes = tableNamed(migration, 'codes');
  const page = { after: AFTER, limit: 1000, tenants: null };
  return [
    readPage(codes, migration.byName, 'forward', { ...page, through: null, bytes: 700_000 }),
    keyPage(codes, migration.byName, page),
    chunkBounds(codes, { after: AFTER, through: null }, 5_000, 10),
  ];
}

it('says which tables would be sorted for every page, and builds an index for each of them in both stores', async () => {
  const missing = await missingKeyIndexes(migration);

  const { built, left, done } = await buildKeyIndexes(migration, soon());

  const wanted = ['public.codes', 'public.parts_a', 'public.parts_b', 'public.parts'];
  expect(missing).toEqual(['legacy', 'target'].flatMap((store) => wanted.map((name) => `${store} ${name}`)));
  expect({ built, left, done }).toEqual({ built: missing, left: [], done: true });
  for (const store of ['legacy', 'target'] as const) {
    expect(await ownIndexes(store)).toEqual(
      ['codes', 'parts', 'parts_a', 'parts_b'].map((name) => ({ name: `crossfade_key_${name}`, valid: true })),
    );
  }
  expect(await missingKeyIndexes(migration)).toEqual([]);
});

it('walks a table of 100 000 rows without sorting it', async () => {
  for (const walk of walks()) {
    const plan = await explain(walk);
    expect(plan).toContain('crossfade_key_codes');
    expect(plan).not.toMatch(/Sort Key: .*code/);
  }
});

it('does nothing where all is in place', async () => {
  expect(await buildKeyIndexes(migration, soon())).toEqual({ built: [], left: [], done: true });
});

it('notices within a minute where somebody drops one, for doctor', async () => {
  const missing = async () => (await test.deps.documents.get('progress', KEY_INDEXES))?.value.state.missing;
  await test.target.query('DROP INDEX crossfade_key_codes');
  const before = await missing();

  await watchKeyIndexes(migration);

  expect(before).toEqual([]);
  expect(await missing()).toEqual(['target public.codes']);
  await buildKeyIndexes(migration, soon());
  expect(await missing()).toEqual([]);
});

it('makes an index anew that a build has left invalid, and one that somebody dropped', async () => {
  await test.legacy.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'crossfade_key_codes'::regclass`);
  await test.target.query('DROP INDEX crossfade_key_codes');
  const missing = await missingKeyIndexes(migration);

  const { built } = await buildKeyIndexes(migration, soon());

  expect(missing).toEqual(['legacy public.codes', 'target public.codes']);
  expect(built).toEqual(missing);
  expect((await ownIndexes('legacy')).every(({ valid }) => valid)).toBe(true);
});

it('holds nothing up where it cannot be built: writers write, the reason is said, and the next install makes it anew', async () => {
  await dropKeyIndexes(migration, ['legacy']);
  await test.legacy.query(`BEGIN; INSERT INTO codes VALUES (1, 'open', 'x')`);
  const plan = { ...test.plan, capture: { ...test.plan.capture, lockRetries: 1 } };
  const impatient = { ...migration, deps: { ...migration.deps, plan } };

  const building = buildKeyIndexes(impatient, soon());
  await test.legacy.query(`INSERT INTO codes VALUES (2, 'meanwhile', 'x')`);
  const { left, done } = await building;
  await test.legacy.query('COMMIT');

  expect(done).toBe(true);
  const again = await buildKeyIndexes(migration, soon(), left);
  expect(again).toMatchObject({ built: [], left, done: true });
  expect(left.find((line) => line.startsWith('legacy public.codes: '))).toMatch(/lock timeout/);
  const mended = await buildKeyIndexes(migration, soon());
  expect(mended).toMatchObject({ left: [], done: true });
  expect((await ownIndexes('legacy')).every(({ valid }) => valid)).toBe(true);
  expect(await missingKeyIndexes(migration)).toEqual([]);
});

it('goes without a trace', async () => {
  await dropKeyIndexes(migration);

  expect(await ownIndexes('legacy')).toEqual([]);
  expect(await ownIndexes('target')).toEqual([]);
  expect(await test.deps.documents.get('progress', KEY_INDEXES)).toBeUndefined();
});

it('has names that PostgreSQL keeps whole and apart', () => {
  const long = 'a'.repeat(63);
  const other = `${'a'.repeat(62)}b`;

  expect(Buffer.byteLength(keyIndexName(long))).toBeLessThanOrEqual(63);
  expect(Buffer.byteLength(keyIndexName('ä'.repeat(31)))).toBeLessThanOrEqual(63);
  expect(keyIndexName(long)).not.toBe(keyIndexName(other));
  expect(keyIndexName('orders')).toBe('crossfade_key_orders');
});
