/** A cycle on real databases: planted drift of each class is found, and nothing else; repair mends it; a dead cycle goes on; the gate reads the log. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createMemoryDocuments } from '../../lib/adapters/memory/documents.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { driftGate } from '../../lib/application/gates/drift-gate.ts';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { reconcileMachine } from '../../lib/application/machines/reconcile/machine.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import type { ChunkItem } from '../../lib/application/reconcile/cycle-store.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';
import { SqlError } from '../../lib/ports/sql.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { copyShopAfresh, freshShop, SHOP_SQL, writePastTheFence } from '../support/shop.ts';

const PLAN = `
tenants: { column: tenant_id }
reconcile:
  { cycle: 1h, fullEvery: 1h, chunkRows: 10, splitRows: 3, chunksPerBatch: 2, recheckAfter: 5s, haltDriftPercent: 50, gate: { for: 3h, minimumRows: 100 }, repair: { automatic: false, capRows: 5 } }
tables:
  currencies: { tenant: none }
  orders: { updatedAtColumn: updated_at, criticalColumns: [amount] }
  lines: { tenant: { parent: orders, on: { order_id: id } } }
`;
const ROWS = `
INSERT INTO public.orders (id, tenant_id, reference, amount, note, updated_at)
  SELECT i, CASE WHEN i > 40 THEN 'umbrella' ELSE 'acme' END, 'r' || i, i, '', '2026-01-01' FROM generate_series(1, 50) AS i;
INSERT INTO public.lines SELECT o.id, l, l FROM public.orders AS o, generate_series(1, 2) AS l;
`;
/** 2 currencies, 40 orders and 80 lines of acme; umbrella has 10 and 20 that are not copied. */
const COMPARED = 122;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;
let runs = 0;

beforeAll(async () => {
  shop = await aMigration({ plan: PLAN, legacySql: SHOP_SQL + ROWS });
  await installSchemas(shop.deps);
  const migration = await shop.load();
  await installCapture(migration, 'forward');
  for (const [tenant, copied] of [
    ['*', true],
    ['acme', true],
    ['umbrella', false],
  ] as const)
    await turnOn(shop.deps, 'forward', { tenant, stage: 'dualwrite', copied, why: 'test' });
});

afterAll(() => shop?.close());

beforeEach(async () => {
  ({ clock, deps } = await freshShop(shop));
});

function aCycleRun(overrides: Partial<Run> = {}): Run {
  runs += 1;
  return aRun({
    machine: 'reconcile',
    execution: `arn:aws:states:us-east-1:000000000000:execution:crossfade-test-reconcile:run-${runs}`,
    startedAt: clock.now().toISOString(),
    ...overrides,
  });
}

async function step(name: string, run: Run, data: unknown, between: () => Promise<void> = async () => {}) {
  const work = reconcileMachine.steps[name];
  if (work === undefined) throw new Error(`no step ${name}`);
  for (;;) {
    const result: StepResult = await work(deps, run, data);
    if (!result.again) return result;
    await between();
    await clock.sleep(result.waitSeconds * 1000);
    data = result.data;
  }
}

async function itemsOf(planned: StepResult): Promise<readonly ChunkItem[]> {
  const { chunks } = planned.data as { chunks: { Key: string } };
  return JSON.parse((await deps.objects.get(chunks.Key)) ?? '[]') as ChunkItem[];
}

interface Hooks {
  /** Between two reads of what differs. */
  readonly whileSettling?: () => Promise<void>;
  readonly beforeRepair?: () => Promise<void>;
}

/** The machine's flow, with the Distributed Map as a loop over batches of four. */
async function cycle(run: Run, { whileSettling, beforeRepair }: Hooks = {}) {
  const planned = await step('plan-chunks', run, null);
  if (!planned.proceed) throw new Error(planned.reasons.join());
  const items = await itemsOf(planned);
  for (let first = 0; first < items.length; first += 4)
    await step('compare-chunks', run, { items: items.slice(first, first + 4) });
  const settled = await step('settle', run, planned.data, whileSettling);
  await step('needs-approval', run, settled.data);
  await beforeRepair?.();
  const repaired = await step('repair', run, settled.data);
  const recorded = await step('record', run, repaired.data);
  return {
    outcome: (recorded.data as { outcome: string }).outcome,
    notes: [planned, settled, repaired, recorded].flatMap((result) => result.notes),
    logged: (await deps.documents.get('cycle', run.startedAt))?.value,
  };
}

