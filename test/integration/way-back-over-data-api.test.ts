/** The way back of dual-write over the RDS Data API, with its limits and under Crossfade's own roles. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Deps } from '../../lib/application/deps.ts';
import { askApproval } from '../../lib/application/machines/approval.ts';
import { install } from '../../lib/application/machines/dual-write/install.ts';
import { watch } from '../../lib/application/machines/dual-write/watch.ts';
import {
  closeTenants,
  drainTenants,
  eraseTenants,
  verifyErased,
} from '../../lib/application/machines/rollback/dual-write.ts';
import { dropSchema, listSchema, surveySchema, verifySchema } from '../../lib/application/machines/rollback/schema.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { undoWrites } from '../../lib/application/tenants/undo-writes.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { overDataApi } from '../support/over-data-api.ts';
import { relayUntilDone } from '../support/relay-until-idle.ts';
import { aRun, runToEnd } from '../support/run.ts';
import { SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

/** More than one page of rows that were there before. */
const BEFORE = `
INSERT INTO public.orders (id, tenant_id, reference, amount, note, payload, tags, mood, ratio, seen, raw, currency, updated_at)
SELECT n, 'acme', 'before' || n, n * 1.10, repeat('x', 500), '{"b": 1, "a": [1, null]}', '{a,"b c",NULL}', 'ok', 0.1 + n, '[2024-01-01,2024-02-01)', '\\xdeadbeef', 'EUR', '2026-01-01'
FROM generate_series(1, 1200) AS n;`;
const ROWS = 'SELECT md5(string_agg(o::text, chr(10) ORDER BY id)) AS rows, count(*)::int AS n FROM orders o';

let api: TestDataApi;
let shop: TestMigration;
let deps: Deps;

beforeAll(async () => {
  api = await startTestDataApi();
  shop = await aMigration({
    plan: `${SHOP_PLAN}dualWrite: { drainWindow: 1s }`,
    legacySql: SHOP_SQL,
    targetSql: `${SHOP_SQL}${BEFORE}`,
  });
  deps = { ...shop.deps, databases: overDataApi(api, shop) };
});

afterAll(async () => {
  await shop?.close();
  await api?.stop();
});

it('restores what was there before, erases the rest, and undoes a single write', async () => {
  const before = (await shop.target.query(ROWS)).rows;
  await runToEnd(deps, install, aRun());
  for (const tenant of ['*', 'acme'])
    await turnOn(deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
  const migration = { ...(await shop.load()), deps };
  await repairKeys(migration, tableNamed(migration, 'currencies'), 'forward', ['["EUR"]', '["USD"]'], 'first-copy');
  await shop.legacy.query(`
    BEGIN; SELECT set_config('crossfade.correlation_id', 'web-1', true);
    INSERT INTO orders (id, tenant_id, note) SELECT n, 'acme', 'new' FROM generate_series(1000, 1400) AS n;
    INSERT INTO lines SELECT n, 1, n FROM generate_series(1000, 1400) AS n; COMMIT`);
  await relayUntilDone({ ...shop, deps });
  expect((await shop.target.query(`SELECT count(*)::int AS n FROM orders WHERE note = 'new'`)).rows).toEqual([
    { n: 401 },
  ]);

  const run = aRun({ machine: 'rollback', from: 'dual-write' });
  const watched = await watch(deps, aRun(), { since: 0 });
  const undone = await undoWrites(migration, { correlationId: 'web-1', dryRun: true }, 'undo');
  const forecast = await runToEnd(deps, eraseTenants, { ...run, dryRun: true });
  for (const step of [closeTenants, drainTenants, eraseTenants]) await runToEnd(deps, step, run);
  const verified = await runToEnd(deps, verifyErased, run);

  expect(watched).toMatchObject({ proceed: true, reasons: [] });
  expect(undone.rows.filter(({ outcome }) => outcome === 'erased' || outcome === 'restored')).not.toHaveLength(0);
  expect(forecast.notes).toEqual(
    expect.arrayContaining([
      'orders: would restore 201 rows of acme',
      'orders: would erase 200 rows of acme',
      'lines: would erase 401 rows of acme',
    ]),
  );
  expect(verified.reasons).toEqual([]);
  expect((await shop.target.query(ROWS)).rows).toEqual(before);
});

it('drops what it made in both stores and leaves what was there before', async () => {
  const before = (await shop.target.query(ROWS)).rows;
  const run = aRun({ machine: 'rollback', from: 'schema' });

  const survey = await surveySchema(deps, run, null);
  const listed = await listSchema(deps, run, survey.data);
  await askApproval(deps, run, 'token');
  for (const { id, value } of await deps.documents.list('approval'))
    await deps.documents.put(
      'approval',
      id,
      { ...value, decision: { approved: true, by: 'bob', at: '', comment: '' } },
      'any',
    );
  const dropped = await dropSchema(deps, run, listed.data);
  const verified = await verifySchema(deps, run, dropped.data);

  expect([survey.proceed, listed.proceed, dropped.proceed, verified.proceed]).toEqual([true, true, true, true]);
  expect(listed.notes).toContain('target: function crossfade.not_newer(p pg_snapshot, r pg_snapshot)');
  expect((await shop.target.query(ROWS)).rows).toEqual(before);
  for (const store of [shop.legacy, shop.target])
    expect((await store.query(`SELECT FROM pg_namespace WHERE nspname = 'crossfade'`)).rows).toEqual([]);
});
