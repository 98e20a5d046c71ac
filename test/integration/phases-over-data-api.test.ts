/** Phases 1 and 5 over the RDS Data API, with its limits and under Crossfade's own roles: what works over `pg` only is seen here. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { baselineMachine } from '../../lib/application/machines/baseline/machine.ts';
import { decommissionMachine } from '../../lib/application/machines/decommission/machine.ts';
import type { Step } from '../../lib/application/machines/step.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { decideAuthority } from '../../lib/application/switch/authority.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { overDataApi } from '../support/over-data-api.ts';
import { aRun } from '../support/run.ts';
import { SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

const ROWS = `
INSERT INTO public.orders (id, tenant_id, reference, amount, note, payload, tags, mood, ratio, seen, raw, currency, updated_at)
SELECT n, 'acme', 'r' || n, n * 1.10, repeat('x', 3000), '{"b": 1, "a": [1, 2]}', '{a,"b c",NULL}', 'ok', 0.1 + n, '[2024-01-01,2024-02-01)', '\\xdeadbeef', 'EUR', '2026-01-01'
FROM generate_series(1, 600) AS n;
INSERT INTO public.lines SELECT n, 1, n FROM generate_series(1, 600) AS n;`;

let api: TestDataApi;
let shop: TestMigration;
let deps: Deps;

beforeAll(async () => {
  api = await startTestDataApi();
  shop = await aMigration({
    plan: `${SHOP_PLAN}baseline: { probeFor: 1s, probeWrites: 40 }\ndecommission: { idleFor: 1s, reverseIdleFor: 1s }\napplicationRoles: [shop_app]`,
    legacySql: `${SHOP_SQL}${ROWS}`,
    targetSql: SHOP_SQL.slice(0, SHOP_SQL.indexOf('INSERT INTO')),
  });
  deps = { ...shop.deps, databases: overDataApi(api, shop) };
});

afterAll(async () => {
  await shop?.close();
  await api?.stop();
});

/** As the state machine does it: step after step, each with the data of the one before, in JSON. */
async function runSteps(steps: Readonly<Record<string, Step>>, run: Run): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  let data: unknown = null;
  for (const step of Object.values(steps)) {
    for (;;) {
      const result = await step(deps, run, JSON.parse(JSON.stringify(data)));
      if (result.data !== null || !result.again) data = result.data;
      if (result.again) {
        await deps.clock.sleep(result.waitSeconds * 1_000);
        continue;
      }
      results.push(result);
      break;
    }
  }
  return results;
}

describe('over the RDS Data API', () => {
  it('baseline passes, and leaves no row behind', async () => {
    const results = await runSteps(baselineMachine.steps, aRun({ machine: 'baseline' }));

    expect(results.flatMap(({ reasons }) => reasons)).toEqual([]);
    expect((await shop.target.query('SELECT count(*)::int AS n FROM orders')).rows).toEqual([{ n: 0 }]);
  });

  it('decommission archives, retires and maintains', async () => {
    await shop.target.query(`${SHOP_SQL.slice(SHOP_SQL.indexOf('INSERT INTO'))}${ROWS}`);
    await installSchemas(deps);
    const migration = await loadMigration(deps);
    for (const tenant of ['*', 'acme'])
      await turnOn(deps, 'forward', { tenant, stage: 'live', copied: true, why: 'test' });
    await installCapture(migration, 'reverse');
    await fenceStore(migration, 'legacy');
    await decideAuthority(deps, {
      direction: 'reverse',
      stage: 'rampdown',
      by: 'test',
      why: 'test',
      execution: 'test',
    });

    const results = await runSteps(decommissionMachine.steps, aRun({ machine: 'decommission' }));

    expect(results.flatMap(({ reasons }) => reasons)).toEqual([]);
    const notes = results.flatMap((result) => result.notes).join('\n');
    expect(notes).toContain('1202 rows of 3 tables archived');
    expect(notes).toContain('7 of 7 maintenance statements ran');
    expect(await deps.objects.get('archive/run-1/orders/000003.jsonl')).toBeDefined();
  });
});
