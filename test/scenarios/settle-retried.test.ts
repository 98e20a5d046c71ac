/** A read of what differs that is called twice, as Step Functions does when an answer was lost; and rows that will not stand still. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { findCycle, readSettling } from '../../lib/application/reconcile/cycle-store.ts';
import { settle } from '../../lib/application/reconcile/settle.ts';
import type { Run } from '../../lib/contracts/machine-io.ts';
import { itemsOf, runStep } from '../support/cycle-steps.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun, runToEnd } from '../support/run.ts';
import { freshShop, openShop, SHOP_PLAN, shopRows, writePastTheFence } from '../support/shop.ts';

const PLAN = `${SHOP_PLAN}
reconcile: { cycle: 1h, fullEvery: 1h, chunkRows: 10, splitRows: 3, recheckAfter: 5s, haltDriftPercent: 100, repair: { automatic: false } }
`;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;
let run: Run;

beforeAll(async () => {
  shop = await openShop(PLAN, shopRows(20, 10));
});

afterAll(() => shop?.close());

beforeEach(async () => {
  ({ clock, deps } = await freshShop(shop));
  run = aRun({ machine: 'reconcile', scope: ['acme', 'umbrella'], startedAt: clock.now().toISOString() });
});

/** @returns what the Distributed Map hands on. */
async function compared(): Promise<unknown> {
  const planned = await runStep(deps, 'plan-chunks', run, null);
  await runStep(deps, 'compare-chunks', run, { items: await itemsOf(deps, planned) });
  return planned.data;
}

let texts = 0;
async function spoil(order: number): Promise<void> {
  texts += 1;
  await writePastTheFence(shop, `UPDATE orders SET note = 'rogue ${texts}' WHERE id = ${order}`);
}

async function settled() {
  const cycle = await findCycle(deps.objects, run.startedAt);
  if (cycle === undefined) throw new Error('there is no cycle');
  return readSettling(deps.objects, cycle);
}

describe('a call of settle that is made again after it had written its result', () => {
  it('answers the same, and takes no row for drift that it has seen twice in one moment', async () => {
    await spoil(3);
    const first = await settle(deps, run, await compared());
    await clock.sleep(first.waitSeconds * 1_000);
    await spoil(3);
    const second = await settle(deps, run, first.data);
    const before = await settled();

    const again = await settle(deps, run, first.data);

    expect(second).toMatchObject({ again: true, notes: ['round 2: 0 rows drift, 1 not settled'] });
    expect(again).toEqual(second);
    expect(await settled()).toEqual(before);
  });

  it('waits no longer than the first one would have', async () => {
    await spoil(3);
    const data = await compared();
    const first = await settle(deps, run, data);
    await clock.sleep(2_000);

    const again = await settle(deps, run, data);

    expect([first.waitSeconds, again.waitSeconds, again.data]).toEqual([5, 3, first.data]);
  });

  it('records the cycle and its differences once', async () => {
    await spoil(3);
    const first = await settle(deps, run, await compared());
    await clock.sleep(first.waitSeconds * 1_000);
    const last = await settle(deps, run, first.data);
    const onRecord = async () => [await deps.documents.list('cycle'), await deps.documents.list('drift')].flat();
    const before = (await onRecord()).map(({ value }) => value);

    const again = await settle(deps, run, first.data);

    expect(last.again).toBe(false);
    expect(again).toEqual(last);
    expect((await onRecord()).map(({ value }) => value)).toEqual(before);
    expect(before).toHaveLength(2);
  });
});

describe('a row that will not stand still', () => {
  it('is neither clean nor drift for its table and for its tenant, and for no other tenant', async () => {
    await spoil(3);
    const data = await compared();

    let given = data;
    const changing = async () => {
      await clock.sleep(5_000);
      await spoil(3);
    };
    await runToEnd(
      deps,
      async (of, by, handed) => {
        const result = await settle(of, by, handed ?? given);
        given = result.data;
        return result;
      },
      run,
      changing,
    );

    const document = (await deps.documents.get('cycle', run.startedAt))?.value;
    expect(document?.tables.map(({ table, unsettled }) => [table, unsettled])).toContainEqual(['orders', 1]);
    expect(document?.byTenant).toMatchObject({ acme: { drift: 0, unproven: 1 }, umbrella: { drift: 0 } });
    expect(document?.byTenant?.umbrella?.unproven).toBeUndefined();
    expect((await settled())?.pending).toMatchObject([{ table: 'orders', rowKey: '[3]', tenant: 'acme' }]);
  });
});
