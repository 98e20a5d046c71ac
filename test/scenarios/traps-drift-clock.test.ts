/** Ways in which the drift clock could go green although nobody has proved what there is now: other columns, other tables, tenants copied anew. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { driftGate, readCycleLog } from '../../lib/application/gates/drift-gate.ts';
import { markCopied, turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import type { CycleDocument } from '../../lib/contracts/documents.ts';
import type { Run } from '../../lib/contracts/machine-io.ts';
import { loadPlan, planHash } from '../../lib/plan/plan.ts';
import { itemsOf, runStep } from '../support/cycle-steps.ts';
import { planText } from '../support/memory-deps.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { freshShop, openShop, shopRows, writePastTheFence } from '../support/shop.ts';

const HOUR = 3_600_000;
const SCOPE = ['acme', 'umbrella'];
const PLAN = `
tenants: { column: tenant_id }
dualWrite: { lagLimit: 1h }
reconcile: { cycle: 1h, fullEvery: 3h, window: 1h, chunkRows: 10, splitRows: 3, recheckAfter: 5s, missedCycle: pause, haltDriftPercent: 100, gate: { for: 3h, minimumRows: 100 }, repair: { automatic: false } }
tables:
  currencies: { tenant: none }
  orders: { updatedAtColumn: updated_at }
  lines: { tenant: { parent: orders, on: { order_id: id } } }
`;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;
let serial = 0;

beforeAll(async () => {
  // 40 orders, the last ten of umbrella, with two lines each.
  shop = await openShop(PLAN, shopRows(40, 30));
});

afterAll(() => shop?.close());

beforeEach(async () => {
  // The stores date their events by the time that it is.
  ({ clock, deps } = await freshShop(shop, new Date()));
});

interface During {
  /** When all was read, before differences are settled. */
  readonly afterReading?: () => Promise<unknown>;
  /** The execution ends there, and nobody records the cycle. */
  readonly diesAfter?: 'settle';
}

async function aCycle(wish: Partial<Run> = {}, { afterReading, diesAfter }: During = {}): Promise<CycleDocument> {
  const startedAt = clock.now().toISOString();
  const run = aRun({
    machine: 'reconcile',
    scope: SCOPE,
    scopeKind: 'due',
    ...wish,
    startedAt,
    execution: `execution-${serial++}`,
  });
  const planned = await runStep(deps, 'plan-chunks', run, null);
  if (!planned.proceed) throw new Error(planned.reasons.join());
  for (const item of await itemsOf(deps, planned)) await runStep(deps, 'compare-chunks', run, { items: [item] });
  await afterReading?.();
  const settled = await runStep(deps, 'settle', run, planned.data);
  if (diesAfter === undefined) {
    const repaired = await runStep(deps, 'repair', run, settled.data);
    await runStep(deps, 'record', run, repaired.data);
  }
  const { cycle } = planned.data as { readonly cycle: string };
  const document = (await deps.documents.get('cycle', cycle))?.value;
  if (document === undefined) throw new Error(`cycle ${cycle} left no record`);
  return document;
}

/** A full pass and windows until the gate passes, and one hour more. */
async function untilGreen(): Promise<void> {
  for (const _hour of [1, 2, 3, 4]) {
    await aCycle();
    await clock.sleep(HOUR);
  }
  expect((await gate()).pass).toBe(true);
}

const gate = () => driftGate(deps, aRun({ machine: 'cutover', scope: SCOPE }));

async function copyAnew(tenant: string): Promise<void> {
  const { generation } = await turnOn(deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'again' });
  await markCopied(deps, 'forward', [{ tenant, generation }]);
}

