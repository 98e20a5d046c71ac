import { expect, test } from 'vitest';
import { UNDO_PREFIX, type UndoPayload, type UndoState } from '../../lib/application/operate/undo.ts';
import type { UndoneRow } from '../../lib/contracts/undo.ts';
import { createWorld, type TestWorld } from './support/world.ts';

const row = (overrides: Partial<UndoneRow>): UndoneRow => ({
  table: 'orders',
  rowKey: '[7]',
  tenant: 'acme',
  outcome: 'erased',
  detail: 'read afresh from legacy at once',
  ...overrides,
});

/** A relay that answers the first request that it finds, at its second look. */
function answerWith(world: TestWorld, answer: NonNullable<UndoState['answer']>): void {
  const { sleep } = world.clock;
  let looks = 0;
  world.operator.clock.sleep = async (ms, signal) => {
    await sleep(ms, signal);
    looks += 1;
    const [request] = await world.documents.list('progress', { from: UNDO_PREFIX, to: 'undo0' });
    if (looks !== 2 || request === undefined) return;
    const state = { ...request.value.state, answer };
    await world.documents.put('progress', request.id, { ...request.value, state }, 'any');
  };
}

test('says what became of each row, and leaves no request behind', async () => {
  const world = createWorld({ answers: ['yes'] });
  answerWith(world, { rows: [row({})], truncated: false });

  const exit = await world.run('undo', 'web-4711', '--reason', 'wrong mapping');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/orders \[7\] +acme +erased +read afresh/);
  expect(await world.documents.list('progress', { from: UNDO_PREFIX, to: 'undo0' })).toEqual([]);
});

test('exits 4 when a row was left, and says why', async () => {
  const world = createWorld();
  const left = row({ rowKey: '[8]', outcome: 'left', detail: 'it was written again since' });
  answerWith(world, { rows: [row({}), left], truncated: false });

  const { exit, payload } = await world.json<UndoPayload>('undo', 'web-4711', '--dry-run');

  expect(exit).toBe(4);
  expect(payload).toMatchObject({ correlationId: 'web-4711', dryRun: true });
  expect(payload.rows[1]).toMatchObject({ outcome: 'left', detail: 'it was written again since' });
});

test('exits 5 when no relay comes to it, and takes the request back: nothing is undone later', async () => {
  const world = createWorld();

  const exit = await world.run('undo', 'web-4711', '--dry-run');

  expect(exit).toBe(5);
  expect(world.stderr).toContain('nothing is undone later');
  expect(await world.documents.list('progress', { from: UNDO_PREFIX, to: 'undo0' })).toEqual([]);
});

test('exits 3 when the relay refuses, and says why', async () => {
  const world = createWorld({ answers: ['yes'] });
  answerWith(world, { refused: 'delivery is held by somebody' });

  const exit = await world.run('undo', 'web-4711');

  expect(exit).toBe(3);
  expect(world.stderr).toContain('nothing was undone: delivery is held by somebody');
});

test('refuses text that is no correlation id', async () => {
  const world = createWorld();

  const exit = await world.run('undo', 'x; DROP TABLE', '--dry-run');

  expect(exit).toBe(2);
});
