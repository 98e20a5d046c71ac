/** Stores that order a key differently: by bytes where the key is text of any kind, and a clear answer where nothing helps. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { installSchemas } from '../../lib/application/install/install.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { comparePass, type PassResult } from '../../lib/application/reconcile/compare-pass.ts';
import { planComparison } from '../../lib/application/reconcile/comparison.ts';
import { NO_TENANT } from '../../lib/domain/table.ts';
import { chunkBounds } from '../../lib/sql/compare/chunk-bounds.ts';
import { createKeyIndex, keyIndexes } from '../../lib/sql/install/key-index.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const ROWS = 2_000;
const PLAN = `tenants: none
reconcile: { chunkRows: 100, splitRows: 20, recheckAfter: 5s }
tables: { slugs: {}, names: {}, moods: {} }
`;
const LABELS = Array.from({ length: ROWS }, (_, n) => `'m${n}'`);
const sqlOf = (collation: string, labels: readonly string[]) => `
CREATE EXTENSION citext; CREATE DOMAIN public.slug AS text COLLATE ${collation}; CREATE TYPE public.mood AS ENUM (${labels.join(', ')});
CREATE TABLE slugs (k public.slug PRIMARY KEY, v text); CREATE TABLE names (k public.citext COLLATE ${collation} PRIMARY KEY, v text);
CREATE TABLE moods (k public.mood PRIMARY KEY, v text);
INSERT INTO slugs SELECT chr(65 + (i * 7) % 58) || i, 'v' FROM generate_series(1, ${ROWS}) AS i;
INSERT INTO names SELECT (ARRAY['a', 'B', 'ä', 'Z', '_', 'A b'])[1 + i % 6] || i, 'v' FROM generate_series(1, ${ROWS}) AS i;
INSERT INTO moods SELECT ('m' || (i - 1))::public.mood, 'v' FROM generate_series(1, ${ROWS}) AS i`;

let stores: TestMigration;

beforeAll(async () => {
  // Each label's place is another one: no range of the one order is a range of the other.
  const shuffled = LABELS.map((_, n) => LABELS[(n * 787) % ROWS] ?? '');
  stores = await aMigration({
    plan: PLAN,
    legacySql: sqlOf('"C"', LABELS),
    targetSql: sqlOf('"en-x-icu"', shuffled),
    clock: createVirtualClock({ autoAdvance: true }),
  });
  await installSchemas(stores.deps);
});

afterAll(() => stores?.close());

async function compare(table: string): Promise<PassResult | undefined> {
  const migration = await stores.load();
  const wish = { mode: 'checksum', form: 'exact', tenants: [NO_TENANT], tables: [table] } as const;
  const comparison = await planComparison(migration, 'forward', wish);
  return comparePass(migration, comparison, { id: table, until: new Date(8.64e15) });
}

describe('a key of text is walked by its bytes', () => {
  it.each(['slugs', 'names'])('also where it is a domain or a type of an extension: %s', async (table) => {
    await stores.target.query(`UPDATE ${table} SET v = 'other' WHERE k = (SELECT max(k) FROM ${table})`);

    const result = await compare(table);

    expect(result).toMatchObject({ rows: ROWS, unsettled: 0, drift: [{ kind: 'different' }] });
  });
});

it.each(['slugs', 'names'])('Crossfade’s own index stands in that order, and is used: %s', async (name) => {
  const table = tableNamed(await stores.load(), name);
  await stores.legacy.query(createKeyIndex(table, table).text);

  const { text, values } = keyIndexes(table);
  const walk = chunkBounds(table, { after: '["B1"]', through: null }, 100, 5);
  await stores.legacy.query('SET enable_seqscan = off; SET enable_sort = off');
  const plan = await stores.legacy.query(`EXPLAIN ${walk.text}`, [...walk.values]);
  await stores.legacy.query('RESET ALL');

  expect((await stores.legacy.query(text, [...values])).rows).toMatchObject([
    { own: `crossfade_key_${name}`, valid: true },
  ]);
  expect(JSON.stringify(plan.rows)).toContain(`using crossfade_key_${name}`);
});

it('an enum with its labels in another order ends with what to do, and not never', async () => {
  await expect(compare('moods')).rejects.toThrow('order its key differently');
});
