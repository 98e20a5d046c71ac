/** Rows that a comparison could not prove equal, did not look at, or looked at twice: it says so, and passes for none of them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { compareHere } from '../../lib/application/reconcile/compare-here.ts';
import type { Run } from '../../lib/contracts/machine-io.ts';
import { itemsOf, runCycle, runStep } from '../support/cycle-steps.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { freshShop, openShop, shopRows, writePastTheFence } from '../support/shop.ts';

const HOUR = 3_600_000;
const PLAN = `
tenants: { column: tenant_id }
reconcile: { cycle: 1h, fullEvery: 3h, window: 1h, chunkRows: 10, splitRows: 3, recheckAfter: 5s, haltDriftPercent: 100, repair: { automatic: false } }
tables:
  currencies: { tenant: none }
  orders: { updatedAtColumn: updated_at, columns: { amount: { from: "note::numeric", oneWay: true }, note: { drop: true } } }
  lines: { tenant: { parent: orders, on: { order_id: id } } }
`;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;

beforeAll(async () => {
  shop = await openShop(PLAN, shopRows(40, 30).replace("i, '', '2026-01-01'", "i, i::text, '2026-01-01'"));
});

afterAll(() => shop?.close());

beforeEach(async () => {
  // The stores date their events by the time that it is.
  ({ clock, deps } = await freshShop(shop, new Date()));
});

const theRun = (wish: Partial<Run> = {}) =>
  aRun({ machine: 'reconcile', scope: ['acme', 'umbrella'], startedAt: clock.now().toISOString(), ...wish });

async function dryRun() {
  const run = theRun({ dryRun: true, scopeKind: 'full' });
  const planned = await runStep(deps, 'plan-chunks', run, null);
  for (const item of await itemsOf(deps, planned)) await runStep(deps, 'compare-chunks', run, { items: [item] });
  const settled = await runStep(deps, 'settle', run, planned.data);
  return runStep(deps, 'record', run, settled.data);
}

const here = (tables: readonly string[]) =>
  compareHere(
    deps,
    { mode: null, tables, limit: null, scopeKind: null, windowMs: null, keys: [], tenants: [] },
    () => {},
  );

describe('a dry run', () => {
  it('passes where every row was read and is equal', async () => {
    expect((await dryRun()).data).toEqual({ outcome: 'passed' });
  });

  it('does not pass when what it wanted to read could not be read', async () => {
    await shop.legacy.query(`UPDATE orders SET note = 'no number' WHERE id = 10`);

    const recorded = await dryRun();
    await shop.legacy.query(`UPDATE orders SET note = '10' WHERE id = 10`);

    expect(recorded.data).toEqual({ outcome: 'differences' });
  });
});

describe('rows that differ because their events are set aside', () => {
  const setAside = async () => {
    await shop.legacy.query(`UPDATE lines SET quantity = 99 WHERE order_id <= 5 AND line = 1`);
    await shop.legacy.query(`UPDATE crossfade.outbox SET state = 'dead', reason = 'test'`);
  };
  const bringBack = () =>
    shop.legacy.query(`UPDATE lines SET quantity = line WHERE order_id <= 5; DELETE FROM crossfade.outbox`);

  it('let neither a dry run nor a comparison here pass', async () => {
    await setAside();

    const recorded = await dryRun();
    const compared = await here(['lines']);
    await bringBack();

    expect(recorded.data).toEqual({ outcome: 'differences' });
    expect(compared).toMatchObject({ outcome: 'differences', drift: [], inFlight: 5 });
  });
});

describe('rows of the target that belong to nobody', () => {
  it('are counted among those that were left out', async () => {
    await writePastTheFence(shop, `INSERT INTO orders (id, tenant_id, reference) VALUES (500, 'nobody', 'n')`);

    const { document } = await runCycle(deps, theRun({ scopeKind: 'full' }));

    const leftOut = Object.fromEntries(document.tables.map((table) => [table.table, table.leftOut]));
    expect(leftOut).toEqual({ currencies: 0, orders: 1, lines: 0 });
  });
});

describe('a window', () => {
  it('counts a row once that waited when the cycle before ended, and has changed since', async () => {
    await shop.legacy.query(`UPDATE lines SET quantity = 50 WHERE order_id <= 35 AND line = 1`);
    await runCycle(deps, theRun({ scopeKind: 'due' }));
    await clock.sleep(HOUR);
    await shop.legacy.query(`UPDATE lines SET quantity = 51 WHERE order_id <= 35 AND line = 1`);

    const { document } = await runCycle(deps, theRun({ scopeKind: 'due' }));
    await shop.legacy.query(`UPDATE lines SET quantity = line`);

    expect(document.scopeKind).toBe('window');
    expect(document.tables.find(({ table }) => table === 'lines')?.rows).toBe(35);
  });
});
