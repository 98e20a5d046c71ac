/** Undo by correlation id: a write is taken back only while it is the row's current version, and legacy says what comes instead. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { carryOutUndos } from '../../lib/application/operate/carry-out-undos.ts';
import { UNDO_PREFIX } from '../../lib/application/operate/undo.ts';
import { forgetHold } from '../../lib/application/relay/delivery-hold.ts';
import { setStage, turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import { IMAGE_START, keepImages } from '../../lib/application/tenants/keep-before-images.ts';
import { undoWrites } from '../../lib/application/tenants/undo-writes.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilDone } from '../support/relay-until-idle.ts';

const SQL = `
CREATE TABLE public.orders (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text);
CREATE TABLE public.lines (order_id bigint REFERENCES public.orders, line integer, PRIMARY KEY (order_id, line));`;
const PLAN = `
tenants: { column: tenant_id }
tables:
  orders: { columns: { risk: { owner: target } } }
  lines: { tenant: { parent: orders, on: { order_id: id } } }
relay: { shards: 1 }`;

let shop: TestMigration;

beforeAll(async () => {
  shop = await aMigration({
    plan: PLAN,
    legacySql: SQL,
    targetSql: `${SQL} ALTER TABLE public.orders ADD COLUMN risk text`,
  });
  await installSchemas(shop.deps);
  const migration = await shop.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(shop.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => shop?.close());

beforeEach(async () => {
  await shop.legacy.query('DELETE FROM lines; DELETE FROM orders');
  await relay();
});

const relay = () => relayUntilDone(shop);

/** As an application writes on behalf of a request. */
async function write(correlationId: string, sql: string): Promise<void> {
  await shop.legacy.query(
    `BEGIN; SELECT set_config('crossfade.correlation_id', '${correlationId}', true); ${sql}; COMMIT`,
  );
  await relay();
}

/** Under a role that the fence lets pass. */
async function writeThroughTheFence(sql: string): Promise<void> {
  await shop.target.query(`SET SESSION AUTHORIZATION "${shop.roles.apply}"`);
  await shop.target.query(sql);
  await shop.target.query('RESET SESSION AUTHORIZATION');
}

const undo = async (correlationId: string, dryRun = false) =>
  undoWrites(await shop.load(), { correlationId, dryRun }, `undo-${correlationId}`);
const orders = async () => (await shop.target.query('SELECT id::int, body FROM orders ORDER BY id')).rows;
const queued = async () =>
  (await shop.target.query('SELECT row_key FROM crossfade.repair_queue ORDER BY 1')).rows.map((row) => row.row_key);

