import { expect, test } from 'vitest';
import { executionName, runDocumentId } from '../../lib/application/operate/run-view.ts';
import { anApproval, anOutput, aRun } from './support/records.ts';
import { ALICE, createWorld } from './support/world.ts';

test('starts a machine with the same input as the AWS console would give', async () => {
  const world = createWorld();

  const exit = await world.run('start', 'dual-write', '--tenant', 'acme,globex', '--reason', 'CHG-1');

  expect(exit).toBe(0);
  expect(world.workflow.started).toMatchObject([
    {
      machine: 'dual-write',
      input: { plan: 'shop', scope: ['acme', 'globex'], dryRun: false, requestedBy: ALICE, reason: 'CHG-1' },
    },
  ]);
  expect(world.stdout).toContain('next: npx crossfade runs run-1 --wait');
});

test("takes the guide's dry run of reconciliation as it is written there", async () => {
  const world = createWorld();

  await world.run('reconcile', '--mode=checksum', '--table=orders', '--limit=2000', '--dry-run', '--log-level=DEBUG');

  expect(world.workflow.started[0]).toMatchObject({
    machine: 'reconcile',
    input: { mode: 'checksum', tables: ['orders'], limit: 2000, dryRun: true, repair: false },
  });
});

test('takes the name of a phase for its machine', async () => {
  const world = createWorld();

  await world.run('start', 'decommission', '--dry-run');

  expect(world.workflow.started[0]?.machine).toBe('decommission');
});

test('refuses options of reconciliation for another machine', async () => {
  const world = createWorld();

  const exit = await world.run('start', 'baseline', '--repair');

  expect(exit).toBe(2);
  expect(world.stderr).toContain('--repair is for reconcile');
  expect(world.workflow.started).toEqual([]);
});

test('waits to the end of a run, tells its steps, and exits 3 with the reasons of a refusal', async () => {
  const world = createWorld();
  endSoon(world, (arn) => {
    world.workflow.succeed(
      arn,
      anOutput({
        machine: 'cutover',
        outcome: 'refused',
        reasons: ['drift-clock: 3 h is not at least 72 h; run: npx crossfade start reconcile'],
        gates: [
          {
            gate: 'drift-clock',
            pass: false,
            value: 3,
            threshold: 72,
            comparison: 'at least',
            unit: 'h',
            source: 'cycle log',
            measuredAt: '2026-01-05T11:00:00.000Z',
            reasons: ['drift-clock: 3 h is not at least 72 h'],
          },
        ],
        next: 'npx crossfade runs run-1 --plan shop',
      }),
    );
  });

  const exit = await world.run('start', 'cutover', '--wait');

  expect(exit).toBe(3);
  expect(world.stderr).toContain('check-parity');
  expect(world.stderr.match(/compared 10 reads/g)).toHaveLength(1);
  expect(world.stdout).toContain('cutover refused');
  expect(world.stdout).toContain('- drift-clock: 3 h is not at least 72 h');
  expect(world.stdout).toMatch(/refuse +drift-clock +3 h +at least 72 h/);
  expect(world.stdout).toContain('next: npx crossfade start reconcile');
});

test.each([
  ['passed', 0],
  ['differences', 4],
  ['halted', 1],
] as const)('a run that ends as %s exits %i', async (outcome, expected) => {
  const world = createWorld();
  endSoon(world, (arn) => world.workflow.succeed(arn, anOutput({ machine: 'reconcile', outcome })));

  const exit = await world.run('reconcile', '--wait');

  expect(exit).toBe(expected);
});

test('a run that fails exits 1 with what Step Functions says', async () => {
  const world = createWorld();
  endSoon(world, (arn) => world.workflow.fail(arn, 'SqlError: the secret of legacy is wrong'));

  const exit = await world.run('start', 'backfill', '--wait');

  expect(exit).toBe(1);
  expect(world.stdout).toContain('SqlError: the secret of legacy is wrong');
  expect(world.stdout).toContain('next: npx crossfade start backfill');
});

test('stops waiting with 5 when the run asks for an approval, and names the command', async () => {
  const world = createWorld();
  const operator = world.operator.workflow;
  const start = operator.start.bind(operator);
  operator.start = async (machine, input) => {
    const execution = await start(machine, input);
    await world.documents.put('approval', '7f3a90c1', anApproval({ execution: execution.arn }), 'absent');
    return execution;
  };

  const exit = await world.run('start', 'switchover', '--wait');

  expect(exit).toBe(5);
  expect(world.stdout.replaceAll('\n', ' ')).toContain('Go on with switchover for acme?');
  expect(world.stdout).toContain('next: npx crossfade approve 7f3a90c1 --comment "<why>"');
  expect(world.stdout).not.toContain('secret-token');
});

test('stops waiting with 5 while the migration is paused', async () => {
  const world = createWorld();
  await world.run('pause', '--reason', 'deployment');

  const exit = await world.run('start', 'backfill', '--wait');

  expect(exit).toBe(5);
  expect(world.stdout).toContain('deployment');
  expect(world.stdout).toContain('next: npx crossfade resume');
});

