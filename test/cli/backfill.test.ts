import { expect, test } from 'vitest';
import { BACKFILL_CONTROL, BACKFILL_PACE, type BackfillPace } from '../../lib/application/backfill/control.ts';
import { PROGRESS_PREFIX, type TableProgress } from '../../lib/application/backfill/progress.ts';
import type { BackfillStatusPayload } from '../../lib/application/operate/backfill.ts';
import { recordPlan } from '../../lib/application/operate/deployed-plan.ts';
import { FULL_RATE } from '../../lib/domain/throttle.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import { planText } from '../support/memory-deps.ts';
import { NOON } from './support/records.ts';
import { ALICE, createWorld, type TestWorld } from './support/world.ts';

const TABLE: TableProgress = {
  table: 'orders',
  subject: 's',
  total: 1_000_000,
  estimated: true,
  after: '[250000]',
  rows: 250_000,
  batches: 250,
  unwritten: 7,
  done: false,
  sweptAfter: null,
  swept: false,
  removed: 0,
  failed: [],
  failures: 0,
  startedAt: '2026-01-05T11:59:50.000Z',
};
const PACE: BackfillPace = {
  at: NOON,
  rate: { batchesPerSecond: 50, batchRows: 1000 },
  throttle: FULL_RATE,
  rowsPerSecond: 30_000,
  batchesPerSecond: 30,
  statementMs: 41.4,
  stop: null,
  opensAt: null,
  lastMs: null,
};

async function worldThatCopies(
  { table = {}, pace = {} }: { table?: Partial<TableProgress>; pace?: Partial<BackfillPace> } = {},
  world: TestWorld = createWorld(),
): Promise<TestWorld> {
  const put = (id: string, state: object) =>
    world.documents.put('progress', id, { work: id, state: { ...state }, at: NOON }, 'any');
  await put(`${PROGRESS_PREFIX}orders`, { ...TABLE, ...table });
  await put(BACKFILL_PACE, { ...PACE, ...pace });
  const current = {
    execution: 'arn:aws:states:x:1:execution:backfill:run-7',
    startedAt: NOON,
    scope: [],
    dryRun: false,
  };
  await world.documents.put('machine', 'backfill', { current, passed: {} }, 'any');
  return world;
}

test('says how far it is, how fast, when it ends between which times, and every number with its unit', async () => {
  const world = await worldThatCopies();

  const exit = await world.run('backfill', 'status');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/copy +running, run run-7/);
  expect(world.stdout).toMatch(/rows +250000 of about 1000000/);
  expect(world.stdout).toMatch(/rate now +30000 rows a second, 30 batches a second/);
  expect(world.stdout).toMatch(
    /limit +50 batches a second × 1000 rows\n += at most 50000 rows a second, from the guide/,
  );
  expect(world.stdout).toMatch(/held back +by nothing but its limit/);
  // 750 000 rows and a sweep of a million keys at 30 000 and at 25 000 a second, a half added because the total is an estimate.
  expect(world.stdout).toMatch(/ends +between 2026-01-05 12:00:58Z and 2026-01-05 12:01:45Z/);
  expect(world.stdout).toMatch(/orders +copying +250000 +~1000000 +7 +0 +0/);
});

test('says when its last sweep ends', async () => {
  const swept = { done: true, rows: 1_000_000, sweptAfter: '[700000]', sweptKeys: 700_000, estimated: false };
  const world = await worldThatCopies({ table: swept, pace: { rowsPerSecond: 0 } });

  const { payload } = await world.json<BackfillStatusPayload>('backfill', 'status');

  // 300 000 keys at 30 000 a second, and at 170 000.
  expect(payload.ends).toEqual({ from: '2026-01-05T12:00:01.764Z', to: '2026-01-05T12:00:12.500Z' });
});

test('says no end once more rows were copied than were estimated', async () => {
  const world = await worldThatCopies({ table: { rows: 1_000_001 } });

  const { payload } = await world.json<BackfillStatusPayload>('backfill', 'status');

  expect(payload).toMatchObject({ state: 'running', rows: 1_000_001, total: 1_000_000, estimated: true, ends: null });
});

test('says what the target holds it back for and since when', async () => {
  const throttle = {
    level: 2,
    calm: 0,
    since: '2026-01-05T11:58:00.000Z',
    reasons: ['replicas lag by 12000 ms, limit 10000'],
  };
  const world = await worldThatCopies({ pace: { throttle } });

  const { payload } = await world.json<BackfillStatusPayload>('backfill', 'status');
  await world.run('backfill', 'status');

  expect(payload.holdsBack).toEqual({
    why: 'at 1/4 of the rate since 2026-01-05T11:58:00.000Z: replicas lag by 12000 ms, limit 10000',
    since: '2026-01-05T11:58:00.000Z',
  });
  expect(payload.limit.factor).toBe(0.25);
  expect(world.stdout).toContain('the target leaves 25 % of it');
});

test('says when the window opens', async () => {
  const world = await worldThatCopies({ pace: { stop: 'window', opensAt: '2026-01-05T22:00:00.000Z' } });

  await world.run('backfill', 'status');

  expect(world.stdout).toMatch(/copy +waiting/);
  expect(world.stdout).toMatch(/window opens +2026-01-05 22:00:00Z/);
});

