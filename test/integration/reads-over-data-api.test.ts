import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRdsDataStore } from '../../lib/adapters/rds-data/sql-store.ts';
import { systemClock } from '../../lib/adapters/system-clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { dryRunWrite } from '../../lib/application/dual-write/dry-run-write.ts';
import { analyzeTarget } from '../../lib/application/machines/cutover/analyze-target.ts';
import { checkParity } from '../../lib/application/machines/cutover/check-parity.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { readShapes } from '../../lib/application/reads/read-shapes.ts';
import { createReadRouter } from '../../lib/application/reads/route-read.ts';
import { setStage } from '../../lib/application/tenants/exposure.ts';
import { STORES } from '../../lib/domain/direction.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import type { TestMigration } from '../support/migration.ts';
import { aReadableMigration } from '../support/reads.ts';
import { aRun } from '../support/run.ts';

let system: TestMigration;
let api: TestDataApi;
let deps: Deps;

beforeAll(async () => {
  system = await aReadableMigration(
    'reads: { timeout: 5s, parity: { concurrency: 4, for: 1s } }\nreconcile: { recheckAfter: 600ms }',
  );
  api = await startTestDataApi();
  const [legacy, target] = await Promise.all(
    STORES.map(async (store) =>
      createRdsDataStore({
        client: api.client,
        clock: systemClock,
        clusterArn: api.clusterArns[store],
        secretArn: api.secretArns[store],
        database: (await system[store].query('SELECT current_database() AS name')).rows[0].name,
      }),
    ),
  );
  if (legacy === undefined || target === undefined) throw new Error('there are two stores');
  const open = (store: string) => (store === 'legacy' ? legacy : target);
  deps = { ...system.deps, databases: { pageBytes: 700_000, open, close: async () => {} } };
});

afterAll(async () => {
  await api.stop();
  await system.close();
});

it('the read path, parity, statistics and dry runs work through the Data API', async () => {
  const run = aRun({ machine: 'cutover', scope: ['acme', 'globex'] });
  expect((await checkParity(deps, run, null)).reasons).toEqual([]);
  expect((await analyzeTarget(deps, run, null)).reasons).toEqual([]);

  await setStage(deps, 'forward', ['acme', 'globex'], 'live', 100, 'test');
  const router = createReadRouter(deps, await readShapes(deps));
  const page = { kind: 'page', after: null, limit: 7 } as const;
  const one = await router.read({
    tenant: 'acme',
    table: 'orders',
    what: { kind: 'row', key: '[2,"ä"]' },
    position: null,
  });
  const many = await router.read({ tenant: 'acme', table: 'orders', what: page, position: '3' });
  const tried = await dryRunWrite(await loadMigration(deps), {
    table: 'orders',
    payload: '{"id":900,"part":"x","tenant_id":"acme","first":"E","last":"D","amount":-1}',
  });

  expect(one).toMatchObject({ servedBy: 'target', fallback: null });
  expect(one.rows[0]?.row).toContain('"amount":0.50');
  expect([many.rows.length, many.more, many.servedBy]).toEqual([7, true, 'target']);
  expect(tried.faults).toMatchObject([{ kind: 'check', constraint: 'orders_amount_check' }]);
});
