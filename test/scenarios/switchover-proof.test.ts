/** The proof behind the fence: whatever the exact pass could not see as it is now is looked at again (protocol §9.2). */
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { exactPass, proveStoresEqual } from '../../lib/application/machines/switchover/exact-pass.ts';
import { comparePass } from '../../lib/application/reconcile/compare-pass.ts';
import { planComparison } from '../../lib/application/reconcile/comparison.ts';
import { mirrorTenants, turnOn } from '../../lib/application/tenants/exposure.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { testServers } from '../support/postgres.ts';
import { aRun, runToEnd } from '../support/run.ts';
import { copyShopAfresh, SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

const ORDERS = `INSERT INTO orders (id, tenant_id, reference, note) SELECT i, 'acme', 'r' || i, '' FROM generate_series(1, 40) AS i`;
const RUN = aRun({ machine: 'switchover', scope: ['acme'] });
const DAY_MS = 86_400_000;

let shop: TestMigration;

beforeEach(async () => {
  // A day ahead of both stores: what changed is told by snapshots and their own clocks.
  const clock = createVirtualClock({ start: new Date(Date.now() + DAY_MS), autoAdvance: true });
  shop = await aMigration({ plan: SHOP_PLAN, legacySql: SHOP_SQL + ORDERS, clock });
  await installSchemas(shop.deps);
  await installCapture(await shop.load(), 'forward');
  for (const tenant of ['*', 'acme'])
    await turnOn(shop.deps, 'forward', { tenant, stage: 'dualwrite', copied: true, why: 'test' });
  await mirrorTenants(shop.deps, 'forward');
  await copyShopAfresh(shop);
  await deliverInName();
});

afterEach(() => shop?.close());

/** Every delivery ends, and none has reached the target's row: what the proof is there to find. */
async function deliverInName(): Promise<void> {
  await shop.legacy.query(
    `UPDATE crossfade.outbox SET state = 'published', touched_at = clock_timestamp() - interval '1 hour', captured_at = captured_at - interval '1 hour'`,
  );
}

async function gateOf(step: typeof exactPass): Promise<{ readonly value: number; readonly lines: readonly string[] }> {
  const { gates } = await runToEnd(shop.deps, step, RUN);
  const [gate] = gates;
  return { value: Number(gate?.value), lines: gate?.reasons.slice(1) ?? [] };
}

describe('a row that differs behind the fence is found', () => {
  it('when its event was on its way as the exact pass began', async () => {
    await shop.legacy.query(`UPDATE orders SET note = 'pending' WHERE id = 5`);

    expect((await gateOf(exactPass)).value).toBe(0);
    await deliverInName();

    expect(await gateOf(proveStoresEqual)).toEqual({ value: 1, lines: ['orders [5] differs'] });
  });

  it('when its transaction was open as the exact pass began', async () => {
    const other = new pg.Client({ connectionString: urlOfLegacy() });
    await other.connect();
    await other.query(`BEGIN; UPDATE orders SET note = 'a long transaction' WHERE id = 6`);

    expect((await gateOf(exactPass)).value).toBe(0);
    await other.query('COMMIT');
    await other.end();
    await deliverInName();

    expect(await gateOf(proveStoresEqual)).toEqual({ value: 1, lines: ['orders [6] differs'] });
  });

  it('when it waited for a fresh read, and its event had ended long before', async () => {
    await shop.legacy.query(`UPDATE orders SET note = 'queued' WHERE id = 7`);
    await deliverInName();
    await shop.target.query(
      `INSERT INTO crossfade.repair_queue (table_name, row_key, reason) VALUES ('orders', '[7]', 'its value was taken')`,
    );

    expect((await gateOf(exactPass)).value).toBe(0);
    await shop.target.query('DELETE FROM crossfade.repair_queue');

    expect(await gateOf(proveStoresEqual)).toEqual({ value: 1, lines: ['orders [7] differs'] });
  });
});

it('nothing is found where nothing changed', async () => {
  await gateOf(exactPass);

  expect(await gateOf(proveStoresEqual)).toEqual({ value: 0, lines: [] });
});

it('the pass before the fence is exact: it finds the sign inside a document, which the fast form of the cycles does not see', async () => {
  await shop.legacy.query(`UPDATE orders SET payload = '{"n": 1}' WHERE id = 8`);
  await deliverInName();
  await shop.target.query(`UPDATE orders SET payload = '{"n": -1}' WHERE id = 8`);
  const migration = await shop.load();
  const wish = { mode: 'checksum', form: 'fast', tenants: ['*', 'acme'], tables: [] } as const;

  const fast = await comparePass(migration, await planComparison(migration, 'forward', wish), {
    id: 'fast',
    until: new Date(shop.deps.clock.now().getTime() + DAY_MS),
  });

  expect(fast?.drift).toEqual([]);
  expect((await gateOf(exactPass)).value).toBe(1);
});

it('refuses a proof over a legacy that was restored since', async () => {
  await gateOf(exactPass);
  await shop.legacy.query('UPDATE crossfade.source SET epoch = epoch + 1');

  await expect(gateOf(proveStoresEqual)).rejects.toThrow('legacy was restored since the exact pass');
});

function urlOfLegacy(): string {
  const url = new URL(testServers().legacy);
  url.pathname = `/${shop.legacy.database}`;
  return url.toString();
}