test('names rows that could not be written, and exits 4', async () => {
  const failed = [
    {
      rowKey: '[6]',
      reason:
        "people_mail: legacy holds two rows that the receiver's unique constraint does not allow together; the other is [5]",
    },
  ];
  const world = await worldThatCopies({ table: { failed, failures: 1 } });

  const exit = await world.run('backfill', 'status');

  expect(exit).toBe(4);
  expect(world.stdout).toContain('1 row could not be written');
  expect(world.stdout).toContain('- orders [6]: people_mail');
});

test('nothing is copied yet: says so and how to begin', async () => {
  const world = createWorld();

  const { exit, payload } = await world.json<BackfillStatusPayload>('backfill', 'status');

  expect(exit).toBe(0);
  expect(payload).toMatchObject({ state: 'not begun', tables: [], next: 'npx crossfade start backfill' });
  await world.run('backfill', 'status');
  expect(world.stdout).not.toMatch(/held back|rows +0/);
});

test('tune is recorded with who, when and why, and reset takes it back', async () => {
  const world = await worldThatCopies();

  const exit = await world.run(
    'backfill',
    'tune',
    '--batches-per-second',
    '20',
    '--batch-rows',
    '500',
    '--reason',
    'busy',
  );
  const tuned = await world.documents.get('progress', BACKFILL_CONTROL);
  expect(exit).toBe(0);
  expect(tuned?.value.state).toEqual({
    tuned: { by: ALICE, at: NOON, why: 'busy', batchesPerSecond: 20, batchRows: 500 },
  });
  expect(world.stdout).toMatch(
    /20 batches a second × 500 rows\n += at most 10000 rows a second\ntuned +by .*alice.*: busy/,
  );

  await world.run('backfill', 'tune', '--reset');
  expect((await world.documents.get('progress', BACKFILL_CONTROL))?.value.state).toEqual({});
});

test('tuning above the guide is refused in prod and said in dev', async () => {
  const text = planText('tenants: none\ntables: { orders: {} }\n');
  const prod = { ...loadPlan(text, 'p.yaml'), environment: 'prod' as const };
  const guarded = createWorld({ environment: 'prod' });
  await recordPlan(guarded.documents, prod, 'hash', guarded.clock.now());
  const rehearsal = createWorld();
  await recordPlan(rehearsal.documents, loadPlan(text, 'p.yaml'), 'hash', rehearsal.clock.now());

  const refused = await guarded.run('backfill', 'tune', '--batches-per-second', '51');
  const allowed = await rehearsal.run('backfill', 'tune', '--batches-per-second', '51');

  expect(refused).toBe(3);
  expect(guarded.stderr).toContain('expected 1 to 50 (guide, phase 3)');
  expect(await guarded.documents.get('progress', BACKFILL_CONTROL)).toBeUndefined();
  expect(allowed).toBe(0);
  expect(rehearsal.stdout).toContain("batchesPerSecond 51 is above the guide's 50: for a rehearsal in dev");
});

test('tune without a number is wrong usage', async () => {
  const world = createWorld();

  expect(await world.run('backfill', 'tune')).toBe(2);
  expect(await world.run('backfill', 'tune', '--reset', '--batch-rows', '5')).toBe(2);
});

test('pause holds the copy alone and keeps what was tuned; the first who and why stay; resume lets it go on', async () => {
  const world = await worldThatCopies();
  await world.run('backfill', 'tune', '--batch-rows', '500');

  await world.run('backfill', 'pause', '--reason', 'nightly load');
  await world.run('backfill', 'pause', '--reason', 'another');
  const { payload } = await world.json<BackfillStatusPayload>('backfill', 'status');

  expect(payload).toMatchObject({
    state: 'paused',
    holdsBack: { why: `paused by ${ALICE}: nightly load`, since: NOON },
    next: 'npx crossfade backfill resume',
  });
  expect((await world.documents.get('control', 'control'))?.value.paused).toBeUndefined();
  await world.run('backfill', 'resume');
  expect((await world.documents.get('progress', BACKFILL_CONTROL))?.value.state).toMatchObject({
    tuned: { batchRows: 500 },
  });
  expect((await world.json<BackfillStatusPayload>('backfill', 'status')).payload.state).toBe('running');
});

test('a run that found every tenant copied is done, not stopped', async () => {
  const world = await worldThatCopies({ table: { rows: 0, after: null, total: 0 } });
  const last = { execution: 'e', outcome: 'passed' as const, endedAt: NOON, scope: [], reasons: [] };
  await world.documents.put('machine', 'backfill', { last, passed: { acme: NOON } }, 'any');

  await world.run('backfill', 'status');

  expect(world.stdout).toMatch(/copy +done\nrows +none were left to copy/);
});

test('who paused it is named by the last part of the ARN, and everything fits into 80 columns', async () => {
  const reason = 'people_mail: legacy holds two rows that the receiver does not allow together; the other is [5]';
  const world = await worldThatCopies({ table: { failed: [{ rowKey: '[6]', reason }], failures: 1 } });
  await world.run('backfill', 'pause', '--reason', 'the nightly load of the target needs all that it has');
  expect(world.stdout).toContain('the copy waits before its next batch, until backfill resume');

  await world.run('backfill', 'status');

  expect(world.stdout).toMatch(/held back +paused by assumed-role\/Operator\/alice@example\.org/);
  expect(world.stdout).not.toContain('arn:');
  for (const line of world.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
});
