/** The guide's way back of phase 3: routing pauses, a tenant's or table's target rows are overwritten from legacy, the result is proved. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { rollbackMachine } from '../../lib/application/machines/rollback/machine.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { setMarks } from '../../lib/application/operate/set-marks.ts';
import { readHold } from '../../lib/application/relay/delivery-hold.ts';
import { findRunnable } from '../../lib/application/repair/decision.ts';
import { readArtefact } from '../../lib/application/repair/repair-store.ts';
import { undoRepair } from '../../lib/application/repair/undo-repair.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';
import type { Statement } from '../../lib/sql/statement.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { freshShop, openShop, SHOP_PLAN, shopRows, writePastTheFence } from '../support/shop.ts';

/** In both tenants: changed, missing and extra rows; the extra order has an extra line under it. */
const SPOILT = `
UPDATE orders SET note = 'rogue' WHERE id IN (2, 8);
DELETE FROM lines WHERE line = 2 AND order_id IN (3, 9);
INSERT INTO orders (id, tenant_id) VALUES (901, 'acme'), (902, 'umbrella');
INSERT INTO lines VALUES (901, 1, 1), (902, 1, 1);
`;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;
let runs = 0;

beforeAll(async () => {
  shop = await openShop(SHOP_PLAN, shopRows(10, 6));
});

afterAll(() => shop?.close());

beforeEach(async () => {
  ({ clock, deps } = await freshShop(shop));
  await writePastTheFence(shop, SPOILT);
});

function aWayBack(overrides: Partial<Run> = {}): Run {
  runs += 1;
  const execution = `arn:aws:states:us-east-1:000000000000:execution:crossfade-test-rollback:back-${runs}`;
  return aRun({ machine: 'rollback', from: 'reconcile', execution, scope: ['acme'], ...overrides });
}

async function step(name: string, run: Run, world: Deps = deps): Promise<StepResult> {
  const work = rollbackMachine.steps[name];
  if (work === undefined) throw new Error(`no step ${name}`);
  let data: unknown = null;
  for (;;) {
    const result = await work(world, run, data);
    if (!result.again) return result;
    await clock.sleep(result.waitSeconds * 1000);
    data = result.data;
  }
}

async function goBack(run: Run) {
  const paused = await step('pause-routing', run);
  const overwritten = await step('overwrite-target', run);
  const verified = await step('verify-overwritten', run);
  return { paused, overwritten, verified, notes: [paused, overwritten, verified].flatMap(({ notes }) => notes) };
}

/** What is wrong in the target, as the test planted it. */
async function wrong(): Promise<readonly string[]> {
  const { rows } = await shop.target.query(`
    SELECT 'order ' || id AS what FROM orders WHERE note = 'rogue' OR id > 900
    UNION ALL SELECT 'line ' || order_id || '/' || line FROM lines WHERE order_id > 900
    UNION ALL SELECT 'no line ' || o.id || '/2' FROM orders AS o WHERE o.id <= 10 AND NOT EXISTS (SELECT FROM lines AS l WHERE l.order_id = o.id AND l.line = 2)
    ORDER BY what`);
  return rows.map(({ what }) => what);
}

const OF_ACME = ['line 901/1', 'no line 3/2', 'order 2', 'order 901'];
const OF_UMBRELLA = ['line 902/1', 'no line 9/2', 'order 8', 'order 902'];

it('overwrites one tenant from legacy, removes what legacy has not, proves it, and touches no other tenant', async () => {
  const { verified, notes } = await goBack(aWayBack());

  expect(await wrong()).toEqual(OF_UMBRELLA);
  expect(verified).toMatchObject({ proceed: true, gates: [{ gate: 'overwritten-equal', pass: true, value: 0 }] });
  expect(notes).toContain('delivery to the target is held; events wait in the outbox');
  expect((await deps.documents.get('control', 'control'))?.value).toEqual({});
});