describe('a plan that compares another column', () => {
  it('closes the gate before its first cycle, and begins with a full pass', async () => {
    const whole = { plan: deps.plan, planHash: deps.planHash };
    const text = PLAN.replace('updatedAtColumn: updated_at', '$&, columns: { note: { owner: target } }');
    const without = loadPlan(planText(text), 'without-note.yaml');
    deps = { ...deps, plan: without, planHash: planHash(without) };
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue'`);
    await untilGreen();

    deps = { ...deps, ...whole };
    const judged = await gate();
    const first = await aCycle();

    expect(judged.pass).toBe(false);
    expect(judged.reasons.join('\n')).toContain('table orders: no cycle on record covers the scope');
    expect(judged.reasons.join('\n')).toContain('the table was compared in another shape until the cycle of');
    expect(judged.reasons.join('\n')).not.toContain('table currencies');
    expect(first).toMatchObject({ scopeKind: 'full', drift: 40 });
  });
});

describe('a column that is added to both stores', () => {
  afterEach(async () => {
    for (const client of [shop.legacy, shop.target]) await client.query('ALTER TABLE orders DROP COLUMN IF EXISTS vip');
  });
  const addUnlike = async () => {
    await shop.legacy.query(`ALTER TABLE orders ADD COLUMN vip text DEFAULT 'of legacy'`);
    await shop.target.query(`ALTER TABLE orders ADD COLUMN vip text DEFAULT 'of the target'`);
  };

  it('between two windows closes the gate, and no window goes on', async () => {
    await untilGreen();

    await addUnlike();
    const judged = await gate();
    const next = await aCycle();

    expect(judged.pass).toBe(false);
    expect(next).toMatchObject({ scopeKind: 'full', drift: 40 });
  });

  it('in the middle of a full pass leaves that pass without proof', async () => {
    const document = await aCycle({}, { afterReading: addUnlike });
    await clock.sleep(HOUR);
    const next = await aCycle();

    expect(document).toMatchObject({ scopeKind: 'full', complete: false });
    expect(document.tables.find(({ table }) => table === 'orders')?.shape).toBeUndefined();
    expect(document.tables.find(({ table }) => table === 'currencies')?.shape).toBeDefined();
    expect(next).toMatchObject({ scopeKind: 'full', complete: true, drift: 40 });
  });

  it('and dropped and added again under its name is another one', async () => {
    for (const client of [shop.legacy, shop.target]) await client.query('ALTER TABLE orders ADD COLUMN vip text');
    await untilGreen();

    for (const client of [shop.legacy, shop.target]) await client.query('ALTER TABLE orders DROP COLUMN vip');
    await addUnlike();

    expect((await gate()).pass).toBe(false);
    expect(await aCycle()).toMatchObject({ scopeKind: 'full', drift: 40 });
  });

  it('changes nothing where no column of the target takes it', async () => {
    await untilGreen();

    await shop.legacy.query('ALTER TABLE orders ADD COLUMN vip text');

    expect((await gate()).pass).toBe(true);
  });
});

