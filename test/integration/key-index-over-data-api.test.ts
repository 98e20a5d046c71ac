/** The index of the key, built and dropped through the Data API: statements outside of a transaction, in calls that may end before they do. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installSchemas } from '../../lib/application/install/install.ts';
import { buildKeyIndexes, dropKeyIndexes } from '../../lib/application/install/key-index.ts';
import { missingKeyIndexes } from '../../lib/application/install/look-at-key-indexes.ts';
import { loadMigration, type Migration } from '../../lib/application/migration.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { overDataApi } from '../support/over-data-api.ts';

let api: TestDataApi;
let test: TestMigration;
let migration: Migration;

beforeAll(async () => {
  api = await startTestDataApi();
  test = await aMigration({
    plan: 'tenants: none\ntables: { codes: {} }\n',
    legacySql: `CREATE TABLE public.codes (code text PRIMARY KEY, note text); INSERT INTO codes SELECT md5(i::text), 'n' FROM generate_series(1, 5000) AS i`,
  });
  await installSchemas(test.deps);
  migration = await loadMigration({ ...test.deps, databases: overDataApi(api, test) });
});

afterAll(async () => {
  await test?.close();
  await api?.stop();
});

it('is built in both stores, found again, and gone without a trace', async () => {
  const indexes = async () => {
    const sql = `SELECT i.indisvalid AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'crossfade_key_codes'`;
    return [(await test.legacy.query(sql)).rows, (await test.target.query(sql)).rows];
  };

  const { built, left } = await buildKeyIndexes(migration, new Date(Date.now() + 60_000));

  expect({ built, left }).toEqual({ built: ['legacy public.codes', 'target public.codes'], left: [] });
  expect(await indexes()).toEqual([[{ valid: true }], [{ valid: true }]]);
  expect(await missingKeyIndexes(migration)).toEqual([]);
  expect(await dropKeyIndexes(migration)).toEqual(built.toReversed());
  expect(await indexes()).toEqual([[], []]);
});
