/** The relay over the RDS Data API, whose answers end at 1 MiB and whose rows at 64 KB: pages by bytes, never a standstill. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { overDataApi } from '../support/over-data-api.ts';
import { relayUntilDone } from '../support/relay-until-idle.ts';

const SQL = `
CREATE TABLE public.paths (path text PRIMARY KEY, tenant_id text NOT NULL, note text);
CREATE TABLE public.pages (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text);`;
const PLAN = 'tenants: { column: tenant_id }\ntables: { paths: , pages: }\ntargetTimeout: 5s';

let api: TestDataApi;
let test: TestMigration;
let deps: Deps;

beforeAll(async () => {
  api = await startTestDataApi();
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  deps = { ...test.deps, databases: overDataApi(api, test) };
  await installSchemas(deps);
  const migration = await test.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(async () => {
  await test?.close();
  await api?.stop();
});

const relay = () => relayUntilDone({ ...test, deps });

const countOf = async (table: string) => (await test.target.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;

describe('over the Data API', () => {
  it('claims less at once where long keys make the answer too large', async () => {
    // 1200 keys of 2.5 KB: a claim of 1000 would be 2.5 MB.
    await test.legacy.query(
      `INSERT INTO paths SELECT (SELECT string_agg(md5(i::text || '/' || part), '') FROM generate_series(1, 80) AS part), 'acme', 'x' FROM generate_series(1, 1200) AS i`,
    );

    await relay();

    expect(await countOf('paths')).toBe(1_200);
  });

  it('carries many rows near the limit of a row in pages of what fits', async () => {
    await test.legacy.query(`INSERT INTO pages SELECT i, 'acme', repeat('y', 40000) FROM generate_series(1, 120) AS i`);

    await relay();

    expect(await countOf('pages WHERE length(body) = 40000')).toBe(120);
  });
});
