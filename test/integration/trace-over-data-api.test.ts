/** A trace, a redrive and a sweep over the RDS Data API, whose parameters and answers are typed otherwise than those of `pg`. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { recordHealth } from '../../lib/application/relay/health.ts';
import { sweepRetries } from '../../lib/application/relay/sweep-retries.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { traceWrite } from '../../lib/application/trace/trace-write.ts';
import type { TraceQuery } from '../../lib/contracts/trace.ts';
import { redriveEvents } from '../../lib/sql/relay/redrive-events.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { overDataApi } from '../support/over-data-api.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
const TARGET_SQL = SQL.replace('body text', `body text CHECK (body <> 'poison')`);

let api: TestDataApi;
let test: TestMigration;
let deps: Deps;

beforeAll(async () => {
  api = await startTestDataApi();
  test = await aMigration({
    plan: 'tenants: { column: tenant_id }\ntables: { notes: }\ntargetTimeout: 5s',
    legacySql: SQL,
    targetSql: TARGET_SQL,
  });
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

it('tells, brings back and sweeps as over pg', async () => {
  await test.legacy.query(
    `BEGIN; SET LOCAL crossfade.correlation_id = 'web-1'; INSERT INTO notes VALUES (1, 'acme', 'a'), (2, 'acme', 'poison'); COMMIT`,
  );
  await relayUntilIdle(deps, 'forward', 1_500);
  const migration = { ...(await test.load()), deps };
  const tell = (query: TraceQuery) => traceWrite(migration, query, 'salt');
  const { rows } = await test.legacy.query(
    `SELECT seq::text AS seq, idempotency_key FROM crossfade.outbox WHERE row_key = '[1]'`,
  );

  const answers = [
    await tell({ by: 'correlation', id: 'web-1' }),
    await tell({ by: 'row', table: 'notes', rowKey: '[1]' }),
    await tell({ by: 'seq', direction: 'forward', seq: rows[0].seq }),
    await tell({ by: 'idempotency', key: rows[0].idempotency_key }),
  ];
  await recordHealth(deps, 'forward');
  const [back] = await deps.databases.open('legacy', 'relay').query(redriveEvents(['parked'], { tenants: ['acme'] }));
  await sweepRetries(deps, 'forward');

  expect(answers.map(({ gaps }) => gaps)).toEqual([[], [], [], []]);
  expect(answers[0]?.steps.map(({ what }) => what).toSorted()).toEqual([
    'applied',
    'captured',
    'captured',
    'parked',
    'published',
  ]);
  expect(answers.slice(1).map(({ steps }) => steps.map(({ what }) => what))).toEqual(
    Array(3).fill(['captured', 'applied', 'published']),
  );
  expect(answers[0]?.rows.map(({ same }) => same)).toEqual([true, false]);
  expect((await deps.documents.get('progress', 'relay/forward'))?.value.state).toMatchObject({
    parked: 1,
    drainPercent: 100,
    tenantLags: [{ tenant: 'acme', undelivered: 0, setAside: 1 }],
    setAsideGroups: [{ tenant: 'acme', state: 'parked', table: 'notes', events: 1 }],
  });
  expect(back).toEqual({ events: '1' });
});
