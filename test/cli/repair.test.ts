import { expect, test } from 'vitest';
import type { RepairPayload, RepairsPayload } from '../../lib/application/operate/repairs.ts';
import { UNDO_PREFIX, type UndoPayload, type UndoState } from '../../lib/application/operate/undo.ts';
import type { RepairDocument } from '../../lib/contracts/documents.ts';
import { type RepairArtefact, type RepairSummary, repairKey } from '../../lib/contracts/repair.ts';
import { fingerprint } from '../../lib/domain/fingerprint.ts';
import { ALICE, createWorld, type TestWorld } from './support/world.ts';

const SUMMARY: RepairSummary = {
  id: '1f3c9a07',
  cycle: '2026-01-05T12:00:00.000Z',
  direction: 'forward',
  madeBy: ALICE,
  madeAt: '2026-01-05T12:01:00.000Z',
  planHash: 'plan',
  rows: 2,
  cap: 1,
  tables: { orders: { insert: 0, update: 1, delete: 1 } },
  tenants: { acme: 2 },
  decisions: [{ table: 'orders', column: 'note', winner: 'legacy', reason: 'timestamps-collide', rows: 1 }],
  leftOut: { converged: 0, 'in-flight': 3, 'not-compared': 0, beyond: 0 },
};
const COLUMN = {
  column: 'note',
  before: 'aaaaaaaabbbb',
  after: 'ccccccccdddd',
  winner: 'legacy',
  reason: 'timestamps-collide',
} as const;
const ARTEFACT: RepairArtefact = {
  ...SUMMARY,
  comparison: null,
  planned: [
    {
      table: 'orders',
      rowKey: '[5]',
      tenant: 'acme',
      kind: 'different',
      action: 'update',
      before: 'x',
      after: 'y',
      columns: [COLUMN],
    },
    {
      table: 'orders',
      rowKey: '[9]',
      tenant: 'acme',
      kind: 'extra',
      action: 'delete',
      before: 'z',
      after: null,
      columns: [],
    },
  ],
};

const PLANNED: RepairDocument = {
  ...SUMMARY,
  state: 'planned',
  hash: fingerprint(JSON.stringify(ARTEFACT)),
  expiresAt: '2099-01-01T00:00:00.000Z',
  execution: 'arn:aws:states:us-east-1:123456789012:execution:crossfade-shop-reconcile:run-1',
};

async function withRepair(world: TestWorld, overrides: Partial<RepairDocument> = {}, body = JSON.stringify(ARTEFACT)) {
  const document = { ...PLANNED, ...overrides };
  await world.documents.put('repair', SUMMARY.id, document, 'any');
  await world.operator.objects.put(repairKey(SUMMARY.id), body);
}

test('lists the repairs that are open, and the others with --all', async () => {
  const world = createWorld();
  await withRepair(world, { state: 'done' });

  expect((await world.json<RepairsPayload>('repair', 'list')).payload.repairs).toEqual([]);
  const { payload } = await world.json<RepairsPayload>('repair', 'list', '--all');

  expect(payload.repairs).toMatchObject([{ id: '1f3c9a07', state: 'done', rows: 2 }]);
});

test('a plan that nobody ran in time is shown as expired', async () => {
  const world = createWorld();
  await withRepair(world, { expiresAt: '2000-01-01T00:00:00.000Z' });

  const { payload } = await world.json<RepairsPayload>('repair', 'list', '--all');

  expect(payload.repairs[0]?.state).toBe('expired');
});

test('shows rows, columns with their digests, who wins and why, and what was left out', async () => {
  const world = createWorld();
  await withRepair(world);

  const exit = await world.run('repair', 'show', '1f3c9a07');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/orders \[5\] +acme +update +note aaaaaaaa→cccccccc/);
  expect(world.stdout).toMatch(/orders\.note +legacy +1 +both say that they were updated at one time/);
  expect(world.stdout).toContain('3 in flight');
  expect(world.stdout).toContain('the cap is 1: a person decides');
});

test('shows as many rows as were asked for, and says how many more there are', async () => {
  const world = createWorld();
  await withRepair(world);

  const { payload } = await world.json<RepairPayload>('repair', 'show', '1f3c9a07', '--limit', '1');

  expect(payload.planned.map(({ rowKey }) => rowKey)).toEqual(['[5]']);
  expect(payload.more).toBe(1);
});

test('exits 3 when the plan is not the one that was recorded, and 2 for a repair that there is not', async () => {
  const world = createWorld();
  await withRepair(world, {}, JSON.stringify({ ...ARTEFACT, planned: [] }));

  expect(await world.run('repair', 'show', '1f3c9a07')).toBe(3);
  expect(world.stderr).toContain('was changed since it was made');
  expect(await world.run('repair', 'show', 'nobody')).toBe(2);
});