describe('undo', () => {
  it('takes back the rows of one request with their children, and reads them afresh', async () => {
    await write('web-1', `INSERT INTO orders VALUES (1, 'acme', 'a'); INSERT INTO lines VALUES (1, 1)`);
    await write('web-2', `INSERT INTO orders VALUES (2, 'acme', 'b')`);

    const { rows } = await undo('web-1');
    const gone = await orders();
    const waits = await queued();
    await relay();

    expect(rows.map(({ table, rowKey, outcome }) => [table, rowKey, outcome])).toEqual([
      ['lines', '[1, 1]', 'erased'],
      ['orders', '[1]', 'erased'],
    ]);
    expect(gone).toEqual([{ id: 2, body: 'b' }]);
    expect(waits).toEqual(['[1, 1]', '[1]']);
    expect(await orders()).toEqual([
      { id: 1, body: 'a' },
      { id: 2, body: 'b' },
    ]);
  });

  it('leaves a row that was written again since, and says so', async () => {
    await write('web-3', `INSERT INTO orders VALUES (3, 'acme', 'first')`);
    await write('web-4', `UPDATE orders SET body = 'second' WHERE id = 3`);

    const { rows } = await undo('web-3');

    expect(rows).toMatchObject([{ rowKey: '[3]', outcome: 'left', detail: 'it was written again since' }]);
    expect(await orders()).toEqual([{ id: 3, body: 'second' }]);
    expect(await queued()).toEqual([]);
  });

  it('reads a row afresh that the write had removed', async () => {
    await write('web-5', `INSERT INTO orders VALUES (5, 'acme', 'x')`);
    await write('web-6', `DELETE FROM orders WHERE id = 5`);

    const { rows } = await undo('web-6');

    expect(rows).toMatchObject([{ rowKey: '[5]', outcome: 'read-afresh' }]);
    expect(await queued()).toEqual(['[5]']);
  });

  it('leaves what somebody else wrote on the target', async () => {
    await write('web-7', `INSERT INTO orders VALUES (7, 'acme', 'x')`);
    await shop.target.query(
      `INSERT INTO crossfade.foreign_write (table_name, row_key, op, role_name) VALUES ('orders', '[7]', 'U', 'rogue')`,
    );

    const { rows } = await undo('web-7');
    await shop.target.query('DELETE FROM crossfade.foreign_write');

    expect(rows).toMatchObject([{ rowKey: '[7]', outcome: 'left' }]);
    expect(rows[0]?.detail).toMatch(/somebody else \(role rogue/);
    expect(await orders()).toHaveLength(1);
  });

  it('erases what was written for a tenant that is off by now, and queues nothing', async () => {
    await write('web-8', `INSERT INTO orders VALUES (8, 'acme', 'x')`);
    await turnOff(shop.deps, 'forward', 'acme', 'test');

    const { rows } = await undo('web-8');
    const left = await orders();
    const waits = await queued();
    await turnOn(shop.deps, 'forward', { tenant: 'acme', stage: 'dualwrite', copied: false, why: 'test' });

    expect(rows).toMatchObject([{ outcome: 'erased', detail: 'its tenant is off; turning it on copies it anew' }]);
    expect([left, waits]).toEqual([[], []]);
  });

  it('touches no row that applications read from the target', async () => {
    await write('web-9', `INSERT INTO orders VALUES (9, 'acme', 'x')`);
    await setStage(shop.deps, 'forward', ['acme'], 'live', 10, 'test');

    const { rows } = await undo('web-9');
    await setStage(shop.deps, 'forward', ['acme'], 'dualwrite', 0, 'test');

    expect(rows).toMatchObject([{ outcome: 'left', detail: 'its tenant is in stage live: applications read the row' }]);
    expect(await orders()).toHaveLength(1);
  });

  it('restores a row that was there before, but for the columns that the target owns', async () => {
    await writeThroughTheFence(`INSERT INTO orders VALUES (20, 'acme', 'before', 'high')`);
    const migration = await shop.load();
    const until = new Date(Date.now() + 60_000);
    await keepImages(migration, [tableNamed(migration, 'orders')], IMAGE_START, until);
    await write('web-20', `INSERT INTO orders VALUES (20, 'acme', 'after')`);
    await writeThroughTheFence(`UPDATE orders SET risk = 'low' WHERE id = 20`);

    const { rows } = await undo('web-20');

    expect(rows).toMatchObject([{ rowKey: '[20]', outcome: 'restored' }]);
    const { rows: held } = await shop.target.query('SELECT body, risk FROM orders WHERE id = 20');
    expect(held).toEqual([{ body: 'before', risk: 'low' }]);
  });

  it('changes nothing in a dry run', async () => {
    await write('web-10', `INSERT INTO orders VALUES (10, 'acme', 'x')`);

    const { rows } = await undo('web-10', true);

    expect(rows).toMatchObject([{ rowKey: '[10]', outcome: 'erased' }]);
    expect(await orders()).toHaveLength(1);
    expect(await queued()).toEqual([]);
  });

  it('is carried out by the relay when it is asked for, and refused while delivery is held', async () => {
    await write('web-11', `INSERT INTO orders VALUES (11, 'acme', 'x')`);
    const ask = (id: string) => {
      const state = {
        query: { correlationId: 'web-11', dryRun: false },
        requestedBy: 'somebody',
        why: 'test',
        answer: null,
      };
      return shop.deps.documents.put(
        'progress',
        `${UNDO_PREFIX}${id}`,
        { work: id, state, at: new Date().toISOString() },
        'any',
      );
    };
    const answerTo = async (id: string) =>
      (await shop.deps.documents.get('progress', `${UNDO_PREFIX}${id}`))?.value.state.answer;
    await shop.deps.documents.put(
      'control',
      'control',
      { deliveryHeld: { by: 'somebody', at: 'now', why: 'test' } },
      'any',
    );
    forgetHold(shop.deps);
    await ask('held');
    await carryOutUndos(await shop.load());
    await shop.deps.documents.put('control', 'control', {}, 'any');
    forgetHold(shop.deps);

    await ask('free');
    await carryOutUndos(await shop.load());

    expect(await answerTo('held')).toMatchObject({ refused: expect.stringContaining('delivery is held by somebody') });
    expect(await answerTo('free')).toMatchObject({ rows: [{ rowKey: '[11]', outcome: 'erased' }], truncated: false });
    expect(await orders()).toEqual([]);
  });
});
