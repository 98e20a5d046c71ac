/** Rows over 64 KB, which the Data API cannot carry: refused at baseline, and set aside with the same advice when one comes later. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { checkPayloads } from '../../lib/application/machines/baseline/check-payloads.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { queueRepairs } from '../../lib/sql/repair/repair-queue.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { overDataApi } from '../support/over-data-api.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';
import { aRun } from '../support/run.ts';

const SQL = 'CREATE TABLE public.pages (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text);';
// Both stores are reached by the Data API, whatever URLs the test itself uses.
const PLAN = 'tenants: { column: tenant_id }\ntables: { pages: }\ntargetTimeout: 5s\nrelay: { shards: 1 }';

let api: TestDataApi;
let test: TestMigration;
let deps: Deps;

beforeAll(async () => {
  api = await startTestDataApi();
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  const { plan } = test.deps;
  const dataApi = { driver: 'rds-data' } as const;
  // Only the driver matters to what is under test; the stores are opened by overDataApi.
  const overWire = {
    ...plan,
    legacy: { ...plan.legacy, ...dataApi },
    target: { ...plan.target, ...dataApi },
  } as typeof plan;
  deps = { ...test.deps, plan: overWire, databases: overDataApi(api, test) };
});

afterAll(async () => {
  await test?.close();
  await api?.stop();
});

const relay = () => relayUntilIdle(deps, 'forward', 500);

describe('a row over 64 KB', () => {
  it('is refused at baseline, by its key and with what to do', async () => {
    await test.legacy.query(
      `INSERT INTO pages VALUES (1, 'acme', repeat('x', 70000)), (2, 'acme', repeat('x', 50000))`,
    );

    const result = await checkPayloads(deps, aRun({ machine: 'baseline' }), null);

    const gate = result.gates.find((decision) => decision.gate === 'rows-too-large');
    expect(gate).toMatchObject({ pass: false, value: 1 });
    expect(JSON.stringify(gate)).toMatch(
      /pages: 1 rows are larger than 60000 bytes; keys \[\\+"\[1\]\\+"\].*use driver pg for both stores/,
    );
    await test.legacy.query('DELETE FROM pages');
  });

  it('that is written later is parked with the same advice, and holds up no other', async () => {
    await installSchemas(deps);
    const migration = await test.load();
    await installCapture(migration, 'forward');
    await fenceStore(migration, 'target');
    for (const tenant of ['*', 'acme'])
      await turnOn(deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
    await test.legacy.query(
      `INSERT INTO pages SELECT i, 'acme', repeat('x', CASE i WHEN 5 THEN 70000 ELSE 10 END) FROM generate_series(1, 9) AS i`,
    );

    await relay();

    expect((await test.target.query('SELECT count(*)::int AS n FROM pages')).rows).toEqual([{ n: 8 }]);
    const { rows } = await test.legacy.query(
      `SELECT row_key, state, reason FROM crossfade.outbox WHERE state <> 'published'`,
    );
    expect(rows).toEqual([{ row_key: '[5]', state: 'parked', reason: expect.stringMatching(/64 KB.*use driver pg/) }]);
  });

  it('that is queued for repair stays there with the advice, and delivery goes on', async () => {
    await deps.databases.open('target', 'apply').query(queueRepairs('pages', ['[5]', '[6]'], 'test'));
    await test.legacy.query(`INSERT INTO pages VALUES (10, 'acme', 'after')`);

    await relay();

    expect((await test.target.query('SELECT body FROM pages WHERE id = 10')).rows).toEqual([{ body: 'after' }]);
    const { rows } = await test.target.query('SELECT row_key, reason FROM crossfade.repair_queue');
    expect(rows).toEqual([{ row_key: '[5]', reason: expect.stringMatching(/64 KB.*use driver pg/) }]);
  });

  it('is named by a repair by key as the one that failed', async () => {
    const migration = { ...(await test.load()), deps };

    const result = await repairKeys(
      migration,
      tableNamed(migration, 'pages'),
      'forward',
      ['[4]', '[5]', '[6]'],
      'test',
    );

    expect(result.applied).toEqual(['[4]', '[6]']);
    expect(result.failed).toEqual([{ rowKey: '[5]', reason: expect.stringContaining('64 KB') }]);
  });
});