test('plans by starting the reconcile machine with what is to be planned', async () => {
  const world = createWorld();

  const exit = await world.run('repair', 'plan', '--table', 'orders', '--tenant', 'acme', '--no-wait');

  expect(exit).toBe(0);
  expect(world.workflow.started.at(-1)?.input).toMatchObject({
    tables: ['orders'],
    repairJob: { do: 'plan', cycle: null, tenants: ['acme'] },
  });
});

test('runs a plan after asking, and nothing when the answer is no', async () => {
  const world = createWorld({ answers: ['no', 'yes'] });
  await withRepair(world);

  await world.run('repair', 'run', '1f3c9a07', '--no-wait');
  expect(world.workflow.started).toEqual([]);
  await world.run('repair', 'run', '1f3c9a07', '--no-wait');

  expect(world.workflow.started.at(-1)?.input).toMatchObject({ repairJob: { do: 'run', repair: '1f3c9a07' } });
});

test('undoes through the relay, and exits 4 when rows were left', async () => {
  const world = createWorld();
  await withRepair(world, { state: 'done' });
  const { sleep } = world.clock;
  const answer: UndoState['answer'] = {
    rows: [{ table: 'orders', rowKey: '[5]', tenant: 'acme', outcome: 'left', detail: 'it was written again since' }],
    truncated: false,
  };
  world.operator.clock.sleep = async (ms, signal) => {
    await sleep(ms, signal);
    const [request] = await world.documents.list('progress', { from: UNDO_PREFIX, to: 'undo0' });
    if (request === undefined) return;
    expect(request.value.state.query).toEqual({ correlationId: 'repair-1f3c9a07', repair: '1f3c9a07', dryRun: true });
    await world.documents.put(
      'progress',
      request.id,
      { ...request.value, state: { ...request.value.state, answer } },
      'any',
    );
  };

  const { exit, payload } = await world.json<UndoPayload>('repair', 'undo', '1f3c9a07', '--dry-run');

  expect(exit).toBe(4);
  expect(payload.rows[0]?.detail).toBe('it was written again since');
});

test('shows values only with the plan file and a way to the stores', async () => {
  const world = createWorld();
  await withRepair(world);

  const exit = await world.run('repair', 'show', '1f3c9a07', '--show-values');

  expect(exit).toBe(2);
  expect(world.stderr).toContain('--show-values reads from this machine and needs the plan file');
});

test('fits into 80 columns with keys whole, however long they are', async () => {
  const world = createWorld();
  const [first] = ARTEFACT.planned;
  if (first === undefined) throw new Error('the plan has no row');
  const rowKey = '["1b645389-2473-a467-d073-72d45eb05abc"]';
  const columns = ['note', 'amount', 'delivery_address'].map((column) => ({ ...COLUMN, column }));
  const wide = { ...ARTEFACT, planned: [{ ...first, table: 'customer_addresses', rowKey, columns }] };
  await withRepair(world, { hash: fingerprint(JSON.stringify(wide)) }, JSON.stringify(wide));

  await world.run('repair', 'list');
  const listed = world.stdout;
  await world.run('repair', 'show', '1f3c9a07');

  for (const line of `${listed}${world.stdout}`.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(listed).toContain('assumed-role/Operator/alice@example.org');
  expect(world.stdout).toContain(`customer_addresses ${rowKey}`);
  expect(world.stdout.replaceAll(/\n +/g, ' ')).toContain('delivery_address aaaaaaaa→cccccccc');
});

test('what was undone is counted as people count', async () => {
  const world = createWorld();
  const undone = { rows: 1, left: 0, by: ALICE, at: '2026-01-05T12:05:00.000Z', why: 'wrong mapping' };
  await withRepair(world, { state: 'undone', undone });

  await world.run('repair', 'show', '1f3c9a07');

  expect(world.stdout.replaceAll(/\n +/g, ' ')).toContain('1 row, 0 left, by assumed-role/Operator/alice@example.org');
});

/** Executions end at once, with this outcome. */
function endWith(world: TestWorld, outcome: 'differences' | 'passed'): void {
  const { start } = world.workflow;
  world.workflow.start = async (machine, input) => {
    const execution = await start.call(world.workflow, machine, input);
    const dryRun = input.dryRun === true;
    world.workflow.succeed(execution.arn, { machine, outcome, dryRun, gates: [], notes: [], reasons: [], next: '' });
    await world.documents.put('repair', '77777777', { ...PLANNED, id: '77777777', execution: execution.arn }, 'any');
    return execution;
  };
}

test('behind a plan comes the look at it', async () => {
  const world = createWorld();
  endWith(world, 'differences');

  await world.run('repair', 'plan', '--wait');

  expect(world.stdout).toContain('next: npx crossfade repair show 77777777');
});

test('behind the dry run of a repair comes the run', async () => {
  const world = createWorld();
  endWith(world, 'passed');
  await withRepair(world);

  await world.run('repair', 'run', '1f3c9a07', '--dry-run', '--wait');

  expect(world.stdout).toContain('next: npx crossfade repair run 1f3c9a07\n');
});
