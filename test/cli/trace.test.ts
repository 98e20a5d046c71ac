import { expect, test } from 'vitest';
import type { TracePayload } from '../../lib/application/operate/trace.ts';
import { answerWith, DELIVERED, ROW, STEP } from './support/trace-answers.ts';
import { createWorld } from './support/world.ts';

test('tells the story in order, with the rows as they stand now', async () => {
  const world = createWorld();
  answerWith(world, DELIVERED);

  const exit = await world.run('trace', 'web-1');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/outcome +delivered/);
  expect(world.stdout).toMatch(/2026-01-05 12:00:00\.000Z +legacy +captured +orders \[7\] #41/);
  expect(world.stdout.indexOf('captured')).toBeLessThan(world.stdout.indexOf('applied'));
  expect(world.stdout).toMatch(/orders \[7\] +event 1\/41 +a1b2 +a1b2 +same/);
});

test('leaves the question with the relay, cleaned, and takes it away again', async () => {
  const world = createWorld();
  answerWith(world, DELIVERED);

  const { payload } = await world.json<TracePayload>('trace', 'web 1\u0007');

  expect(payload.query).toEqual({ by: 'correlation', id: 'web1' });
  expect(await world.documents.list('progress', { from: 'trace/', to: 'trace0' })).toEqual([]);
});

test.each([
  ['set aside', { what: 'parked', detail: 'it can never succeed' } as const, 4, 'redrive --dry-run'],
  ['on its way', { what: 'pending', at: null } as const, 5, 'status'],
])('says that a write is %s, and by the exit code', async (words, end, expected, next) => {
  const world = createWorld();
  const steps = [...DELIVERED.steps.slice(0, 1), { ...STEP, seq: '41', at: '2026-01-05T12:00:01.000000Z', ...end }];
  answerWith(world, { ...DELIVERED, steps, rows: [] });

  const exit = await world.run('trace', '--seq', '41');

  expect(exit).toBe(expected);
  expect(world.stdout).toContain(words);
  expect(world.stdout).toContain(`next: npx crossfade ${next}`);
});

test('exits 4 where everything was delivered and the rows differ', async () => {
  const world = createWorld();
  answerWith(world, { ...DELIVERED, rows: [{ ...ROW, digests: { legacy: 'a1b2', target: 'ffff' }, same: false }] });

  const exit = await world.run('trace', '--table', 'orders', '--key', '7');

  expect(exit).toBe(4);
  expect(world.stdout).toContain('next: npx crossfade reconcile --table=orders --repair');
});

test('exits 5 when nobody answers, and leaves no question behind', async () => {
  const world = createWorld();

  const exit = await world.run('trace', 'web-1');

  expect(exit).toBe(5);
  expect(world.stderr).toContain('the relay has not answered within 90 s');
  expect(await world.documents.list('progress', { from: 'trace/', to: 'trace0' })).toEqual([]);
});

test('exits 2 for a write that is not on record', async () => {
  const world = createWorld();
  answerWith(world, { ...DELIVERED, steps: [], rows: [] });

  const exit = await world.run('trace', 'web-1');

  expect(exit).toBe(2);
  expect(world.stderr).toContain('no write is on record for correlation id web-1');
});

test('shows what could not be asked', async () => {
  const world = createWorld();
  answerWith(world, { ...DELIVERED, gaps: ['target could not be asked: the store cannot be reached'] });

  await world.run('trace', 'web-1');

  expect(world.stdout).toContain('- target could not be asked');
});

test.each([
  [[], 'say which write'],
  [['web-1', '--seq', '4'], 'say which write'],
  [['--table', 'orders'], '--table wants the --key'],
  [['--key', '7'], '--key is the key of a row'],
  [['--seq', 'x'], 'a whole number'],
  [['--seq', '4', '--direction', 'up'], 'no direction up'],
  [['web-1', '--direction', 'forward'], '--direction goes with --seq'],
  [['* *'], 'letters, digits'],
])('refuses %j', async (args, message) => {
  const world = createWorld();

  const exit = await world.run('trace', ...args);

  expect(exit).toBe(2);
  expect(world.stderr).toContain(message);
});
