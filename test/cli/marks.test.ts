import { expect, test } from 'vitest';
import { ALICE, BOB, createWorld } from './support/world.ts';

test('pause is recorded with who, when and why, and resume takes it away', async () => {
  const world = createWorld();

  await world.run('pause', '--reason', 'deployment of the application');
  const paused = await world.documents.get('control', 'control');
  await world.run('resume');
  const resumed = await world.documents.get('control', 'control');

  expect(paused?.value).toEqual({
    paused: { by: ALICE, at: '2026-01-05T12:00:00.000Z', why: 'deployment of the application' },
  });
  expect(resumed?.value).toEqual({});
});

test('a second pause keeps the first who and why, and says so', async () => {
  const world = createWorld();
  await world.run('pause', '--reason', 'first');
  world.identity = BOB;

  const { payload } = await world.json<{ set: string[]; unchanged: string[]; paused: { by: string; why: string } }>(
    'pause',
  );

  expect(payload).toMatchObject({ set: [], unchanged: ['paused'], paused: { by: ALICE, why: 'first' } });
});

test('halt with --delivery ends machines and holds delivery; resume alone leaves delivery held and says how to go on', async () => {
  const world = createWorld();

  await world.run('halt', '--delivery', '--reason', 'errors on the target');
  await world.run('resume');

  expect((await world.documents.get('control', 'control'))?.value).toMatchObject({
    deliveryHeld: { why: 'errors on the target' },
  });
  expect(world.stdout).toContain('not halted');
  expect(world.stdout).toContain('still delivery held');
  expect(world.stdout).toContain('next: npx crossfade flags resume-delivery');
});

test('delivery is held and released without touching the machines', async () => {
  const world = createWorld();
  await world.run('pause');

  await world.run('flags', 'stop-delivery');
  await world.run('flags', 'resume-delivery');

  const control = (await world.documents.get('control', 'control'))?.value;
  expect(control?.paused).toBeDefined();
  expect(control?.deliveryHeld).toBeUndefined();
});

test('two operators who write at once both get what they asked for', async () => {
  const world = createWorld();

  await Promise.all([world.run('pause'), world.run('flags', 'stop-delivery'), world.run('halt')]);

  expect(Object.keys((await world.documents.get('control', 'control'))?.value ?? {}).sort()).toEqual([
    'deliveryHeld',
    'halted',
    'paused',
  ]);
});
