/** SIGKILL to the copy of history, again and again at no chosen place: another goes on, every row is there once, and little is done twice. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { planCopy } from '../../lib/application/backfill/plan-copy.ts';
import type { TableProgress } from '../../lib/application/backfill/progress.ts';
import { verifyCopy } from '../../lib/application/backfill/verify-copy.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import type { CopyInput, DocumentAnswer, DocumentCall } from './copy-process.ts';

const ROWS = 10_000;
const BATCH_ROWS = 50;
const WORKERS = 3;
const SQL = `CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text NOT NULL, note text);`;
const PLAN = `
tenants: { column: tenant_id }
backfill: { batchRows: ${BATCH_ROWS}, batchesPerSecond: 50, concurrency: ${WORKERS} }
tables: { items: {} }
`;
/** A batch is 50 rows, 50 of them a second; progress is saved once a second, which a busy machine doubles. */
const MOST_TWICE = (2 * 50 + WORKERS + 1) * BATCH_ROWS;
const KILLS = 2;

let shop: TestMigration;
const run = aRun({ machine: 'backfill' });

beforeAll(async () => {
  shop = await aMigration({ plan: PLAN, legacySql: SQL });
  await shop.legacy.query(`INSERT INTO items SELECT i, 'acme', 'n' || i FROM generate_series(1, ${ROWS}) AS i`);
  await installSchemas(shop.deps);
  const migration = await shop.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(shop.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => shop?.close());

const urlOf = ({ user, host, port, database }: pg.Client) => `postgres://${user}@${host}:${port}/${database}`;
const copied = async () => (await shop.target.query('SELECT count(*)::int AS n FROM items')).rows[0]?.n as number;
const progressOf = async () =>
  (await shop.deps.documents.get('progress', 'backfill/items'))?.value.state as unknown as TableProgress | undefined;

/** Runs until it is done, or is killed when the target holds so many rows. */
async function copyInProcess(data: unknown, killAt: number | null): Promise<'copied' | 'killed'> {
  const urls = { legacy: urlOf(shop.legacy), target: urlOf(shop.target) };
  const input: CopyInput = { urls, roles: shop.roles, plan: PLAN, data };
  const child = spawn(process.execPath, [fileURLToPath(new URL('./copy-process.ts', import.meta.url))], {
    env: { ...process.env, CHAOS: JSON.stringify(input) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let isCopied = false;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.on('message', async (message: DocumentCall | 'copied') => {
    if (message === 'copied') {
      isCopied = true;
      return;
    }
    const { documents } = shop.deps;
    // The child calls the port's methods with their own arguments.
    const method = documents[message.method] as (...args: readonly unknown[]) => Promise<unknown>;
    // JSON has no undefined: an absent argument came as null.
    const value = await method(...message.args.map((arg) => arg ?? undefined));
    if (child.connected) child.send({ id: message.id, value } satisfies DocumentAnswer);
  });
  if (killAt !== null) {
    await expect.poll(copied, { timeout: 90_000, interval: 20 }).toBeGreaterThanOrEqual(killAt);
    child.kill('SIGKILL');
  }
  await ended;
  return isCopied ? 'copied' : 'killed';
}

it('a copy that is killed in the middle is gone on with by another: every row once, counted right, little done twice', async () => {
  const { data } = await planCopy(shop.deps, run);

  for (let kill = 1; kill <= KILLS; kill++) {
    expect(await copyInProcess(data, (ROWS / (KILLS + 1)) * kill)).toBe('killed');
    const halfway = await progressOf();
    const there = await copied();
    // Never ahead of what is there, and behind by what a second and the workers hold.
    expect(halfway?.rows ?? 0).toBeLessThanOrEqual(there);
    expect(there - (halfway?.rows ?? 0)).toBeLessThanOrEqual(MOST_TWICE);
    expect(halfway?.done).toBe(false);
  }
  expect(await copyInProcess(data, null)).toBe('copied');

  expect(await progressOf()).toMatchObject({
    rows: ROWS,
    total: ROWS,
    failures: 0,
    removed: 0,
    done: true,
    swept: true,
  });
  const { rows: written } = await shop.target.query(
    `SELECT count(*)::int AS n, count(DISTINCT row_key)::int AS keys FROM crossfade.applied_log WHERE table_name = 'items'`,
  );
  expect(written[0]?.keys).toBe(ROWS);
  expect(written[0]?.n).toBeLessThanOrEqual(ROWS + KILLS * MOST_TWICE);
  for (;;) {
    const verified = await verifyCopy(shop.deps, run, data);
    if (verified.again) continue;
    expect(verified.gates).toMatchObject([{ gate: 'backfill-digest-equal', pass: true, value: 0 }]);
    break;
  }
  const sum = `SELECT count(*)::int AS rows, md5(string_agg(i::text, '|' ORDER BY id)) AS sum FROM items AS i`;
  expect((await shop.target.query(sum)).rows).toEqual((await shop.legacy.query(sum)).rows);
});
