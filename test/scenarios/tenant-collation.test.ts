/** Tenants are told by their bytes, whatever collation their column has: `ACME` is not exposed because `acme` is. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { runCycle } from '../support/cycle-steps.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilDone } from '../support/relay-until-idle.ts';
import { aRun } from '../support/run.ts';

const SQL = `
CREATE COLLATION public.loosely (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text COLLATE public.loosely NOT NULL, body text);
CREATE TABLE public.lines (note_id bigint REFERENCES public.notes, line integer, body text, PRIMARY KEY (note_id, line));
`;
const PLAN = `
tenants: { column: tenant_id }
relay: { poll: 50ms }
reconcile: { recheckAfter: 60ms, repair: { automatic: false } }
tables: { notes: , lines: { tenant: { parent: notes, on: { note_id: id } } } }
`;

let test: TestMigration;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(test.deps);
  const migration = await test.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(test.deps, 'forward', { tenant, stage: 'dualwrite', copied: true, why: 'test' });
  await test.legacy.query(`
    INSERT INTO notes VALUES (1, 'acme', 'one'), (2, 'ACME', 'two'), (3, 'Acme', 'three');
    INSERT INTO lines VALUES (1, 1, 'one'), (2, 1, 'two');
    UPDATE notes SET body = 'changed';
    UPDATE notes SET tenant_id = 'acme' WHERE id = 3`);
  await relayUntilDone(test);
});

afterAll(() => test?.close());

it('a tenant that differs in a capital letter is not delivered, and a move between the two is one', async () => {
  const { rows } = await test.target.query('SELECT id, tenant_id, body FROM notes ORDER BY id');

  expect(rows).toEqual([
    { id: '1', tenant_id: 'acme', body: 'changed' },
    { id: '3', tenant_id: 'acme', body: 'changed' },
  ]);
  expect((await test.target.query('SELECT note_id FROM lines')).rows).toEqual([{ note_id: '1' }]);
});

it('is left out of the comparison, and counted', async () => {
  const run = aRun({ machine: 'reconcile', scope: ['acme'], scopeKind: 'full', startedAt: new Date().toISOString() });

  const { document, settling } = await runCycle(test.deps, run);

  expect(settling.drift).toEqual([]);
  expect(document.tables.map(({ table, rows, leftOut }) => [table, rows, leftOut])).toEqual([
    ['notes', 2, 1],
    ['lines', 1, 1],
  ]);
});
