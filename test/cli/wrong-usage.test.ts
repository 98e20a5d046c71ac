/** What is wrong by its form is refused with 2 and the next command, before AWS or a store is asked for anything. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { aCycle, aDifference, NOON } from './support/records.ts';
import { createWorld } from './support/world.ts';

test.each([
  [['backfill', 'tune'], 'give --batches-per-second', 'backfill tune --help'],
  [['backfill', 'tune', '--reset', '--batch-rows', '5'], 'or --reset alone', 'backfill tune --help'],
  [['repair', 'undo', '../x'], '../x is not the id of a repair', 'repair list --all'],
  [['repair', 'run', 'a/b'], 'a/b is not the id of a repair', 'repair list --all'],
  [['repair', 'show', ''], 'is not the id of a repair', 'repair list --all'],
  [['repair', 'plan', '--cycle', 'yesterday'], '--cycle yesterday is not the start', 'repair plan --help'],
  [['repair', 'plan', '--cycle', '2026-13-45'], '--cycle 2026-13-45 is not the start', 'repair plan --help'],
  [['drift', 'show', '--cycle', 'last'], '--cycle last is not the start of a cycle', 'drift show --help'],
  [['drift', 'explain', 'orders', '[x'], '[x is not a row key', 'drift explain --help'],
  [['drift', 'explain', 'orders', '[]'], '[] is not a row key', 'drift explain --help'],
  [['reconcile', '--window', 'soon'], '--window soon is not a duration', 'reconcile --help'],
  [['reconcile', '--limit', '0'], 'Expected a whole number above 0', 'reconcile --help'],
])('%j', async (args, says, next) => {
  const world = createWorld();

  const exit = await world.run(...args);

  expect(exit).toBe(2);
  expect(world.stderr).toContain(says);
  expect(world.stderr).toContain(`next: npx crossfade ${next}`);
  expect(world.stdout).toBe('');
  expect(world.connected).toBe(false);
});

test('with --json a refusal is JSON too, and nothing else on stdout', async () => {
  const world = createWorld();

  const { exit, payload } = await world.json('backfill', 'tune');

  expect(exit).toBe(2);
  expect(payload).toEqual({
    error: { message: expect.stringContaining('give --batches-per-second'), exit: 2 },
    next: 'npx crossfade backfill tune --help',
  });
});

test('a table that the plan file does not have is refused before a store is opened', async () => {
  const world = createWorld();
  const file = join(await mkdtemp(join(tmpdir(), 'plan-')), 'plan.yaml');
  const stores = ['legacy', 'target']
    .map((store) => `${store}: { driver: pg, urlEnv: ${store.toUpperCase()}_NOT_SET, tls: disable }`)
    .join('\n');
  await writeFile(file, `name: shop\nenvironment: dev\n${stores}\ntenants: none\ntables: { orders: }\n`);

  const exit = await world.run('reconcile', '--here', '--table', 'nosuch', '--plan', file);

  expect(exit).toBe(2);
  expect(world.stderr).toContain('the plan has no table nosuch; it has orders');
});

test('a table that the deployed plan does not have is no table without drift', async () => {
  const world = createWorld();
  const state = { hash: 'h', plan: { tables: { orders: {} } } };
  await world.documents.put('progress', 'plan', { work: 'plan', state, at: NOON }, 'absent');

  const exit = await world.run('drift', 'show', '--table', 'ordres');

  expect(exit).toBe(2);
  expect(world.stderr).toContain('the plan has no table ordres; it has orders');
});

test('a cycle that is not on record is no cycle without drift', async () => {
  const world = createWorld();
  await world.documents.put('cycle', NOON, aCycle(), 'absent');

  expect(await world.run('drift', 'show', '--cycle', '2026-01-04')).toBe(2);
  expect(world.stderr).toContain('no cycle on record begins at 2026-01-04');
  expect(await world.run('drift', 'show', '--cycle', '2026-01-05')).toBe(0);
});

test('a repair is planned of the cycle that is named by the beginning of its start, as any answer writes it', async () => {
  const world = createWorld();
  const later = '2026-01-05T12:30:00.000Z';
  for (const startedAt of [NOON, later]) await world.documents.put('cycle', startedAt, aCycle({ startedAt }), 'absent');
  await world.documents.put('drift', 'orders#[7]', aDifference({ rowKey: '[7]' }), 'absent');

  await world.run('repair', 'plan', '--cycle', '2026-01-05 12:30:00Z', '--no-wait');
  const both = await world.run('repair', 'plan', '--cycle', '2026-01-05T12', '--no-wait');

  expect(world.workflow.started).toMatchObject([{ input: { repairJob: { do: 'plan', cycle: later } } }]);
  expect(both).toBe(2);
  expect(world.stderr).toContain(`2026-01-05T12 begins several cycles: ${NOON}, ${later}`);
});