it('leaves a plan behind that says of each row what was overwritten and why, and can be undone', async () => {
  await goBack(aWayBack());

  const [document] = (await deps.documents.list('repair')).map(({ value }) => value);
  if (document === undefined) throw new Error('there is no plan');
  expect(document).toMatchObject({
    state: 'done',
    rows: 4,
    direction: 'forward',
    outcomes: { repaired: 4, failed: 0 },
  });
  const { planned } = await readArtefact(deps.objects, document);
  expect(planned.map(({ table, rowKey, action }) => `${action} ${table} ${rowKey}`).toSorted()).toEqual([
    'delete lines [901, 1]',
    'delete orders [901]',
    'insert lines [3, 2]',
    'update orders [2]',
  ]);
  expect(planned.find(({ action }) => action === 'update')?.columns).toEqual([
    expect.objectContaining({ column: 'note', winner: 'legacy', reason: 'timestamps-collide' }),
  ]);

  const wish = { repair: document.id, dryRun: false, by: 'alice', why: 'the wrong way' };
  expect(await undoRepair(await loadMigration(deps), wish)).not.toHaveProperty('refused');
  expect(await wrong()).toEqual([...OF_ACME, ...OF_UMBRELLA].toSorted());
});

it('overwrites one table of a tenant and leaves its others as they are', async () => {
  await goBack(aWayBack({ tables: ['lines'] }));

  const left = await wrong();
  expect(left).toEqual(expect.arrayContaining(['order 2', 'order 901', ...OF_UMBRELLA]));
  expect(left).not.toContain('no line 3/2');
  expect(left).not.toContain('line 901/1');
});

it('leaves shared rows alone for some of the tenants, and overwrites them for all of them', async () => {
  await writePastTheFence(shop, `UPDATE currencies SET label = 'rogue' WHERE code = 'EUR'`);
  const label = async () => (await shop.target.query(`SELECT label FROM currencies WHERE code = 'EUR'`)).rows[0]?.label;

  const { verified } = await goBack(aWayBack({ scope: ['acme'] }));
  const leftAlone = await label();
  await goBack(aWayBack({ scope: ['acme', 'umbrella'] }));

  expect(verified.proceed).toBe(true);
  expect([leftAlone, await label()]).toEqual(['rogue', 'Euro']);
  expect(await wrong()).toEqual([]);
});

it('lists in a dry run what it would do, row by row, and holds and writes nothing', async () => {
  const { overwritten } = await goBack(aWayBack({ dryRun: true }));

  expect(overwritten.notes).toContain('orders: 0 to insert, 1 to update, 1 to delete');
  expect(overwritten.notes).toContain('lines: 1 to insert, 0 to update, 1 to delete');
  expect(overwritten.notes).toContain('orders [2] is different');
  expect(await wrong()).toEqual([...OF_ACME, ...OF_UMBRELLA].toSorted());
  expect(await deps.documents.get('control', 'control')).toBeUndefined();
});

it('comes back to a row whose unique value an extra row held, which is removed behind it', async () => {
  await writePastTheFence(
    shop,
    `DELETE FROM lines WHERE order_id = 4; DELETE FROM orders WHERE id = 4; INSERT INTO orders (id, tenant_id, reference) VALUES (950, 'acme', 'r4')`,
  );

  const { verified } = await goBack(aWayBack());

  expect(verified).toMatchObject({ proceed: true, gates: [{ gate: 'overwritten-equal', pass: true, value: 0 }] });
  expect(await wrong()).toEqual(OF_UMBRELLA);
  expect((await deps.documents.list('repair')).length).toBe(2);
});

it('is not run as a repair by somebody else while it runs', async () => {
  const run = aWayBack();
  await step('pause-routing', run);
  const planned = await rollbackMachine.steps['overwrite-target']?.(deps, run, null);
  const [document] = (await deps.documents.list('repair')).map(({ value }) => value);
  await deps.documents.put('machine', 'rollback', { current: { execution: run.execution } } as never, 'any');

  const refused = await findRunnable(deps, document?.id ?? '');

  expect(planned?.again).toBe(true);
  expect(refused).toContain(`is that of rollback ${run.execution}, which is running`);
});

