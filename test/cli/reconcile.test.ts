/** What `reconcile` makes of its options, and with which code it exits. */
import { expect, test } from 'vitest';
import { anOutput } from './support/records.ts';
import { createWorld } from './support/world.ts';

const inputOf = (world: ReturnType<typeof createWorld>) => world.workflow.started[0]?.input;

test('is a full pass of everything when nothing else is said', async () => {
  const world = createWorld();

  await world.run('reconcile');

  expect(inputOf(world)).toEqual({ plan: 'shop', dryRun: false, repair: false, requestedBy: expect.any(String) });
});

test('takes a window as a duration, a scope by name, a form as a mode', async () => {
  const world = createWorld();

  await world.run('reconcile', '--window', '2h', '--mode', 'exact');
  await world.run('start', 'reconcile', '--scope=sample', '--limit=100');

  expect(world.workflow.started.map(({ input }) => input)).toMatchObject([
    { windowMs: 7_200_000, mode: 'exact' },
    { scopeKind: 'sample', limit: 100 },
  ]);
});

test.each([
  ['[42]', ['[42]']],
  ['[[42],["a","b"]]', ['[42]', '["a", "b"]']],
])('takes the keys %s of one table', async (text, keys) => {
  const world = createWorld();

  await world.run('reconcile', '--table=orders', `--key=${text}`);

  expect(inputOf(world)).toMatchObject({ tables: ['orders'], keys });
});

test.each([
  [['--scope=everything'], 'everything'],
  [['--window', 'soon'], '--window soon is not a duration'],
  [['--key', '[1]'], 'row keys are of one table'],
  [['--table=orders', '--key', '42'], '--key 42 is not a row key'],
  [['--table=orders', '--scope=keys'], '--scope keys needs --key'],
  [['--table=orders', '--scope=full', '--key=[1]'], '--scope full does not take'],
  [['--here'], '--here compares from this machine and needs the plan file'],
  [['--here', '--repair'], '--here reads only'],
  [['--scope=full', '--window=2h'], '--window is not for --scope full'],
])('exits 2 for %j, and starts nothing', async (options, says) => {
  const world = createWorld();

  const exit = await world.run('reconcile', ...options);

  expect(exit).toBe(2);
  expect(world.stderr).toContain(says);
  expect(world.workflow.started).toEqual([]);
});

test.each([
  ['passed', false, 0],
  ['differences', false, 4],
  ['differences', true, 4],
  ['refused', false, 3],
  ['halted', false, 1],
] as const)('a cycle that ends as %s, dry run %s, exits %i', async (outcome, dryRun, code) => {
  const world = createWorld();
  const { start } = world.workflow;
  world.workflow.start = async (machine, input) => {
    const execution = await start.call(world.workflow, machine, input);
    world.workflow.succeed(execution.arn, anOutput({ machine: 'reconcile', outcome, dryRun }));
    return execution;
  };

  const exit = await world.run('reconcile', '--wait', ...(dryRun ? ['--dry-run'] : []));

  expect(exit).toBe(code);
});
