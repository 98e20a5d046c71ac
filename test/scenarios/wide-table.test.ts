/** A table of as many columns and types as PostgreSQL takes: a record has 1664 entries, a function 100 arguments, a numeric three fields. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { mirrorTenants, turnOn } from '../../lib/application/tenants/exposure.ts';
import { runCycle } from '../support/cycle-steps.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';

/** Unbounded numerics, which have the most fields, and a hundred types that differ in their precision. */
const COLUMNS = [
  ...Array.from({ length: 800 }, (_, n) => `n${n} numeric`),
  ...Array.from({ length: 120 }, (_, n) => `p${n} numeric(${n + 5},2)`),
];
const SQL = `CREATE TABLE public.wide (id bigint PRIMARY KEY, ${COLUMNS.join(', ')});
INSERT INTO public.wide (id, n0, n799, p0, p119) SELECT n, n, -n, n, n FROM generate_series(1, 30) AS n`;

let test: TestMigration;

beforeAll(async () => {
  test = await aMigration({
    plan: 'tenants: none\nreconcile: { chunkRows: 10, splitRows: 3, repair: { automatic: false } }\ntables: { wide: {} }\n',
    legacySql: SQL,
  });
  await installSchemas(test.deps);
  await installCapture(await test.load(), 'forward');
  await turnOn(test.deps, 'forward', { tenant: '*', stage: 'dualwrite', copied: true, why: 'test' });
  await mirrorTenants(test.deps, 'forward');
});

afterAll(() => test?.close());

it.each(['fast', 'exact'])('is compared in the form %s, and each column that differs is named', async (mode) => {
  const values = [`n799 = 799`, `p119 = 7.01`, `n0 = NULL`];
  for (const [index, value] of values.entries())
    await test.target.query(`UPDATE wide SET ${value} WHERE id = ${index + 11}`);

  const { settling } = await runCycle(test.deps, aRun({ machine: 'reconcile', scope: ['*'], scopeKind: 'full', mode }));

  expect(settling.drift.map(({ rowKey, columns }) => [rowKey, columns])).toEqual([
    ['[11]', ['n799']],
    ['[12]', ['p119']],
    ['[13]', ['n0']],
  ]);
});
