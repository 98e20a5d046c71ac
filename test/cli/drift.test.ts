import { expect, test } from 'vitest';
import { aCycle, aDifference, aTenant, NOON } from './support/records.ts';
import { createWorld } from './support/world.ts';

async function worldWithDrift() {
  const world = createWorld();
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  await world.documents.put('drift', 'orders#{"id":7}', aDifference(), 'absent');
  await world.documents.put(
    'drift',
    'orders#{"id":8}',
    aDifference({ rowKey: '{"id":8}', kind: 'missing', columns: [], tenant: 'globex' }),
    'absent',
  );
  await world.documents.put(
    'drift',
    'orders#{"id":9}',
    aDifference({ rowKey: '{"id":9}', repairedAt: NOON }),
    'absent',
  );
  return world;
}

test('shows open differences by key and column, and exits 4', async () => {
  const world = await worldWithDrift();

  const exit = await world.run('drift', 'show');

  expect(exit).toBe(4);
  expect(world.stdout).toContain('2 open differences');
  expect(world.stdout).toMatch(/orders +\{"id":7\} +acme +different +amount/);
  expect(world.stdout).not.toContain('{"id":9}');
  expect(world.stdout).toContain(`next: npx crossfade drift explain orders '{"id":7}'`);
});

test('filters by table and tenant, and exits 0 when nothing is left', async () => {
  const world = await worldWithDrift();

  const one = await world.json<{ total: number }>('drift', 'show', '--tenant', 'globex');
  const none = await world.json<{ total: number }>('drift', 'show', '--table', 'customers');

  expect(one).toMatchObject({ exit: 4, payload: { total: 1 } });
  expect(none).toMatchObject({ exit: 0, payload: { total: 0 } });
});

test('explains one difference and names its repair', async () => {
  const world = await worldWithDrift();

  const exit = await world.run('drift', 'explain', 'orders', '{"id":8}');

  expect(exit).toBe(4);
  expect(world.stdout).toContain('legacy has the row, the target does not');
  expect(world.stdout).toContain('next: npx crossfade reconcile --table=orders --repair');
});

test('a key without a difference is wrong usage', async () => {
  const world = await worldWithDrift();

  const exit = await world.run('drift', 'explain', 'orders', '{"id":1}');

  expect(exit).toBe(2);
  expect(world.stderr).toContain('no difference on record for orders {"id":1}');
});

test('the clock says what it has, what it needs and why the gate refuses', async () => {
  const world = createWorld();
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  const table = {
    table: 'orders',
    rows: 200_000,
    chunks: 40,
    differingChunks: 0,
    drift: { missing: 0, extra: 0, different: 0 },
    inFlight: 2,
    unsettled: 0,
    repaired: 0,
    leftOut: 5,
  };
  await world.documents.put('cycle', NOON, aCycle({ tables: [table] }), 'absent');
  await world.clock.advance(7_200_000);

  const exit = await world.run('drift', 'status');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/clock +clean for 2h of 3d below 0.001 %, 1 cycles/);
  expect(world.stdout).toContain('- the clock has run 2h of 72h');
  expect(world.stdout).toMatch(/orders +200000 +0 \/ 0 \/ 0 +0 +2 +0 +5/);
});

test('a difference that is open keeps the exit code at 4', async () => {
  const world = await worldWithDrift();

  const exit = await world.run('drift', 'status');

  expect(exit).toBe(4);
  expect(world.stdout).toContain('next: npx crossfade drift show');
});
