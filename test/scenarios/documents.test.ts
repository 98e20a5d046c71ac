/** What PostgreSQL's hash of a document leaves out, the sign of a number in it, is found by whatever is not a window all the same (ADR 034). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { compareHere } from '../../lib/application/reconcile/compare-here.ts';
import { readMarks } from '../../lib/application/reconcile/cycle-marks.ts';
import type { Run } from '../../lib/contracts/machine-io.ts';
import { runCycle, runStep } from '../support/cycle-steps.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { freshShop, openShop, shopRows, writePastTheFence } from '../support/shop.ts';

const PLAN = `
tenants: { column: tenant_id }
reconcile: { cycle: 1h, fullEvery: 3h, window: 1h, chunkRows: 10, splitRows: 3, recheckAfter: 5s, haltDriftPercent: 100, gate: { for: 3h }, repair: { automatic: false } }
tables:
  currencies: { tenant: none }
  orders: {}
  lines: { tenant: { parent: orders, on: { order_id: id } } }
`;
const HOUR = 3_600_000;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;

beforeAll(async () => {
  shop = await openShop(PLAN, `${shopRows(50, 40)}UPDATE public.orders SET payload = '{"balance": 25}';`);
});

afterAll(() => shop?.close());

beforeEach(async () => {
  ({ clock, deps } = await freshShop(shop));
  await writePastTheFence(shop, `UPDATE orders SET payload = '{"balance": -25}' WHERE id = 7`);
});

const aCycleRun = (overrides: Partial<Run> = {}) =>
  aRun({ machine: 'reconcile', scope: ['acme', 'umbrella'], startedAt: clock.now().toISOString(), ...overrides });

describe('a sign inside a document', () => {
  it('is found by a full pass, which is exact for that table alone', async () => {
    const { document, settling } = await runCycle(deps, aCycleRun());

    expect(settling.drift.map(({ table, rowKey, columns }) => [table, rowKey, columns])).toEqual([
      ['orders', '[7]', ['payload']],
    ]);
    expect(document).toMatchObject({ scopeKind: 'full', complete: true, drift: 1 });
    const planned = await runStep(deps, 'plan-chunks', aCycleRun({ dryRun: true, scopeKind: 'full' }), null);
    expect(planned.notes).toEqual(
      expect.arrayContaining(['orders: exact over all columns', 'lines: fast over all columns']),
    );
  });

  it.each([
    ['its name', { scopeKind: 'keys', tables: ['orders'], keys: ['[7]'] }],
    ['a sample', { scopeKind: 'sample', tables: ['orders'], limit: 1_000 }],
  ] as const)('is found by %s', async (_, wish) => {
    const { settling } = await runCycle(deps, aCycleRun(wish));

    expect(settling.drift.map(({ rowKey }) => rowKey)).toEqual(['[7]']);
  });

  it('is found by a comparison in one process too', async () => {
    const wish = { mode: null, tables: [], limit: null, tenants: ['acme'] };

    const found = await compareHere(deps, wish, () => undefined);

    expect(found.drift).toMatchObject([{ table: 'orders', rowKey: '[7]' }]);
  });

  it('stays on record when a pass in the fast form by name does not see it', async () => {
    await runCycle(deps, aCycleRun());
    const before = await readMarks(deps);
    await clock.sleep(HOUR);

    const { document } = await runCycle(deps, aCycleRun({ mode: 'fast', scopeKind: 'full' }));

    expect(document).toMatchObject({ drift: 0, scopeKind: 'sample' });
    const open = (await deps.documents.list('drift')).map(({ value }) => value);
    expect(open).toMatchObject([{ rowKey: '[7]' }]);
    expect(open[0]?.repairedAt).toBeUndefined();
    expect(await readMarks(deps)).toEqual(before);
  });
});

it('the fast form by name is as good as any for tables without documents', async () => {
  const { document } = await runCycle(deps, aCycleRun({ mode: 'fast', scopeKind: 'full', tables: ['lines'] }));

  expect(document).toMatchObject({ scopeKind: 'full', complete: true });
});
