/** The write protocol on real databases: what is committed in legacy arrives, once, in order, and nothing comes back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { deliver, toClaimed } from '../../lib/application/relay/deliver.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import { type ClaimedRow, claimEvents } from '../../lib/sql/relay/claim-events.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilDone } from '../support/relay-until-idle.ts';
import { SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

let shop: TestMigration;

beforeAll(async () => {
  shop = await aMigration({ plan: SHOP_PLAN, legacySql: SHOP_SQL });
  await installSchemas(shop.deps);
  const migration = await shop.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(shop.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
  await repairKeys(migration, tableNamed(migration, 'currencies'), 'forward', ['["EUR"]', '["USD"]'], 'first-copy');
});

afterAll(() => shop?.close());

const relay = () => relayUntilDone(shop);

const states = async () =>
  (await shop.legacy.query(`SELECT state, count(*)::int AS n FROM crossfade.outbox GROUP BY 1 ORDER BY 1`)).rows;
const both = async (sql: string) => ({
  legacy: (await shop.legacy.query(sql)).rows,
  target: (await shop.target.query(sql)).rows,
});

describe('dual-write', () => {
  it('carries every kind of value exactly, and a row that was changed twice in one transaction once', async () => {
    await shop.legacy.query(`BEGIN;
      INSERT INTO orders VALUES (1, 'acme', 'r1', 'NaN', E'quote '' and \\\\ and \\n', '{"big": 12345678901234567890.123, "a": [1, null]}', ARRAY['x', NULL, 'y,"z"'],
        'happy', 0.1::float8 + 0.2::float8, '[2026-01-01 00:00+02, infinity)', '\\x00ff', 'EUR', 'infinity');
      UPDATE orders SET note = note || '!' WHERE id = 1;
      INSERT INTO orders (id, tenant_id, payload) VALUES (2, 'acme', 'null'), (3, 'acme', NULL), (4, 'acme', '"text"'), (5, 'acme', '[]');
      INSERT INTO lines VALUES (1, 1, 5), (1, 2, 6);
      COMMIT`);

    await relay();

    const { legacy, target } = await both(
      'SELECT o::text FROM orders o UNION ALL SELECT l::text FROM lines l ORDER BY 1',
    );
    expect(target).toEqual(legacy);
    expect(target).toHaveLength(7);
    expect((await both('SELECT count(payload)::int AS n FROM orders')).target).toEqual([{ n: 4 }]);
  });

  it('suppresses a tenant that is off, and says so', async () => {
    await shop.legacy.query(`INSERT INTO orders (id, tenant_id) VALUES (100, 'umbrella')`);

    await relay();

    const { target } = await both('SELECT id FROM orders WHERE id = 100');
    expect(target).toEqual([]);
    expect(await states()).toContainEqual({ state: 'suppressed', n: 1 });
  });

  it('deletes with a cascade, children and all, and never brings the row back', async () => {
    await shop.legacy.query(`UPDATE orders SET note = 'the last one' WHERE id = 1`);
    await shop.legacy.query(`CREATE TABLE kept AS SELECT seq, payload FROM crossfade.outbox WHERE state = 'pending'`);
    await relay();
    await shop.legacy.query('DELETE FROM orders WHERE id = 1');
    await relay();

    await shop.legacy.query(
      `UPDATE crossfade.outbox AS o SET state = 'pending', payload = k.payload FROM kept AS k WHERE o.seq = k.seq`,
    );
    await relay();

    const { target } = await both('SELECT 1 FROM orders WHERE id = 1 UNION ALL SELECT 1 FROM lines WHERE order_id = 1');
    expect(target).toEqual([]);
  });

  it('lets two rows swap a unique value', async () => {
    await shop.legacy.query(
      `INSERT INTO orders (id, tenant_id, reference) VALUES (10, 'acme', 'A'), (11, 'acme', 'B')`,
    );
    await relay();

    await shop.legacy.query(
      `BEGIN; UPDATE orders SET reference = NULL WHERE id = 10; UPDATE orders SET reference = 'A' WHERE id = 11; UPDATE orders SET reference = 'B' WHERE id = 10; COMMIT`,
    );
    await relay();

    const { legacy, target } = await both('SELECT id, reference FROM orders WHERE id IN (10, 11) ORDER BY id');
    expect(target).toEqual(legacy);
  });

  it('follows a changed key: the old row goes, the new one comes', async () => {
    await shop.legacy.query(`INSERT INTO orders (id, tenant_id) VALUES (20, 'acme')`);
    await relay();

    await shop.legacy.query('UPDATE orders SET id = 21 WHERE id = 20');
    await relay();

    const { target } = await both('SELECT id FROM orders WHERE id IN (20, 21)');
    expect(target).toEqual([{ id: '21' }]);
  });

  it('removes a row that moves to a tenant that is off, with the rows that hang on it', async () => {
    await shop.legacy.query(
      `INSERT INTO orders (id, tenant_id) VALUES (30, 'acme'); INSERT INTO lines VALUES (30, 1, 1)`,
    );
    await relay();
    expect((await both('SELECT 1 FROM lines WHERE order_id = 30')).target).toHaveLength(1);

    await shop.legacy.query(`UPDATE orders SET tenant_id = 'umbrella' WHERE id = 30`);
    await relay();

    expect(
      (await both('SELECT 1 FROM orders WHERE id = 30 UNION ALL SELECT 1 FROM lines WHERE order_id = 30')).target,
    ).toEqual([]);
  });

  it('brings a row and its children when it moves to a tenant that is on', async () => {
    await shop.legacy.query(`UPDATE orders SET tenant_id = 'acme' WHERE id = 30`);
    await relay();

    expect(
      (await both('SELECT 1 FROM orders WHERE id = 30 UNION ALL SELECT 1 FROM lines WHERE order_id = 30')).target,
    ).toHaveLength(2);
  });

  it('parks an event that can never succeed and delivers the rest of its batch', async () => {
    await shop.target.query('ALTER TABLE lines ADD CONSTRAINT small CHECK (quantity < 1000)');
    await shop.legacy.query('INSERT INTO lines VALUES (30, 2, 5000), (30, 3, 7)');

    await relay();

    expect((await both('SELECT line FROM lines WHERE order_id = 30 ORDER BY line')).target).toEqual([
      { line: 1 },
      { line: 3 },
    ]);
    const parked = (await shop.legacy.query(`SELECT row_key, reason FROM crossfade.outbox WHERE state = 'parked'`))
      .rows;
    expect(parked).toHaveLength(1);
    expect(parked[0].reason).toContain('small');
    expect(parked[0].reason).not.toContain('5000');
  });

  it('refuses application writes on the fenced target, and TRUNCATE on a captured table', async () => {
    await expect(shop.target.query(`UPDATE orders SET note = 'rogue'`)).rejects.toThrow(/fenced public.orders/);
    await expect(shop.legacy.query('TRUNCATE lines')).rejects.toThrow(/TRUNCATE/);
  });

  it('brings nothing back after off and on again: an event claimed before is refused afterwards', async () => {
    await shop.legacy.query(`INSERT INTO orders (id, tenant_id) VALUES (40, 'acme')`);
    const source = shop.deps.databases.open('legacy', 'relay');
    const claim = {
      direction: 'forward',
      shard: 0,
      shards: 1,
      holder: 'a slow worker',
      leaseMs: 1,
      limit: 100,
      troubled: [],
      afterTenant: null,
    } as const;
    const inFlight = toClaimed(await source.query<ClaimedRow>(claimEvents(claim)));

    await turnOff(shop.deps, 'forward', 'acme', 'test');
    await shop.legacy.query('DELETE FROM orders WHERE id = 40');
    await turnOn(shop.deps, 'forward', { tenant: 'acme', stage: 'dualwrite', copied: false, why: 'again' });
    const marks = await deliver(await shop.load(), 'forward', inFlight, 'late');

    const late = inFlight.events.find((event) => event.rowKey === '[40]');
    expect(marks.find((mark) => mark.seq === String(late?.seq))?.state).toBe('covered');
    expect((await both('SELECT 1 FROM orders WHERE id = 40')).target).toEqual([]);
  });
});