it('goes on where it died', async () => {
  const run = aWayBack();
  await step('pause-routing', run);
  const dying: Deps = { ...deps, databases: failingSecondWrite(deps) };
  await expect(step('overwrite-target', run, dying)).rejects.toThrow('killed');

  const { verified } = await goBack(run);

  expect(verified.proceed).toBe(true);
  expect(await wrong()).toEqual(OF_UMBRELLA);
});

it('goes on when its call was over before it had written anything', async () => {
  const slow: Deps = { ...deps, plan: { ...deps.plan, reconcile: { ...deps.plan.reconcile, recheckAfter: 41_000 } } };
  const run = aWayBack();
  await step('pause-routing', run, slow);

  await step('overwrite-target', run, slow);

  expect(await wrong()).toEqual(OF_UMBRELLA);
});

it('takes the place of one that died, whose mark holds nothing up when it has lapsed', async () => {
  await step('pause-routing', aWayBack());
  expect(await readHold(deps)).toMatchObject({ why: 'the target is being overwritten from legacy' });
  await clock.sleep(601_000);
  expect(await readHold(deps)).toBeNull();

  const { verified } = await goBack(aWayBack());

  expect(verified.proceed).toBe(true);
  expect(await wrong()).toEqual(OF_UMBRELLA);
});

it('stops before its next page when a person stops delivery meanwhile, and leaves that stop', async () => {
  const run = aWayBack();
  await step('pause-routing', run);
  const stopping: Deps = { ...deps, databases: stoppedAtFirstWrite(deps) };

  const planned = await rollbackMachine.steps['overwrite-target']?.(stopping, run, null);
  const stopped = await rollbackMachine.steps['overwrite-target']?.(stopping, run, planned?.data);
  const waiting = await rollbackMachine.steps['overwrite-target']?.(deps, run, stopped?.data);

  expect(waiting).toMatchObject({ again: true, notes: [expect.stringContaining('delivery is held by alice')] });
  expect(await wrong()).not.toEqual(OF_UMBRELLA);
  await setMarks(alice(), { clear: ['deliveryHeld'], why: 'looked into' });
  expect(await readHold({ ...deps, documents: { ...deps.documents } })).toMatchObject({ execution: run.execution });
  await step('overwrite-target', run);
  expect(await wrong()).toEqual(OF_UMBRELLA);
});

it('does not take off a hold that a person put on, and waits for it', async () => {
  const deliveryHeld = { by: 'alice', at: clock.now().toISOString(), why: 'looking into it' };
  await deps.documents.put('control', 'control', { deliveryHeld }, 'any');
  const run = aWayBack();

  await step('pause-routing', run);
  const waiting = await rollbackMachine.steps['overwrite-target']?.(deps, run, null);

  expect(waiting).toMatchObject({ again: true });
  expect((await deps.documents.get('control', 'control'))?.value.deliveryHeld?.by).toBe('alice');
  expect(await wrong()).toEqual([...OF_ACME, ...OF_UMBRELLA].toSorted());
});

function alice(): Parameters<typeof setMarks>[0] {
  const { documents } = deps;
  return { documents, clock, identity: { whoAmI: async () => 'alice' }, command: (words) => words };
}

/** A person stops delivery while the first page is written. */
function stoppedAtFirstWrite({ databases }: Deps): Deps['databases'] {
  return {
    ...databases,
    open: (store, purpose) => {
      const session = databases.open(store, purpose);
      return {
        ...session,
        query: async <Row>(statement: Statement) => {
          const rows = await session.query<Row>(statement);
          if (statement.text.includes('/* crossfade batch repair-'))
            await setMarks(alice(), { set: ['deliveryHeld'], why: 'the target suffers' });
          return rows;
        },
      };
    },
  };
}

/** Dies behind its first apply, in front of the second. */
function failingSecondWrite({ databases }: Deps): Deps['databases'] {
  let writes = 0;
  return {
    ...databases,
    open: (store, purpose) => {
      const session = databases.open(store, purpose);
      return {
        ...session,
        query: (statement) => {
          if (statement.text.includes('/* crossfade batch repair-')) writes += 1;
          return writes > 1 ? Promise.reject(new Error('killed')) : session.query(statement);
        },
      };
    },
  };
}
