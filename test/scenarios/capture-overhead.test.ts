/** What capture adds to a write of the application: measured by the server itself, held against the plan's latency budget, at nobody's cost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeCaptureOverhead, measureCaptureOverhead } from '../../lib/application/dual-write/capture-overhead.ts';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import type { Migration } from '../../lib/application/migration.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `
CREATE TABLE public.names (name text PRIMARY KEY);
CREATE TABLE public.orders (id int PRIMARY KEY, note text);
CREATE TABLE public.calls (id int, part int, PRIMARY KEY (id, part));
CREATE TABLE public.parts (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
CREATE TABLE public.parts_1 PARTITION OF public.parts DEFAULT;
CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM FROM names; RETURN NEW; END $$;
CREATE TRIGGER look BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.look();
INSERT INTO public.orders SELECT i, 'x' FROM generate_series(1, 300) AS i;
INSERT INTO public.calls SELECT i, i FROM generate_series(1, 300) AS i;
INSERT INTO public.parts SELECT i, 'x' FROM generate_series(1, 300) AS i;
`;
const PLAN =
  'tenants: none\ntables: { orders: {}, calls: { capture: client }, parts: {}, names: {} }\nlatencyBudget: 1ms\n';

let test: TestMigration;
let migration: Migration;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(test.deps);
  migration = await test.load();
  await installCapture(migration, 'forward');
});

afterAll(() => test?.close());

describe('what capture adds to a write', () => {
  it('is measured for triggers, partitions and the library, and leaves nothing behind', async () => {
    const overhead = await measureCaptureOverhead(migration);

    expect(Object.keys(overhead.tables).toSorted()).toEqual(['calls', 'orders', 'parts']);
    expect(overhead.samples).toBeGreaterThan(100);
    expect(overhead.p50).toBeGreaterThan(0);
    expect(overhead.p99).toBeGreaterThanOrEqual(overhead.p50 ?? Number.NaN);
    expect((await test.legacy.query('SELECT 1 FROM crossfade.outbox')).rows).toEqual([]);
  });

  it('is refused when it costs more than the budget, with the medians of the tables', async () => {
    await test.legacy.query(`CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END $$;
      CREATE TRIGGER slow BEFORE INSERT ON crossfade.outbox FOR EACH ROW EXECUTE FUNCTION public.slow()`);

    const overhead = await measureCaptureOverhead(migration);
    await test.legacy.query('DROP TRIGGER slow ON crossfade.outbox');

    expect(overhead.p50).toBeGreaterThan(3);
    expect(judgeCaptureOverhead(migration, overhead)).toMatchObject([
      {
        gate: 'capture-overhead',
        pass: false,
        threshold: 1,
        reasons: expect.arrayContaining([expect.stringMatching(/^orders: median [\d.]+ ms$/)]),
      },
    ]);
  });

  it('passes within the budget, and is judged by nothing where the plan has none', () => {
    const overhead = { p50: 0.1, p99: 0.9, samples: 200, tables: { orders: 0.1 } };
    const plan = { ...migration.deps.plan, latencyBudget: null };

    expect(judgeCaptureOverhead(migration, overhead)).toMatchObject([{ pass: true, value: 0.9 }]);
    expect(judgeCaptureOverhead({ ...migration, deps: { ...migration.deps, plan } }, overhead)).toEqual([]);
  });

  it('waits for no application: rows that one holds are left alone, and no evidence refuses', async () => {
    await test.legacy.query('BEGIN; SELECT FROM orders FOR UPDATE; SELECT FROM parts FOR UPDATE');

    const overhead = await measureCaptureOverhead(migration);

    await test.legacy.query('ROLLBACK');
    expect(Object.keys(overhead.tables)).toEqual(['calls']);
    expect(judgeCaptureOverhead(migration, { p50: null, p99: null, samples: 0, tables: {} })).toMatchObject([
      { pass: false, value: null },
    ]);
  });
});
