import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { recordPlan } from '../../lib/application/operate/deployed-plan.ts';
import type { DoctorPayload } from '../../lib/application/operate/doctor.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import { aCycle, aMachine, aTenant, NOON } from './support/records.ts';
import { createWorld } from './support/world.ts';

const resultOf = ({ checks }: DoctorPayload, name: string) => checks.find(({ check }) => check === name);

test('a fresh deployment is healthy', async () => {
  const world = createWorld();

  const { exit, payload } = await world.json<DoctorPayload>('doctor');

  expect(payload.checks.filter(({ result }) => result === 'failed')).toEqual([]);
  expect(exit).toBe(0);
  expect(resultOf(payload, 'machines')?.says).toBe('8 state machines answer');
});

test('nothing deployed fails on its stacks alone, and names what is deployed', async () => {
  const world = createWorld({ system: 'missing' });

  const { exit, payload } = await world.json<DoctorPayload>('doctor', '--plan', 'other');

  expect(exit).toBe(1);
  expect(resultOf(payload, 'stacks')).toMatchObject({
    result: 'failed',
    says: 'nothing is deployed for plan other; deployed here: none',
  });
  expect(resultOf(payload, 'control table')).toBeUndefined();
});

test('a run that holds its machine and has ended is stuck', async () => {
  const world = createWorld();
  const { arn } = await world.workflow.start('backfill', { plan: 'shop' });
  const current = { execution: arn, startedAt: NOON, scope: ['acme'], dryRun: false };
  await world.documents.put('machine', 'backfill', aMachine({ current }), 'absent');

  const running = await world.json<DoctorPayload>('doctor');
  await world.workflow.stop(arn, 'stopped in the console');
  const stuck = await world.json<DoctorPayload>('doctor');

  expect(resultOf(running.payload, 'stuck runs')).toMatchObject({ result: 'ok', says: 'backfill runs run-1' });
  expect(stuck.exit).toBe(1);
  expect(resultOf(stuck.payload, 'stuck runs')).toMatchObject({
    result: 'failed',
    says: 'backfill is held by run-1, which is aborted',
    next: 'start backfill',
  });
});

test('a relay that has been silent for three minutes fails while tenants are exposed', async () => {
  const world = createWorld();
  await world.documents.put('progress', 'relay/forward', { work: 'relay/forward', state: {}, at: NOON }, 'absent');
  await world.clock.advance(181_000);

  const idle = await world.json<DoctorPayload>('doctor');
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme', copied: false }), 'absent');
  const exposed = await world.json<DoctorPayload>('doctor');

  expect(resultOf(idle.payload, 'relay')?.result).toBe('skipped');
  expect(resultOf(exposed.payload, 'relay')).toMatchObject({
    result: 'failed',
    says: expect.stringContaining('3m 1s ago'),
  });
});

test('parked events and dead letters fail and lead to redrive', async () => {
  const world = createWorld();
  await world.documents.put(
    'progress',
    'relay/forward',
    { work: 'relay/forward', state: { parked: 2, dead: 0 }, at: NOON },
    'absent',
  );
  await world.queues.send('forward', [{ direction: 'forward', seq: '1', correlationId: null, reason: 'x' }], 0);
  world.queues.receive('forward')?.bury();

  const { exit, payload } = await world.json<DoctorPayload>('doctor');

  expect(exit).toBe(1);
  expect(resultOf(payload, 'set aside')?.says).toBe('relay/forward: 2 parked');
  expect(resultOf(payload, 'queues')?.result).toBe('failed');
  expect(payload.next).toBe('npx crossfade redrive --dry-run');
});

test('silent reconciliation fails once tenants are copied', async () => {
  const world = createWorld();
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  await world.documents.put(
    'progress',
    'relay/forward',
    { work: 'relay/forward', state: {}, at: '2026-01-05T15:00:00.000Z' },
    'absent',
  );
  await world.documents.put('cycle', NOON, aCycle(), 'absent');
  await world.clock.advance(3 * 3_600_000);

  const { payload } = await world.json<DoctorPayload>('doctor');

  expect(resultOf(payload, 'reconciliation')).toMatchObject({
    result: 'failed',
    says: expect.stringContaining('more than two cycles ago'),
  });
});