const openDrift = async () =>
  (await deps.documents.list('drift'))
    .filter(({ value }) => value.repairedAt === undefined)
    .map(({ id, value: { kind, tenant, columns } }) => ({ id, kind, tenant, columns: columns.join() }));
const PLANTED = `
UPDATE orders SET note = NULL WHERE id = 5;
DELETE FROM lines WHERE order_id = 7 AND line = 2;
INSERT INTO lines VALUES (8, 99, 1);
UPDATE currencies SET label = 'euro' WHERE code = 'EUR';
`;

describe('a cycle', () => {
  it('finds nothing where the stores are equal, and leaves out tenants that are not copied', async () => {
    await writePastTheFence(shop, 'DELETE FROM lines WHERE order_id > 40; DELETE FROM orders WHERE id > 40');

    const { outcome, logged } = await cycle(aCycleRun());

    expect(outcome).toBe('passed');
    expect(logged).toMatchObject({
      rows: COMPARED,
      drift: 0,
      complete: true,
      failed: false,
      scopeKind: 'full',
      tenants: ['*', 'acme'],
    });
    expect(logged?.tables.map(({ table, leftOut }) => [table, leftOut])).toEqual([
      ['currencies', 0],
      ['orders', 10],
      ['lines', 20],
    ]);
    expect(logged?.upperBoundPercent).toBeCloseTo(300 / COMPARED, 1);
  });

  it('does not judge a row whose tenant shows only in a parent that is still to be copied', async () => {
    await writePastTheFence(shop, 'DELETE FROM orders WHERE id > 40');

    const { logged } = await cycle(aCycleRun());

    expect(logged).toMatchObject({ drift: 0, complete: true });
  });

  it('finds planted drift of each class and nothing else, names columns and never values, and leaves it without leave to repair', async () => {
    await writePastTheFence(shop, PLANTED);

    const { outcome, logged, notes } = await cycle(aCycleRun());

    expect(outcome).toBe('differences');
    expect(logged).toMatchObject({ drift: 4, rows: COMPARED });
    expect(await openDrift()).toEqual([
      { id: 'currencies#["EUR"]', kind: 'different', tenant: '*', columns: 'label' },
      { id: 'lines#[7, 2]', kind: 'missing', tenant: 'acme', columns: '' },
      { id: 'lines#[8, 99]', kind: 'extra', tenant: 'acme', columns: '' },
      { id: 'orders#[5]', kind: 'different', tenant: 'acme', columns: 'note' },
    ]);
    expect(notes.join()).toContain('4 rows are left as they are');
    expect(notes.join()).not.toContain('euro');
  });

  it('repairs when it may: written, removed, compared again, and the log keeps what was found before', async () => {
    await writePastTheFence(
      shop,
      `${PLANTED} INSERT INTO orders (id, tenant_id) VALUES (900, 'acme'); INSERT INTO lines VALUES (900, 1, 1);`,
    );
    deps = {
      ...deps,
      plan: { ...deps.plan, reconcile: { ...deps.plan.reconcile, repair: { automatic: false, capRows: 100 } } },
    };

    const { outcome, logged } = await cycle(aCycleRun({ repair: true }));

    expect(outcome).toBe('differences');
    expect(logged).toMatchObject({ drift: 6 });
    expect(logged?.tables.map(({ table, repaired }) => [table, repaired])).toEqual([
      ['currencies', 1],
      ['orders', 2],
      ['lines', 3],
    ]);
    expect(await openDrift()).toEqual([]);
    await clock.sleep(3_600_000);
    expect((await cycle(aCycleRun())).outcome).toBe('passed');
  });

  it('does not count a row in flight, whatever the number of its events', async () => {
    await shop.legacy.query(
      `UPDATE orders SET note = 'on its way' WHERE id IN (11, 12); DELETE FROM lines WHERE order_id = 13 AND line = 1`,
    );

    const { outcome, logged } = await cycle(aCycleRun());

    expect(outcome).toBe('passed');
    expect(logged).toMatchObject({ drift: 0 });
    expect(logged?.tables.map(({ inFlight }) => inFlight)).toEqual([0, 2, 1]);
    await shop.legacy.query(`UPDATE orders SET note = '' WHERE id IN (11, 12); INSERT INTO lines VALUES (13, 1, 1)`);
  });

  it('reports a row that will not stand still as unsettled, and one that converges not at all', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'x' WHERE id IN (1, 2)`);
    let turn = 0;

    const { logged } = await cycle(aCycleRun(), {
      whileSettling: async () => {
        turn += 1;
        await writePastTheFence(
          shop,
          `UPDATE orders SET note = 'x${turn}' WHERE id = 1; UPDATE orders SET note = '' WHERE id = 2`,
        );
      },
    });

    expect(logged).toMatchObject({ drift: 0 });
    expect(logged?.tables.find(({ table }) => table === 'orders')).toMatchObject({ unsettled: 1, inFlight: 0 });
  });

  it('has all four presences: a row that goes from both stores between the reads is no drift', async () => {
    await shop.legacy.query(`INSERT INTO lines VALUES (20, 50, 1)`);
    await shop.legacy.query('DELETE FROM crossfade.outbox');

    const { logged } = await cycle(aCycleRun(), {
      whileSettling: async () => {
        await shop.legacy.query('DELETE FROM lines WHERE order_id = 20 AND line = 50');
        await shop.legacy.query('DELETE FROM crossfade.outbox');
      },
    });

    expect(logged).toMatchObject({ drift: 0 });
  });

  it('never repairs a row that has got an undelivered event', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 9`);

    const { notes } = await cycle(aCycleRun({ repair: true }), {
      beforeRepair: async () => {
        await shop.legacy.query(`UPDATE orders SET note = 'newer' WHERE id = 9`);
      },
    });

    expect(notes).toContain('repaired 0 of 1 row');
    expect((await shop.target.query('SELECT note FROM orders WHERE id = 9')).rows).toEqual([{ note: 'rogue' }]);
    await shop.legacy.query(`UPDATE orders SET note = '' WHERE id = 9`);
  });

  it('leaves a repair above the cap for a person to decide, and only then', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id <= 6`);
    const above = await cycle(aCycleRun({ repair: true }));

    await copyShopAfresh(shop);
    await clock.sleep(1000);
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id <= 5`);
    const within = await cycle(aCycleRun({ repair: true }));

    expect(above.notes.join()).toMatch(/of 6 rows \(the cap is 5\) needs an approval, and the cycle waits for none/);
    expect(within.notes).toContain('repaired 5 of 5 rows');
  });

  it('changes nothing in a dry run, and says what it found', async () => {
    await writePastTheFence(shop, PLANTED);
    const before = (await shop.target.query('SELECT count(*) FROM crossfade.applied_log')).rows;

    const { outcome, logged, notes } = await cycle(aCycleRun({ dryRun: true, repair: true }));

    expect(outcome).toBe('differences');
    expect(logged).toBeUndefined();
    expect(await deps.documents.list('drift')).toEqual([]);
    expect(await deps.documents.list('progress')).toEqual([]);
    expect(notes.at(-1)).toMatch(/^dry run: 4 of 122 rows drift/);
    expect((await shop.target.query('SELECT count(*) FROM crossfade.applied_log')).rows).toEqual(before);
  });

  it('compares one table in the mode that the operator asks for', async () => {
    await writePastTheFence(
      shop,
      `UPDATE orders SET note = 'x' WHERE id = 3; UPDATE orders SET amount = 0 WHERE id = 4; DELETE FROM lines WHERE order_id = 1`,
    );

    const { logged } = await cycle(aCycleRun({ mode: 'count', tables: ['orders'] }));

    expect(logged).toMatchObject({ mode: 'count', scopeKind: 'full', rows: 40, drift: 1 });
    expect((await openDrift()).map(({ id }) => id)).toEqual(['orders#[4]']);
    const refused = await reconcileMachine.steps['plan-chunks']?.(deps, aCycleRun({ mode: 'guess' }), null);
    expect(refused?.reasons).toEqual(['mode guess is not known; use count, checksum, columns, exact, fast or md5']);
  });

  it('halts the migration where drift is past what the plan bears', async () => {
    await writePastTheFence(shop, 'DELETE FROM lines');

    const { notes } = await cycle(aCycleRun());

    const halted = (await deps.documents.get('control', 'control'))?.value.halted;
    expect(halted?.why).toMatch(/80 of 122 rows drift: 65.6 % is above reconcile.haltDriftPercent 50 %/);
    expect(notes).toContain('the migration is halted; run: npx crossfade drift show');
  });

  it('begins only when a tenant of the scope is copied', async () => {
    expect((await reconcileMachine.entry(deps, aCycleRun()))[0]?.pass).toBe(true);

    deps = { ...deps, documents: createMemoryDocuments() };
    expect((await reconcileMachine.entry(deps, aCycleRun()))[0]?.pass).toBe(false);
  });
});

