import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dryRunRequest, NoSuchWrite } from '../../lib/application/dual-write/dry-run-request.ts';
import { dryRunWrite } from '../../lib/application/dual-write/dry-run-write.ts';
import type { Migration } from '../../lib/application/migration.ts';
import type { TestMigration } from '../support/migration.ts';
import { aReadableMigration } from '../support/reads.ts';

let system: TestMigration;
let migration: Migration;

beforeAll(async () => {
  system = await aReadableMigration();
  migration = await system.load();
});

afterAll(async () => {
  await system.close();
});

const ORDER = {
  id: 900,
  part: 'x',
  tenant_id: 'acme',
  first: 'Eve',
  last: 'Doe',
  amount: 12.5,
  mood: 'sad',
  currency: 'EUR',
};
const order = (change: Readonly<Record<string, unknown>> = {}) => ({
  table: 'orders',
  payload: JSON.stringify({ ...ORDER, ...change }),
});

/** Everything that a dry run could have changed. */
async function contents(): Promise<unknown> {
  const tables = [
    'currencies',
    'orders',
    'lines',
    'crossfade.outbox',
    'crossfade.row_version',
    'crossfade.applied_log',
    'crossfade.repair_queue',
  ];
  const dump = async (client: TestMigration['legacy']) => {
    const found: unknown[] = [];
    for (const table of tables) {
      const text = `SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM ${table} AS t`;
      found.push((await client.query(text)).rows[0]);
    }
    return found;
  };
  return [await dump(system.legacy), await dump(system.target)];
}

describe('a write that the target takes', () => {
  it('is shown as the target would hold it, and nothing is changed', async () => {
    const before = await contents();

    const result = await dryRunWrite(migration, order());

    expect(result.violations).toEqual([]);
    expect(result).toMatchObject({ rowKey: '[900, "x"]', tenant: 'acme', waits: [] });
    expect(JSON.parse(result.row ?? '')).toMatchObject({
      full_name: 'Eve Doe',
      amount: 12.5,
      doubled: 25,
      risk: 3,
      note: 'none',
    });
    expect(await contents()).toEqual(before);
  });

  it('replaces the row that is there and keeps what the target owns', async () => {
    await system.target.query('UPDATE orders SET risk = 9 WHERE id = 1');
    const before = await contents();

    const result = await dryRunWrite(migration, order({ id: 1, part: 'B', tenant_id: 'globex' }));

    expect(JSON.parse(result.row ?? '')).toMatchObject({ full_name: 'Eve Doe', risk: 9 });
    expect(await contents()).toEqual(before);
  });

  it('brings along parents that only legacy has', async () => {
    await system.legacy.query(
      `INSERT INTO currencies VALUES ('GBP', 'Pound'); INSERT INTO orders (id, part, tenant_id, first, last, amount, currency) VALUES (77, 'q', 'acme', 'A', 'B', 1, 'GBP')`,
    );
    const before = await contents();

    const result = await dryRunWrite(migration, {
      table: 'lines',
      payload: '{"id":"00000000-0000-4000-8000-000000000001","order_id":77,"part":"q","quantity":2}',
    });

    expect(result.violations).toEqual([]);
    expect(result.tenant).toBe('acme');
    expect(result.waits).toHaveLength(2);
    expect(JSON.parse(result.row ?? '')).toMatchObject({ order_id: 77, quantity: 2 });
    expect(await contents()).toEqual(before);
  });
});

describe('a write that the target refuses', () => {
  it('is told every fault, by column and constraint, without a value', async () => {
    const result = await dryRunWrite(migration, order({ amount: -1, first: null }));

    expect(result.row).toBeNull();
    expect(result.faults.map(({ store, kind, column, constraint }) => [store, kind, column ?? constraint])).toEqual([
      ['target', 'not-null', 'full_name'],
      ['target', 'check', 'orders_amount_check'],
    ]);
  });

  it.each([
    ['a value that is too long for the target', { note: 'far too long for it' }, 'target type note'],
    ['a value that is no value of legacy', { amount: 'much' }, 'legacy type amount'],
    ['an enum label that is not there', { mood: 'angry' }, 'legacy type mood'],
    ['a column that is not there', { nothing: 1 }, 'legacy column nothing'],
    ['a value that legacy itself wants', { tenant_id: null }, 'legacy not-null tenant_id'],
    ['a parent that neither store has', { currency: 'ZZZ' }, 'target foreign-key'],
  ])('for %s', async (_what, change, expected) => {
    const before = await contents();

    const { violations, row } = await dryRunWrite(migration, order(change));

    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain(expected);
    expect(violations[0]).not.toContain('far too long');
    expect(row).toBeNull();
    expect(await contents()).toEqual(before);
  });
});

describe('a request', () => {
  it('finds its table by the payload, and says what the relay would do', async () => {
    const exposed = await dryRunRequest(migration, { tenant: 'acme', table: null, payload: order().payload });
    const off = await dryRunRequest(migration, {
      tenant: 'off',
      table: null,
      payload: order({ tenant_id: 'off' }).payload,
    });

    expect(exposed).toMatchObject({ table: 'orders', wouldWrite: true, relay: { action: 'deliver' } });
    expect(off).toMatchObject({ wouldWrite: false, violations: [], relay: { action: 'suppress' } });
  });

  it('for another tenant’s row is told so and shown nothing', async () => {
    const result = await dryRunRequest(migration, {
      tenant: 'globex',
      table: 'orders',
      payload: order({ id: 2, part: 'ä' }).payload,
    });

    expect(result.violations.join()).toContain("would be tenant acme's");
    expect(result.row).toBeNull();
  });

  it('for a table that cannot be told is refused', async () => {
    await expect(dryRunRequest(migration, { tenant: 'acme', table: 'nothing', payload: '{}' })).rejects.toBeInstanceOf(
      NoSuchWrite,
    );
    await expect(dryRunRequest(migration, { tenant: 'acme', table: null, payload: '{"a":1}' })).rejects.toBeInstanceOf(
      NoSuchWrite,
    );
  });

  it('waits where delivery is held', async () => {
    await system.deps.documents.put(
      'control',
      'control',
      { deliveryHeld: { by: 'ann', at: '2026-01-05T12:00:00.000Z', why: 'test' } },
      'any',
    );

    const result = await dryRunRequest(migration, { tenant: 'acme', table: 'orders', payload: order().payload });

    await system.deps.documents.remove('control', 'control');
    expect(result.relay).toEqual({ action: 'hold', why: 'delivery is held by ann: test' });
  });
});
