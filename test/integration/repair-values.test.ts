/** `crossfade repair show --show-values`: what the rows of a plan hold, read from two real servers at that moment, and nothing of it anywhere else. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { RepairPayload } from '../../lib/application/operate/repairs.ts';
import type { ShownValues } from '../../lib/application/reconcile/show-values.ts';
import type { PlannedRow, RepairArtefact, RepairSummary } from '../../lib/contracts/repair.ts';
import { repairKey } from '../../lib/contracts/repair.ts';
import { fingerprint } from '../../lib/domain/fingerprint.ts';
import { createWorld, type TestWorld } from '../cli/support/world.ts';
import { planText } from '../support/memory-deps.ts';
import { freshDatabase } from '../support/postgres.ts';
import { SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

const ID = '1f3c9a07';
const SUMMARY: RepairSummary = {
  id: ID,
  cycle: null,
  direction: 'forward',
  madeBy: 'somebody',
  madeAt: '2026-01-05T12:01:00.000Z',
  planHash: 'plan',
  rows: 2,
  cap: 10,
  tables: { orders: { insert: 0, update: 1, delete: 1 } },
  tenants: { acme: 2 },
  decisions: [],
  leftOut: { converged: 0, 'in-flight': 0, 'not-compared': 0, beyond: 0 },
};
const ROW: PlannedRow = {
  table: 'orders',
  rowKey: '[5]',
  tenant: 'acme',
  kind: 'different',
  action: 'update',
  before: 'x',
  after: 'y',
  columns: [{ column: 'note', before: 'aaaa', after: 'bbbb', winner: 'legacy', reason: 'legacy-is-authoritative' }],
};
const EXTRA: PlannedRow = { ...ROW, rowKey: '[9]', kind: 'extra', action: 'delete', after: null, columns: [] };

let folder: string;
let plan: string;
let clients: readonly pg.Client[];
let password: string;
let world: TestWorld;

beforeAll(async () => {
  const urls = { LEGACY: await freshDatabase('legacy'), TARGET: await freshDatabase('target') };
  for (const [name, url] of Object.entries(urls)) vi.stubEnv(name, url);
  password = new URL(urls.LEGACY).password;
  clients = Object.values(urls).map((connectionString) => new pg.Client({ connectionString }));
  for (const [place, client] of clients.entries()) {
    await client.connect();
    await client.query(SHOP_SQL);
    await client.query(`INSERT INTO orders (id, tenant_id, note) VALUES (5, 'acme', $1)`, [`told by store ${place}`]);
  }
  await clients[1]?.query(`INSERT INTO orders (id, tenant_id, note) VALUES (9, 'acme', 'one too many')`);
  folder = await mkdtemp(join(tmpdir(), 'values-'));
  plan = join(folder, 'plan.yaml');
  await writeFile(plan, planText(SHOP_PLAN).replace('name: test', 'name: shop'));
});

afterAll(async () => {
  vi.unstubAllEnvs();
  for (const client of clients) await client.end();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  world = createWorld();
  const artefact: RepairArtefact = { ...SUMMARY, comparison: null, planned: [ROW, EXTRA] };
  const body = JSON.stringify(artefact);
  const expiresAt = '2099-01-01T00:00:00.000Z';
  const document = { ...SUMMARY, state: 'planned', hash: fingerprint(body), expiresAt, execution: 'e' } as const;
  await world.documents.put('repair', ID, document, 'any');
  await world.operator.objects.put(repairKey(ID), body);
});

const show = (...options: string[]) =>
  world.json<RepairPayload & { values?: ShownValues }>('repair', 'show', ID, '--plan', plan, ...options);

test('shows the columns that differ as both stores hold them, and all of a row that one store lacks', async () => {
  const { exit, payload } = await show('--show-values');

  expect(exit).toBe(0);
  expect(payload.values?.rows[0]).toEqual({
    table: 'orders',
    rowKey: '[5]',
    isIn: ['legacy', 'target'],
    moreColumns: 0,
    columns: [{ column: 'note', legacy: 'told by store 0', target: 'told by store 1' }],
  });
  expect(payload.values?.rows[1]).toMatchObject({ rowKey: '[9]', isIn: ['target'] });
  expect(payload.values?.rows[1]?.columns).toContainEqual({ column: 'note', legacy: null, target: 'one too many' });
  expect(payload.values?.more).toBe(0);
});

test('draws them for the terminal, of the rows that are shown', async () => {
  const exit = await world.run('repair', 'show', ID, '--plan', plan, '--show-values', '--limit', '1');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/orders \[5\] +note +"told by store 0" +"told by store 1"/);
  expect(world.stdout).not.toContain('one too many');
  expect(world.stderr).not.toContain('told by');
});

test('shows no value unless it is asked to', async () => {
  const { payload } = await show();

  expect(payload.values).toBeUndefined();
  expect(world.stdout).not.toContain('told by');
});

test('is refused with exit 3 when a store cannot be reached, and tells no password', async () => {
  const target = process.env.TARGET;
  vi.stubEnv('TARGET', `postgres://crossfade:${password}x-secret@127.0.0.1:1/nowhere`);

  const exit = await world.run('repair', 'show', ID, '--plan', plan, '--show-values');
  vi.stubEnv('TARGET', target);

  expect(exit).toBe(3);
  expect(world.stderr).toContain('values cannot be read from this machine');
  expect(world.stderr).toContain(`npx crossfade repair show ${ID}`);
  expect(world.stdout + world.stderr).not.toContain('x-secret');
});
