import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryObjects } from '../../lib/adapters/memory/objects.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { archive } from '../../lib/application/machines/decommission/archive.ts';
import { audit } from '../../lib/application/machines/decommission/audit.ts';
import { checkConnections } from '../../lib/application/machines/decommission/check-connections.ts';
import { close } from '../../lib/application/machines/decommission/close.ts';
import { decommissionMachine } from '../../lib/application/machines/decommission/machine.ts';
import { maintain } from '../../lib/application/machines/decommission/maintain.ts';
import { reopen, verifyReverse } from '../../lib/application/machines/decommission/reopen.ts';
import { retireReverse } from '../../lib/application/machines/decommission/retire-reverse.ts';
import type { Step } from '../../lib/application/machines/step.ts';
import { decideAuthority } from '../../lib/application/switch/authority.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';
import { aRun } from '../support/run.ts';
import { SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

const RUN = aRun({
  machine: 'decommission',
  execution: 'arn:aws:states:eu-central-1:000000000000:execution:crossfade-test-decommission:one',
});

const ROWS = `
INSERT INTO public.orders (id, tenant_id, reference, amount, note, payload, tags, mood, ratio, seen, raw, currency, updated_at)
SELECT n, 'acme', 'r' || n, n * 1.10, CASE WHEN n % 3 = 0 THEN NULL ELSE E'line\\nbreak "' || n END, '{"b": 1, "a": [1, 2]}', '{a,"b c",NULL}', 'ok', 0.1 + n, '[2024-01-01,2024-02-01)', '\\xdeadbeef', 'EUR', '2026-01-01'
FROM generate_series(1, 50) AS n;
INSERT INTO public.lines SELECT n, 1, n FROM generate_series(1, 50) AS n;`;

let migration: TestMigration | undefined;

afterEach(async () => {
  await migration?.close();
  migration = undefined;
});

/** After the switchover: the target is authoritative, legacy is fenced, the reverse relay keeps it equal. */
async function givenSwitchedOver(): Promise<TestMigration> {
  migration = await aMigration({
    plan: `${SHOP_PLAN}applicationRoles: [shop_app]\ndecommission: { idleFor: 1s, reverseIdleFor: 1s }`,
    legacySql: `${SHOP_SQL}${ROWS}`,
  });
  const { deps } = migration;
  await installSchemas(deps);
  const loaded = await migration.load();
  for (const tenant of ['*', 'acme'])
    await turnOn(deps, 'forward', { tenant, stage: 'live', copied: true, why: 'test' });
  await installCapture(loaded, 'reverse');
  await fenceStore(loaded, 'legacy');
  await decideAuthority(deps, {
    direction: 'reverse',
    stage: 'rampdown',
    by: 'test',
    why: 'switchover',
    execution: 'test',
  });
  await deps.documents.put('machine', 'switchover', { passed: { acme: deps.clock.now().toISOString() } }, 'any');
  return migration;
}

async function untilAnswered(step: Step, { deps }: TestMigration, run: Run = RUN): Promise<StepResult> {
  let result = await step(deps, run, null);
  while (result.again) {
    await deps.clock.sleep(Math.min(1_000, result.waitSeconds * 1_000));
    result = await step(deps, run, result.data);
  }
  return result;
}

describe('check-connections', () => {
  it('names who is still connected', async () => {
    const shop = await givenSwitchedOver();
    const plan = { ...shop.plan, applicationRoles: ['postgres'] };

    const result = await checkConnections({ ...shop.deps, plan }, RUN, null);

    expect(result.proceed).toBe(false);
    expect(result.reasons.join('\n')).toMatch(
      /legacy-connections: 1 connections is not equals 0 connections\n1 connections of postgres/,
    );
  });

  it('passes when nobody came for the stated time, and keeps the clock', async () => {
    const shop = await givenSwitchedOver();

    const result = await untilAnswered(checkConnections, shop);

    expect(result.reasons).toEqual([]);
    expect(result.gates.map(({ gate }) => gate)).toEqual([
      'legacy-connections',
      'legacy-prepared-transactions',
      'legacy-fenced',
      'legacy-idle-for',
    ]);
  });

  it('refuses a dry run that has not seen the time pass', async () => {
    const shop = await givenSwitchedOver();

    const result = await checkConnections(shop.deps, { ...RUN, dryRun: true }, null);

    expect(result.reasons.join('\n')).toContain('legacy-idle-for');
    expect(await shop.deps.documents.get('progress', 'decommission/legacy-idle')).toBeUndefined();
  });
});

describe('audit', () => {
  it('passes equal stores', async () => {
    const shop = await givenSwitchedOver();

    const result = await untilAnswered(audit, shop);

    expect(result.reasons).toEqual([]);
    expect(result.data).toMatchObject({ rows: { orders: 50, lines: 50, currencies: 2 } });
  });

  it('finds orphans, a missing constraint and a row that differs', async () => {
    const shop = await givenSwitchedOver();
    await shop.target.query(`
      ALTER TABLE lines DROP CONSTRAINT lines_order_id_fkey;
      ALTER TABLE lines DISABLE TRIGGER ALL;
      INSERT INTO lines VALUES (999, 1, 1);
      ALTER TABLE lines ENABLE TRIGGER USER;
      ALTER TABLE lines ADD FOREIGN KEY (order_id) REFERENCES orders ON DELETE CASCADE NOT VALID;
      ALTER TABLE orders DROP CONSTRAINT orders_reference_key;
    `);

    const result = await untilAnswered(audit, shop);

    const reasons = result.reasons.join('\n');
    expect(reasons).toContain('lines: 1 row without a parent by lines_order_id_fkey; keys [999, 1]');
    expect(reasons).toContain(
      'orders: the unique index orders_reference_key (reference) of legacy is missing in the target',
    );
    expect(reasons).toContain('constraint lines_order_id_fkey is NOT VALID');
    expect(reasons).toContain('lines [999, 1] is missing');
  });
});

describe('archive', () => {
  it('writes every row and restores pages as they were', async () => {
    const shop = await givenSwitchedOver();

    const result = await untilAnswered(archive, shop);

    expect(result.reasons).toEqual([]);
    const page = await shop.deps.objects.get('archive/one/orders/000001.jsonl');
    expect(page?.trimEnd().split('\n')).toHaveLength(50);
    const manifest = JSON.parse((await shop.deps.objects.get('archive/one/manifest.json')) ?? '');
    expect(manifest.consistent).toBe(true);
    expect(manifest.legacy).toMatchObject([
      { table: 'currencies', rows: 2 },
      { table: 'orders', rows: 50 },
      { table: 'lines', rows: 50 },
    ]);
  });

  it('refuses an archive whose page was spoilt', async () => {
    const shop = await givenSwitchedOver();
    const objects = createMemoryObjects();
    const spoiling = {
      ...objects,
      get: async (key: string) => (await objects.get(key))?.replace('"id":"7"', '"id":"07"'),
    };

    const result = await archive({ ...shop.deps, objects: spoiling }, RUN, null);

    expect(result.reasons.join('\n')).toContain(
      'archive/one/orders/000001.jsonl: the restored rows are not the archived ones',
    );
  });
});

describe('retire-reverse', () => {
  it('removes capture after a quiet time, drains what was captured last, and ends the way back', async () => {
    const shop = await givenSwitchedOver();
    await shop.target.query("UPDATE orders SET note = 'last' WHERE id = 1");
    await relayUntilIdle(shop.deps, 'reverse', 1_000);

    const result = await untilAnswered(retireReverse, shop);
    const back = await reopen(shop.deps, { ...RUN, machine: 'rollback', from: 'decommission' }, null);

    expect(result.reasons).toEqual([]);
    expect((await shop.legacy.query('SELECT note FROM orders WHERE id = 1')).rows).toEqual([{ note: 'last' }]);
    expect(
      (await shop.target.query("SELECT count(*)::int AS n FROM pg_trigger WHERE tgname LIKE 'crossfade%'")).rows,
    ).toEqual([{ n: 0 }]);
    expect(
      (await shop.target.query('SELECT count(*)::int AS n FROM crossfade.tenant_state WHERE copied')).rows,
    ).toEqual([{ n: 0 }]);
    expect(back.reasons.join('\n')).toContain('reverse capture was retired');
  });

  it('refuses while an event is set aside, and leaves capture in place', async () => {
    const shop = await givenSwitchedOver();
    await shop.target.query(
      "UPDATE orders SET note = 'x' WHERE id = 1; UPDATE crossfade.outbox SET state = 'parked', reason = 'test'",
    );

    const result = await untilAnswered(retireReverse, shop);
    const back = await verifyReverse(shop.deps, RUN, null);

    expect(result.reasons.join('\n')).toContain('parked orders [1]: test');
    expect(back.gates.find(({ gate }) => gate === 'reverse-capture')?.pass).toBe(true);
    expect(back.gates.find(({ gate }) => gate === 'reverse-set-aside')?.pass).toBe(false);
  });

  it('changes nothing in a dry run', async () => {
    const shop = await givenSwitchedOver();

    await retireReverse(shop.deps, { ...RUN, dryRun: true }, null);
    const back = await verifyReverse(shop.deps, RUN, null);

    expect(back.proceed).toBe(true);
    expect(await shop.deps.documents.list('progress')).toEqual([]);
  });
});

describe('maintain and close', () => {
  it('runs the statements that the role may run', async () => {
    const shop = await givenSwitchedOver();

    const result = await untilAnswered(maintain, shop);

    expect(result.notes).toEqual(['7 of 7 maintenance statements ran']);
  });

  it('completes every tenant and lists what is left', async () => {
    const shop = await givenSwitchedOver();

    const result = await close(shop.deps, RUN, null);

    const tenants = await shop.deps.documents.list('tenant');
    expect(tenants.map(({ id, value }) => [id, value.stage])).toEqual([
      ['*', 'complete'],
      ['acme', 'complete'],
    ]);
    expect(result.notes.join('\n')).toMatch(/legacy keeps trigger crossfade_fence on \d+ tables/);
    expect((await shop.deps.documents.list('journal', { limit: 1, descending: true }))[0]?.value).toMatchObject({
      authoritative: 'target',
      why: 'migration complete',
    });
  });
});

describe('the machine', () => {
  it('is entered only after the switchover, with the target authoritative', async () => {
    const shop = await givenSwitchedOver();
    const entered = await decommissionMachine.entry(shop.deps, RUN);
    await shop.deps.documents.put('machine', 'switchover', { passed: {} }, 'any');

    const refused = await decommissionMachine.entry(shop.deps, RUN);

    expect(entered.every(({ pass }) => pass)).toBe(true);
    expect(refused.map(({ pass }) => pass)).toEqual([false, true]);
  });
});
