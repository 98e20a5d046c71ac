/** A row that the plan's expression cannot map hides its neighbours, and no more than those: it is never taken for equal. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { mirrorTenants, turnOn } from '../../lib/application/tenants/exposure.ts';
import { runCycle } from '../support/cycle-steps.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';

const ROWS = 6_000;
const PLAN = `tenants: none
reconcile: { recheckAfter: 5s, chunkRows: 500, splitRows: 50 }
tables: { notes: { columns: { n: { from: "note::integer", oneWay: true }, note: { drop: true } } } }
`;

let stores: TestMigration;

beforeAll(async () => {
  stores = await aMigration({
    plan: PLAN,
    legacySql: `CREATE TABLE notes (id integer PRIMARY KEY, note text, v text); INSERT INTO notes SELECT i, i::text, 'v' FROM generate_series(1, ${ROWS}) AS i`,
    targetSql: `CREATE TABLE notes (id integer PRIMARY KEY, n integer, v text); INSERT INTO notes SELECT i, i, 'v' FROM generate_series(1, ${ROWS}) AS i`,
    clock: createVirtualClock({ start: new Date(), autoAdvance: true }),
  });
  await installSchemas(stores.deps);
  await installCapture(await stores.load(), 'forward');
  await turnOn(stores.deps, 'forward', { tenant: '*', stage: 'dualwrite', copied: true, why: 'test' });
  await mirrorTenants(stores.deps, 'forward');
});

afterAll(() => stores?.close());

it('rows around it are not proved, all others are, and what differs among those is found', async () => {
  await stores.legacy.query(`UPDATE notes SET note = 'not a number' WHERE id = 10`);
  await stores.legacy.query(`DELETE FROM crossfade.outbox`);
  await stores.target.query(
    `SET session_replication_role = replica; UPDATE notes SET v = 'rogue' WHERE id IN (4000, 5900); RESET session_replication_role`,
  );

  const run = aRun({ machine: 'reconcile', scope: ['*'], startedAt: stores.deps.clock.now().toISOString() });
  const { settling, document } = await runCycle(stores.deps, run);

  expect(settling.drift.map(({ rowKey }) => rowKey).toSorted()).toEqual(['[4000]', '[5900]']);
  expect(document).toMatchObject({ complete: false });
  expect(document.rows).toBeGreaterThanOrEqual(ROWS - 500);
  expect(document.rows).toBeLessThan(ROWS);
});