describe('a tenant that is turned off and on again', () => {
  const takeBackUmbrella = async () => {
    await turnOff(deps, 'forward', 'umbrella', 'test');
    await writePastTheFence(
      shop,
      `DELETE FROM lines WHERE order_id > 30; DELETE FROM orders WHERE tenant_id = 'umbrella'`,
    );
  };

  it('has proved nothing of its new copy, which may have written nothing', async () => {
    await untilGreen();

    await takeBackUmbrella();
    await copyAnew('umbrella');
    const judged = await gate();
    const next = await aCycle();

    expect(judged.pass).toBe(false);
    expect(judged.reasons.join('\n')).toContain('tenant umbrella: no cycle on record covers the scope');
    expect(judged.reasons.join('\n')).not.toContain('tenant acme');
    expect(next).toMatchObject({ scopeKind: 'full', drift: 30 });
  });

  it('during a cycle is no part of what the cycle proved', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 35`);

    const document = await aCycle({}, { afterReading: () => turnOff(deps, 'forward', 'umbrella', 'test') });
    await copyAnew('umbrella');
    await clock.sleep(HOUR);
    const next = await aCycle();

    expect(document.tenants).toEqual(['*', 'acme']);
    expect(next).toMatchObject({ scopeKind: 'full', drift: 1 });
  });

  it('and copied within one cycle is no part of it either', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 35`);

    const afterReading = async () => {
      await turnOff(deps, 'forward', 'umbrella', 'test');
      await copyAnew('umbrella');
    };
    const document = await aCycle({}, { afterReading });

    expect(document.tenants).toEqual(['*', 'acme']);
  });

  it('keeps its open differences while a cycle could not look at them', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 35`);
    await aCycle({ scopeKind: 'full' });
    await clock.sleep(HOUR);

    await aCycle({ scopeKind: 'full' }, { afterReading: () => turnOff(deps, 'forward', 'umbrella', 'test') });
    const [open] = await deps.documents.list('drift');
    await copyAnew('umbrella');

    expect(open?.value).toMatchObject({ rowKey: '[35]', tenant: 'umbrella' });
    expect(open?.value.repairedAt).toBeUndefined();
  });
});

describe('drift that was found by a cycle that died', () => {
  it('stays found, stops the clock and stays in the log when the next cycle has cleared it away', async () => {
    for (const _hour of [1, 2]) {
      await aCycle({ scopeKind: 'full' });
      await clock.sleep(HOUR);
    }
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id <= 20`);
    const died = await aCycle({ scopeKind: 'full' }, { diesAfter: 'settle' });
    await writePastTheFence(shop, `UPDATE orders SET note = '' WHERE id <= 20`);
    await clock.sleep(HOUR + 1_000);

    const judged = await gate();
    await aCycle({ scopeKind: 'full' });
    const stored = (await deps.documents.get('cycle', died.startedAt))?.value;
    const orders = stored?.tables.find(({ table }) => table === 'orders');
    await clock.sleep(HOUR);

    expect(judged.reasons.join()).toContain(`the cycle of ${died.startedAt} found 20 drifted of 122 rows`);
    expect(stored).toMatchObject({ failed: true, complete: false, drift: 20 });
    expect(orders?.drift).toEqual({ missing: 0, extra: 0, different: 20 });
    expect((await gate()).pass).toBe(false);
  });
});

describe('drift that a dying cycle had found before it wrote its record', () => {
  it('is in the record that others write for it', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id IN (3, 35)`);
    const died = await aCycle({ scopeKind: 'full' }, { diesAfter: 'settle' });
    await deps.documents.remove('cycle', died.startedAt);

    const [asJudged] = await readCycleLog(deps, clock.now());
    await clock.sleep(HOUR + 1_000);
    await aCycle({ scopeKind: 'full' });
    const stored = (await deps.documents.get('cycle', died.startedAt))?.value;

    const told = { failed: true, complete: false, drift: 2, rows: 122 };
    expect(asJudged).toMatchObject(told);
    expect(stored).toMatchObject(told);
    expect(stored?.byTenant).toMatchObject({ acme: { drift: 1 }, umbrella: { drift: 1 } });
  });
});

describe('rows that are in flight for ever', () => {
  it('are neither clean nor drift, as soon as their event is older than dualWrite.lagLimit', async () => {
    await shop.legacy.query(`UPDATE orders SET note = 'new' WHERE id <= 35`);
    const young = await aCycle({ scopeKind: 'full' });
    await clock.sleep(HOUR);
    await shop.legacy.query(`UPDATE crossfade.outbox SET captured_at = captured_at - interval '1 day'`);

    const old = await aCycle({ scopeKind: 'full' });
    const judged = await gate();
    await shop.legacy.query(`UPDATE orders SET note = '' WHERE id <= 35`);

    const ordersOf = (document: CycleDocument) => document.tables.find(({ table }) => table === 'orders');
    expect(ordersOf(young)).toMatchObject({ inFlight: 35 });
    expect(ordersOf(young)?.late).toBeUndefined();
    expect(ordersOf(old)).toMatchObject({ inFlight: 35, late: 35 });
    expect(old.byTenant).toMatchObject({ acme: { unproven: 30 }, umbrella: { unproven: 5 } });
    expect(judged.pass).toBe(false);
  });
});
