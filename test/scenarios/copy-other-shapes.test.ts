/** A second schema of another shape: no tenants, keys of several columns under differing collations, uuid and numeric keys, a mapping. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { backfillMachine } from '../../lib/application/machines/backfill/machine.ts';
import type { MachineDefinition } from '../../lib/application/machines/step.ts';
import { comparePass } from '../../lib/application/reconcile/compare-pass.ts';
import { planComparison } from '../../lib/application/reconcile/comparison.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import type { StepResult } from '../../lib/contracts/machine-io.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';

const LEGACY = `
CREATE TABLE public.notes (name text COLLATE "en-x-icu", at date, body text, first_name text, last_name text, junk text, PRIMARY KEY (name, at));
CREATE TABLE public.things (id uuid PRIMARY KEY, price numeric(10,2), doc json, seen timestamp);
CREATE TABLE public.weights (w numeric PRIMARY KEY, v varchar(20));
INSERT INTO public.notes SELECT n, '2026-01-01'::date + i, nullif(n, '') || i, 'Ann', 'Lee', 'x'
  FROM unnest(ARRAY['a', 'B', 'ä', 'Z', '_', 'A b', 'a''c', '', '"', '\\', 'é,']) AS n, generate_series(1, 9) AS i;
INSERT INTO public.things SELECT gen_random_uuid(), i, '{"b": 1,  "a": 1.0}', '2026-01-01'::timestamp + i * interval '1 second' FROM generate_series(1, 70) AS i;
INSERT INTO public.weights SELECT i / 4.0, i FROM generate_series(-30, 30) AS i;
`;
const TARGET = `
CREATE TABLE public.notes (name text COLLATE "C", at date, body text, full_name text, score integer DEFAULT 7, PRIMARY KEY (name, at));
CREATE TABLE public.things (id uuid PRIMARY KEY, price numeric(12,4), doc json, seen timestamp);
CREATE TABLE public.weights (w numeric PRIMARY KEY, v text);
INSERT INTO public.notes VALUES ('zzz', '2026-01-01', 'a stray');
`;
const PLAN = `
tenants: none
reconcile: { chunkRows: 20, splitRows: 4, recheckAfter: 60ms }
relay: { poll: 50ms }
backfill: { batchRows: 17, batchesPerSecond: 10000 }
tables:
  notes:
    columns:
      full_name: { from: "first_name || ' ' || last_name", oneWay: true }
      score: { owner: target }
      first_name: { drop: true }
      last_name: { drop: true }
      junk: { drop: true }
  things: {}
  weights: {}
`;

let shop: TestMigration;

beforeAll(async () => {
  shop = await aMigration({ plan: PLAN, legacySql: LEGACY, targetSql: TARGET });
  await installSchemas(shop.deps);
  const migration = await shop.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  await turnOn(shop.deps, 'forward', { tenant: '*', stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => shop?.close());

async function runMachine(machine: MachineDefinition, deps: Deps): Promise<StepResult | undefined> {
  let result: StepResult | undefined;
  for (const step of Object.values(machine.steps)) {
    do result = await step(deps, aRun({ machine: 'backfill', scope: ['*'] }), result?.data ?? null);
    while (result.again);
    if (!result.proceed) return result;
  }
  return result;
}

describe('a schema of another shape', () => {
  it('is copied through its mapping, page by page in byte order, and proved equal', async () => {
    const result = await runMachine(backfillMachine, shop.deps);

    expect(result?.gates).toMatchObject([{ gate: 'backfill-digest-equal', pass: true }]);
    const legacy = await shop.legacy.query(
      `SELECT name, at::text, body, first_name || ' ' || last_name AS full_name FROM notes ORDER BY name COLLATE "C", at`,
    );
    const target = await shop.target.query('SELECT name, at::text, body, full_name FROM notes ORDER BY name, at');
    expect(target.rows).toEqual(legacy.rows);
    expect((await shop.target.query('SELECT DISTINCT score FROM notes')).rows).toEqual([{ score: 7 }]);
    const weights = 'SELECT w::text, v FROM weights ORDER BY w';
    expect((await shop.target.query(weights)).rows).toEqual((await shop.legacy.query(weights)).rows);
  });

  it('is compared in one process, in as many calls as time allows, and settled at the end', async () => {
    const migration = await shop.load();
    await shop.target.query('ALTER TABLE things DISABLE TRIGGER ALL; ALTER TABLE weights DISABLE TRIGGER ALL');
    await shop.target.query('DELETE FROM weights WHERE w = 0.25');
    const { rows } = await shop.target.query(`UPDATE things SET doc = '{"a":1.0}' WHERE price = 9 RETURNING id`);
    const comparison = await planComparison(migration, 'forward', {
      mode: 'checksum',
      form: 'exact',
      tenants: ['*'],
      tables: [],
    });

    let calls = 0;
    let result: Awaited<ReturnType<typeof comparePass>>;
    do {
      result = await comparePass(migration, comparison, {
        id: 'test',
        until: shop.deps.clock.now(),
        concurrency: 1,
        chunksPerSpan: 1,
      });
      calls += 1;
    } while (result === undefined);

    expect(calls).toBeGreaterThan(10);
    expect(result).toMatchObject({ rows: 99 + 70 + 61, inFlight: 0, unsettled: 0 });
    expect(result.drift).toEqual([
      { table: 'things', rowKey: `["${rows[0].id}"]`, tenant: '*', kind: 'different', columns: ['doc'] },
      { table: 'weights', rowKey: '[0.25]', tenant: '*', kind: 'missing', columns: [] },
    ]);
  });
});
