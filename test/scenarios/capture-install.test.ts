/** Capture comes to a table that is being written: nobody waits for long, and no write slips between trigger and snapshot (protocol §3.8). */
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

let test: TestMigration;
let other: pg.Client;

beforeAll(async () => {
  test = await aMigration({
    plan: 'tenants: none\ntables: { orders: {} }\n',
    legacySql: 'CREATE TABLE public.orders (id int PRIMARY KEY, note text)',
  });
  const { host, port, database, user, password } = test.legacy;
  other = new pg.Client({ host, port, database, user, password: String(password) });
  await other.connect();
  await installSchemas(test.deps);
});

afterAll(async () => {
  await other?.end();
  await test?.close();
});

it('installs on a busy table by attempts that give up: its writers go on between them', async () => {
  await test.legacy.query(`BEGIN; INSERT INTO orders VALUES (0, 'open')`);
  let attempts = 0;
  const log = {
    ...test.deps.log,
    info: () => {
      attempts += 1;
    },
  };
  const migration = await test.load();
  let installed = false;

  const installing = installCapture({ ...migration, deps: { ...migration.deps, log } }, 'forward').then(() => {
    installed = true;
  });
  const waits: number[] = [];
  const writtenAfter = new Set<number>();
  for (let id = 1; !installed; id++) {
    const from = performance.now();
    await other.query('INSERT INTO orders VALUES ($1)', [id]);
    waits.push(performance.now() - from);
    writtenAfter.add(attempts);
    if (attempts >= 3) await test.legacy.query('COMMIT');
  }
  await installing;
  await other.query(`INSERT INTO orders VALUES (-1, 'after')`);

  // The open transaction ended only after the third attempt: without the lock timeout there would have been no second one.
  expect(attempts).toBeGreaterThanOrEqual(3);
  expect([...writtenAfter]).toEqual(expect.arrayContaining([1, 2, 3]));
  expect(Math.max(...waits)).toBeGreaterThan(100);
  const { rows } = await test.legacy.query(`SELECT row_key FROM crossfade.outbox ORDER BY seq DESC LIMIT 1`);
  expect(rows).toEqual([{ row_key: '[-1]' }]);
});
