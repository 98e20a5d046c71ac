import { expect, test } from 'vitest';
import { aTenant } from './support/records.ts';
import { createWorld } from './support/world.ts';

async function worldWithTenants() {
  const world = createWorld();
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  await world.documents.put('tenant', 'globex', aTenant({ tenant: 'globex', stage: 'off', on: false }), 'absent');
  return world;
}

test('sets a flag for tenants, says whom it turns on, and keeps the other flag', async () => {
  const world = await worldWithTenants();

  const { exit, payload } = await world.json('flags', 'set', 'dual-write', '--enable', '--tenants', 'acme');

  expect(exit).toBe(0);
  expect(payload).toMatchObject({
    flag: 'dual_write',
    versionBefore: 1,
    version: 2,
    changed: true,
    turnedOn: ['acme'],
    turnedOff: [],
  });
  expect((await world.flags.read())?.flags).toMatchObject({
    dual_write: { enabled: true, tenants: ['acme'] },
    target_reads: { enabled: false },
  });
});

test('a dry run publishes nothing', async () => {
  const world = await worldWithTenants();

  await world.run('flags', 'set', 'dual_write', '--enable', '--percent', '100', '--dry-run');

  expect((await world.flags.read())?.version).toBe(1);
  expect(world.stdout).toContain('dry run: dual_write would change from version 1');
  expect(world.stdout).toContain('on: acme, globex');
});

test('an empty list empties, an absent one keeps', async () => {
  const world = await worldWithTenants();
  await world.run('flags', 'set', 'dual_write', '--enable', '--tenants', 'acme', '--except', 'globex');

  await world.run('flags', 'set', 'dual_write', '--except', '');

  expect((await world.flags.read())?.flags.dual_write).toMatchObject({ tenants: ['acme'], except: [] });
});

test('refuses when another version was published meanwhile, and changes nothing', async () => {
  const world = await worldWithTenants();
  await world.run('flags', 'set', 'dual_write', '--enable');

  const exit = await world.run('flags', 'set', 'dual_write', '--percent', '50', '--expect-version', '1');

  expect(exit).toBe(3);
  expect(world.stderr).toContain('flags are at version 2, not 1; nothing was changed');
});

test('refuses while a deployment of the flags is in flight', async () => {
  const world = await worldWithTenants();
  world.flags.setDeploying(true);

  const exit = await world.run('flags', 'set', 'dual_write', '--enable');

  expect(exit).toBe(3);
  expect(world.stderr).toContain('in flight');
});

test('flags that cannot be read are unknown and not off', async () => {
  const world = await worldWithTenants();
  world.flags.setReadable(false);

  const exit = await world.run('flags', 'show');

  expect(exit).toBe(1);
  expect(world.stderr).toContain('unknown is not off');
});

test('shows the wish of each tenant beside what is in effect', async () => {
  const world = await worldWithTenants();
  await world.run('flags', 'set', 'dual_write', '--enable', '--tenants', 'globex');

  await world.run('flags', 'show');

  expect(world.stdout).toMatch(/acme +no +no +dualwrite/);
  expect(world.stdout).toMatch(/globex +yes +no +off/);
});

test.each([
  [['flags', 'set', 'dual_write'], 'nothing to change'],
  [['flags', 'set', 'dual_write', '--enable', '--disable'], 'exclude each other'],
  [['flags', 'set', 'triple_write', '--enable'], 'no flag triple_write; there are dual_write, target_reads'],
  [['flags', 'set', 'dual_write', '--percent', '101'], 'from 0 to 100'],
])('%j is wrong usage', async (args, message) => {
  const world = await worldWithTenants();

  const exit = await world.run(...args);

  expect(exit).toBe(2);
  expect(world.stderr).toContain(message);
  expect((await world.flags.read())?.version).toBe(1);
});
