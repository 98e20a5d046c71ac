/** `crossfade reconcile --here` from end to end between two real servers that know nothing of Crossfade: its answer, its exit code, and what it keeps to itself. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { HerePayload } from '../../lib/application/reconcile/compare-here.ts';
import { createWorld, type TestWorld } from '../cli/support/world.ts';
import { planText } from '../support/memory-deps.ts';
import { freshDatabase } from '../support/postgres.ts';
import { SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

const ROWS = 20;
const ORDERS = `INSERT INTO orders (id, tenant_id, reference, note, updated_at)
SELECT n, CASE WHEN n % 2 = 0 THEN 'acme' ELSE 'globex' END, 'r' || n, 'note ' || n, '2026-01-01Z' FROM generate_series(1, ${ROWS}) AS n`;

let folder: string;
let plan: string;
let legacy: pg.Client;
let target: pg.Client;
let password: string;
let world: TestWorld;

beforeAll(async () => {
  const urls = { LEGACY: await freshDatabase('legacy'), TARGET: await freshDatabase('target') };
  for (const [name, url] of Object.entries(urls)) vi.stubEnv(name, url);
  password = new URL(urls.LEGACY).password;
  legacy = new pg.Client({ connectionString: urls.LEGACY });
  target = new pg.Client({ connectionString: urls.TARGET });
  for (const client of [legacy, target]) {
    await client.connect();
    await client.query(SHOP_SQL);
  }
  folder = await mkdtemp(join(tmpdir(), 'here-'));
  plan = join(folder, 'plan.yaml');
  await writeFile(plan, planText(SHOP_PLAN));
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await legacy.end();
  await target.end();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  for (const client of [legacy, target]) await client.query(`DELETE FROM orders; ${ORDERS}`);
  world = createWorld();
});

const here = (...options: string[]) => world.json<HerePayload>('reconcile', '--here', '--plan', plan, ...options);

test('equal stores exit 0 before anything is installed, and the answer says what is not known', async () => {
  const { exit, payload } = await here();

  expect(exit).toBe(0);
  expect(payload).toMatchObject({ outcome: 'passed', rows: ROWS + 2, drift: [], unsettled: 0 });
  expect(payload.notes[0]).toMatch(/^not installed: nothing is known about rows in flight; differences are read twice/);
});

test('NULL on either side, a row too few and a row too many exit 4 with all of them', async () => {
  await legacy.query('UPDATE orders SET note = NULL WHERE id = 3; DELETE FROM orders WHERE id = 6');
  await target.query('UPDATE orders SET note = NULL WHERE id = 4; DELETE FROM orders WHERE id = 5');

  const { exit, payload } = await here();

  expect(exit).toBe(4);
  expect(payload.drift.map(({ rowKey, kind, columns }) => [rowKey, kind, columns]).toSorted()).toEqual([
    ['[3]', 'different', ['note']],
    ['[4]', 'different', ['note']],
    ['[5]', 'missing', []],
    ['[6]', 'extra', []],
  ]);
});

test('a long list is JSON of one line whatever the terminal is wide, and stderr has progress only', async () => {
  await target.query('UPDATE orders SET note = NULL');
  vi.stubEnv('COLUMNS', '20');

  const { exit, payload } = await here();

  expect(exit).toBe(4);
  expect(payload.drift).toHaveLength(ROWS);
  expect(world.stdout.trim().split('\n')).toHaveLength(1);
  for (const line of world.stderr.split('\n')) expect(line).toMatch(/^(comparing |reading what differed|$)/);
});

test('values are masked unless they are asked for, and cut', async () => {
  await target.query(`UPDATE orders SET note = 'secret ' || repeat('x', 1000) WHERE id = 3`);
  const masked = await here();
  const saidMasked = world.stdout + world.stderr;
  const shown = await here('--show-values');
  const drawn = await world.run('reconcile', '--here', '--plan', plan, '--show-values');

  expect([masked.exit, shown.exit, drawn]).toEqual([4, 4, 4]);
  expect(saidMasked).not.toContain('secret');
  expect(masked.payload.values).toBeUndefined();
  expect(shown.payload.values?.rows).toEqual([
    {
      table: 'orders',
      rowKey: '[3]',
      isIn: ['legacy', 'target'],
      moreColumns: 0,
      columns: [{ column: 'note', legacy: 'note 3', target: `secret ${'x'.repeat(193)}…` }],
    },
  ]);
  expect(world.stdout).toContain('note 3');
  expect(world.stderr).not.toContain('secret');
});

test('one tenant, one table, or a few rows of it', async () => {
  await target.query('UPDATE orders SET note = NULL WHERE id IN (3, 4)');

  await legacy.query('ANALYZE orders');

  const tenant = await here('--tenant', 'acme');
  const keys = await here('--table', 'orders', '--key', '[3]');
  const limited = await here('--table', 'orders', '--scope', 'full', '--limit', '2');

  expect(tenant.payload.drift.map(({ rowKey }) => rowKey)).toEqual(['[4]']);
  expect(keys.payload.drift.map(({ rowKey }) => rowKey)).toEqual(['[3]']);
  expect(limited).toMatchObject({ exit: 0, payload: { rows: 2 } });
  expect(limited.payload.notes.join()).toContain('the first 2 rows only');
  expect(limited.payload.beyondLimit).toEqual({ rows: ROWS - 2, counted: 'estimated' });
  expect(tenant.payload.beyondLimit).toBeNull();
});

test('wrong usage exits 2, what cannot be compared before installation 3, a store that is not there 1; no password is told', async () => {
  const usage = await world.run('reconcile', '--plan', plan, '--show-values');
  const window = await here('--window', '2h');
  const table = await here('--table', 'nowhere');
  vi.stubEnv('TARGET', `postgres://crossfade:${password}x-secret@127.0.0.1:1/nowhere`);
  const failed = await world.run('reconcile', '--here', '--plan', plan);

  expect([usage, window.exit, table.exit, failed]).toEqual([2, 3, 2, 1]);
  expect(window.payload.reasons[0]).toContain('which legacy and target do not have');
  expect(world.stderr).toContain('a store cannot be reached from this machine');
  expect(world.stdout + world.stderr).not.toContain('x-secret');
});