test('a plan that compares by count is warned of, since it runs no drift clock', async () => {
  const world = createWorld();
  const smallest = await readFile('test/fixtures/plans/smallest.yaml', 'utf8');
  const text = smallest.replace('reconcile: { ', 'reconcile: { mode: count, ');
  await recordPlan(world.documents, loadPlan(text, 'shop.yaml'), 'hash', world.clock.now());

  const doctor = await world.json<DoctorPayload>('doctor');
  await world.run('drift', 'status');

  expect(resultOf(doctor.payload, 'reconciliation')).toMatchObject({
    result: 'warning',
    says: expect.stringContaining('count, which runs no drift clock'),
  });
  expect(world.stdout).toContain('the plan compares by count, which runs no clock');
});

test('a file that is not what is deployed fails', async () => {
  const world = createWorld();

  const { exit, payload } = await world.json<DoctorPayload>('doctor', '--file', 'test/fixtures/plans/smallest.yaml');

  expect(exit).toBe(1);
  expect(resultOf(payload, 'plan')).toMatchObject({
    result: 'failed',
    says: expect.stringContaining('the machines follow the deployed plan'),
  });
  expect(payload.next).toBe('npm run cdk -- diff');
});

test('says why the stacks are protected', async () => {
  const world = createWorld({ terminationProtection: true });
  await world.documents.put('machine', 'baseline', aMachine({ openedAt: NOON, passed: { acme: NOON } }), 'absent');

  const { payload } = await world.json<DoctorPayload>('doctor');

  expect(resultOf(payload, 'termination protection')).toMatchObject({
    result: 'ok',
    says: expect.stringContaining(`a migration is under way since ${NOON}`),
  });
});

test('no schedule fails: nothing would relay', async () => {
  const world = createWorld({ resources: [] });

  const { payload } = await world.json<DoctorPayload>('doctor');

  expect(resultOf(payload, 'schedules')?.result).toBe('failed');
});

test('a check that throws has failed with its message, and the others still answer', async () => {
  const world = createWorld();
  world.queues.depth = async () => {
    throw new Error('AccessDenied: sqs:GetQueueAttributes');
  };

  const { exit, payload } = await world.json<DoctorPayload>('doctor');

  expect(exit).toBe(1);
  expect(resultOf(payload, 'queues')).toMatchObject({ result: 'failed', says: 'AccessDenied: sqs:GetQueueAttributes' });
  expect(resultOf(payload, 'flags')?.result).toBe('ok');
});

test('stacks that are not protected while a migration is under way are a warning', async () => {
  const world = createWorld();
  await world.documents.put('machine', 'baseline', aMachine({ openedAt: NOON, passed: { acme: NOON } }), 'absent');

  const { exit, payload } = await world.json<DoctorPayload>('doctor');

  expect(exit).toBe(0);
  expect(resultOf(payload, 'termination protection')).toMatchObject({
    result: 'warning',
    says: expect.stringContaining('off, and should be on'),
  });
});

test('a schema that is gone from one store alone is a fault, and the next command completes it', async () => {
  const world = createWorld();
  const state = { execution: 'somebody', objects: { legacy: [], target: ['schema crossfade'] }, takenBack: true };
  const removal = { work: 'schema-removal', at: NOON };
  await world.documents.put('progress', 'schema-removal', { ...removal, state: { ...state, begun: false } }, 'any');
  const listed = await world.json<DoctorPayload>('doctor');
  await world.documents.put('progress', 'schema-removal', { ...removal, state: { ...state, begun: true } }, 'any');

  const half = await world.json<DoctorPayload>('doctor');

  expect(listed.exit).toBe(0);
  expect(half.exit).toBe(1);
  expect(half.payload.next).toContain('rollback schema');
});