test('rolls back the machine that is named, and asks first where somebody can answer', async () => {
  const world = createWorld({ answers: ['n', 'y'] });

  const declined = await world.run('rollback', 'cutover', '--tenant', 'acme');
  const accepted = await world.run('rollback', 'cutover', '--tenant', 'acme');

  expect(declined).toBe(3);
  expect(accepted).toBe(0);
  expect(world.workflow.started).toHaveLength(1);
  expect(world.workflow.started[0]).toMatchObject({ machine: 'rollback', input: { from: 'cutover', scope: ['acme'] } });
});

test('rolls the schema back for everybody or for nobody', async () => {
  const world = createWorld();

  const dry = await world.run('rollback', 'schema', '--dry-run');
  const unknown = await world.run('start', 'schema');
  const ofARegion = await world.run('rollback', 'schema', '--region', 'eu', '--yes');
  const ofOne = await world.run('rollback', 'schema', '--tenant', 'acme', '--yes');

  expect([dry, unknown, ofARegion, ofOne]).toEqual([0, 2, 2, 2]);
  expect(world.stderr).toContain('the schema serves every tenant');
  expect(world.workflow.started.map(({ machine, input }) => [machine, input.from, input.dryRun])).toEqual([
    ['rollback', 'schema', true],
  ]);
});

test('shows one run with its steps, by its name or by its ARN', async () => {
  const world = createWorld();
  const { arn } = await world.workflow.start('baseline', { plan: 'shop' });
  world.workflow.succeed(
    arn,
    anOutput({ machine: 'baseline', outcome: 'passed', next: 'npx crossfade start dual-write --plan shop' }),
  );
  const id = executionName(arn);
  const steps = [{ step: 'compare-schemas', at: '2026-01-05T12:00:01.000Z', notes: ['6 tables compared'] }];
  await world.documents.put(
    'run',
    runDocumentId('baseline', id),
    aRun({ execution: arn, machine: 'baseline', steps }),
    'absent',
  );

  const byName = await world.run('runs', id);
  const text = world.stdout;
  const byArn = await world.run('runs', arn);

  expect([byName, byArn]).toEqual([0, 0]);
  expect(text).toMatch(/12:00:01Z +compare-schemas +6 tables compared/);
  expect(text).toContain('next: npx crossfade start dual-write\n');
});

test('says that a run is not known, and where the known ones are', async () => {
  const world = createWorld();

  const exit = await world.run('runs', 'nothing');

  expect(exit).toBe(2);
  expect(world.stderr).toContain('no run nothing of plan shop\nnext: npx crossfade runs');
});

/** Ends the run when its first two looks have been had: a step with a note, then the same step again. */
function endSoon(world: ReturnType<typeof createWorld>, end: (arn: string) => void): void {
  const { workflow } = world;
  const describe = workflow.describe.bind(workflow);
  let looks = 0;
  workflow.describe = async (arn) => {
    looks += 1;
    const execution = await describe(arn);
    const id = runDocumentId(execution.machine, execution.name);
    const steps = [{ step: 'check-parity', at: '2026-01-05T12:00:02.000Z', notes: ['compared 10 reads'] }];
    if (looks === 1)
      await world.documents.put('run', id, aRun({ execution: arn, machine: execution.machine, steps }), 'any');
    if (looks === 3) end(arn);
    return describe(arn);
  };
}

test.each([
  [
    ['rollback', 'reconcile', '--tenant', 'acme', '--table=orders', '--dry-run'],
    'rolled-back',
    'rollback reconcile --tenant acme --table orders',
  ],
  [
    ['rollback', 'dual-write', '--tenant', 'acme', '--dry-run'],
    'refused',
    'rollback dual-write --tenant acme --dry-run',
  ],
  [['rollback', 'dual-write', '--tenant', 'acme'], 'refused', 'rollback dual-write --tenant acme'],
  [['start', 'backfill', '--region=eu-central', '--dry-run'], 'passed', 'start backfill --region eu-central'],
  [
    ['reconcile', '--table=orders', '--mode=exact', '--window=90m', '--limit=10', '--dry-run'],
    'differences',
    'reconcile --table orders --mode exact --window 90m --limit 10',
  ],
  [
    ['reconcile', '--table=orders', '--key=[[1],["a b"]]', '--repair', '--dry-run'],
    'differences',
    `reconcile --table orders --key '[[1], ["a b"]]' --repair`,
  ],
] as const)('after %j that ended as %s comes the same, of the same tenants and rows', async (args, outcome, next) => {
  const world = createWorld();
  const { start } = world.workflow;
  world.workflow.start = async (machine, input) => {
    const execution = await start.call(world.workflow, machine, input);
    const { dryRun } = input;
    world.workflow.succeed(execution.arn, anOutput({ machine, outcome, dryRun: dryRun === true }));
    return execution;
  };

  await world.run(...args, '--wait', '--yes');

  expect(world.stdout).toContain(`next: npx crossfade ${next}\n`);
});
