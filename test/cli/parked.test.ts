import { expect, test } from 'vitest';
import { listExplained } from '../../lib/application/operate/explain-parked.ts';
import { ALICE, createWorld } from './support/world.ts';

test('keeps who explained an event, when and why, for the gate', async () => {
  const world = createWorld();

  const exit = await world.run('parked', 'explain', '4711', '--reason', 'test data, CHG-1234');

  expect(exit).toBe(0);
  expect(world.stdout).toContain('test data, CHG-1234');
  expect(await listExplained(world.documents, 'forward')).toMatchObject([
    { direction: 'forward', seq: '4711', by: ALICE, why: 'test data, CHG-1234' },
  ]);
  expect(await listExplained(world.documents, 'reverse')).toEqual([]);
});

test.each([
  [['parked', 'explain', '4711'], 'reason'],
  [['parked', 'explain', 'everything', '--reason', 'x'], 'no position of the outbox'],
])('%j is wrong usage', async (args, message) => {
  const world = createWorld();

  const exit = await world.run(...args);

  expect(exit).toBe(2);
  expect(world.stderr).toContain(message);
});
