/** What a full pass on real databases leaves as evidence: the worst chunks, whose rows it compared, and that no other ran beside it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { begin } from '../../lib/application/machines/begin.ts';
import { reconcileMachine } from '../../lib/application/machines/reconcile/machine.ts';
import { REPORT_KEY } from '../../lib/contracts/object-prefixes.ts';
import { runCycle } from '../support/cycle-steps.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { freshShop, openShop, shopRows, writePastTheFence } from '../support/shop.ts';

const PLAN = `
tenants: { column: tenant_id }
reconcile: { cycle: 1h, fullEvery: 1h, chunkRows: 10, splitRows: 3, recheckAfter: 5s, haltDriftPercent: 100, repair: { automatic: false } }
tables:
  currencies: { tenant: none }
  orders: {}
  lines: { tenant: { parent: orders, on: { order_id: id } } }
`;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;

beforeAll(async () => {
  shop = await openShop(PLAN, shopRows(50, 40));
});

afterAll(() => shop?.close());

beforeEach(async () => {
  ({ clock, deps } = await freshShop(shop));
});

const aCycleRun = () =>
  aRun({ machine: 'reconcile', scope: ['acme', 'umbrella'], startedAt: clock.now().toISOString() });

describe('a full pass', () => {
  it('names the chunks with the most differing keys, and counts the rows of each tenant with their drift', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id IN (3, 4, 45)`);

    const { settling, document } = await runCycle(deps, aCycleRun());

    const worst = settling.tables.find(({ table }) => table === 'orders')?.worst ?? [];
    expect(worst.map(({ keys }) => keys)).toEqual([2, 1]);
    expect(document.tables.find(({ table }) => table === 'orders')?.worst).toEqual(worst);
    expect(settling.tenants).toEqual({ '*': 2, acme: 120, umbrella: 30 });
    expect(document.byTenant).toEqual({
      acme: { rows: 120, drift: 2 },
      umbrella: { rows: 30, drift: 1 },
      '*': { rows: 2, drift: 0 },
    });
  });

  it('shows them in the report', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 45`);
    await runCycle(deps, aCycleRun());

    const page = (await deps.objects.get(REPORT_KEY)) ?? '';

    expect(page).toContain('umbrella');
    expect(page).toMatch(/worst chunks/i);
  });
});

describe('cycles that overlap', () => {
  it('are refused, and the one that runs is named', async () => {
    const start = (execution: string) =>
      begin(reconcileMachine, deps, {
        step: 'begin',
        begin: { input: { plan: 'test' }, execution, startedAt: clock.now().toISOString() },
      });
    const first = await start('the-first-cycle');
    const { workflow } = deps;
    const describe: typeof workflow.describe = async (execution) => ({ execution, status: 'running' }) as never;
    deps = { ...deps, workflow: { ...workflow, describe } };

    const second = await start('the-second-cycle');

    expect(first).toMatchObject({ proceed: true });
    expect(second).toMatchObject({ proceed: false });
    expect(second.reasons.join()).toContain('reconcile is already running as the-first-cycle');
  });
});