/** Statements of `compare` on the target fail when they are about `table`. */
function failingOn(table: string, error: SqlError): Deps {
  const { databases } = deps;
  return {
    ...deps,
    databases: {
      ...databases,
      open: (store, purpose) => {
        const session = databases.open(store, purpose);
        const isHit = (text: string) => store === 'target' && text.includes(`"${table}"`) && text.includes('AS digest');
        return {
          ...session,
          query: (statement) => (isHit(statement.text) ? Promise.reject(error) : session.query(statement)),
        };
      },
    },
  };
}

describe('a cycle that dies', () => {
  it('goes on at its next chunk, in a redrive and in the next execution', async () => {
    const run = aCycleRun();
    const planned = await step('plan-chunks', run, null);
    const items = await itemsOf(planned);
    await step('compare-chunks', run, { items: items.slice(0, 5) });

    await clock.sleep(60_000);
    const next = aCycleRun();
    const replanned = await step('plan-chunks', next, null);
    const results = await step('compare-chunks', next, { items: await itemsOf(replanned) });

    expect(replanned.notes).toContain(`goes on with the cycle of ${run.startedAt}`);
    expect(results.notes).toEqual([`compared ${items.length - 5} of ${items.length} chunks`]);
  });

  it('is recorded as failed when the next one comes too late to go on with it', async () => {
    const run = aCycleRun();
    await step('plan-chunks', run, null);

    await clock.sleep(2 * 3_600_000);
    const next = aCycleRun();
    await cycle(next);

    expect((await deps.documents.get('cycle', run.startedAt))?.value).toMatchObject({ failed: true, complete: false });
    expect((await deps.documents.get('cycle', next.startedAt))?.value).toMatchObject({ failed: false, complete: true });
  });

  it('is not clean when a chunk could not be read', async () => {
    const whole = deps;
    deps = failingOn(
      'orders',
      new SqlError('permission denied for table orders (SQLSTATE 42501)', { kind: 'configuration' }),
    );

    const { outcome, logged, notes } = await cycle(aCycleRun());

    expect(outcome).toBe('differences');
    expect(logged).toMatchObject({ complete: false });
    expect(notes.join()).toContain('permission denied for table orders');
    deps = whole;
  });

  it('throws what a retry may mend', async () => {
    const whole = deps;
    const run = aCycleRun();
    const items = await itemsOf(await step('plan-chunks', run, null));
    deps = failingOn('orders', new SqlError('the store is down', { kind: 'unavailable' }));

    await expect(step('compare-chunks', run, { items })).rejects.toThrow('the store is down');
    deps = whole;
  });
});

describe('the drift gate', () => {
  const gate = () => driftGate(deps, aRun({ machine: 'cutover', scope: ['acme'] }));

  it('passes when cycles were clean for as long as the plan asks, and says until then how long', async () => {
    expect((await gate()).reasons.join()).toContain('no cycle on record covers the scope');

    for (let hour = 0; hour < 3; hour++) {
      await cycle(aCycleRun());
      await clock.sleep(3_600_000);
      if (hour < 2) expect((await gate()).reasons.join()).toMatch(/the clock has run [12]h of 3h/);
    }

    expect(await gate()).toMatchObject({ gate: 'drift-rate', pass: true, value: 0, unit: '%' });
  });

  it('starts again when drift was found, repaired or not, and refuses another tenant', async () => {
    for (let hour = 0; hour < 4; hour++) {
      if (hour === 2) await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 5`);
      await cycle(aCycleRun({ repair: true }));
      await clock.sleep(3_600_000);
    }

    expect((await gate()).pass).toBe(false);
    expect((await driftGate(deps, aRun({ scope: ['umbrella'] }))).pass).toBe(false);
  });
});

describe('after the switchover', () => {
  it('takes the target for right, and mends legacy from it', async () => {
    const migration = await shop.load();
    for (const store of [shop.legacy, shop.target])
      await store.query(`UPDATE crossfade.control SET direction = 'reverse', authority = 2`);
    for (const tenant of ['*', 'acme'])
      await turnOn(deps, 'reverse', { tenant, stage: 'rampdown', copied: true, why: 'test' });
    await shop.legacy.query(`ALTER TABLE orders DISABLE TRIGGER crossfade_capture`);
    await shop.legacy.query(`UPDATE orders SET note = 'rogue' WHERE id = 5`);

    const { logged } = await cycle(aCycleRun({ repair: true }));

    expect(logged).toMatchObject({ drift: 1 });
    expect((await shop.legacy.query('SELECT note FROM orders WHERE id = 5')).rows).toEqual([{ note: '' }]);
    expect(await openDrift()).toEqual([]);
    await repairKeys(migration, tableNamed(migration, 'orders'), 'reverse', ['[5]'], 'test');
  });
});
