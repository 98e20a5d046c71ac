import { expect, test } from 'vitest';
import { recordPlan } from '../../lib/application/operate/deployed-plan.ts';
import type { StatusPayload } from '../../lib/application/operate/status-payload.ts';
import { FORWARD_MACHINES } from '../../lib/domain/phase.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import { aCycle, aMachine, anApproval, aRun, aTenant, NOON } from './support/records.ts';
import { createWorld, type TestWorld } from './support/world.ts';

async function passUpTo(world: TestWorld, last: string) {
  const machines = FORWARD_MACHINES.slice(0, FORWARD_MACHINES.indexOf(last as (typeof FORWARD_MACHINES)[number]) + 1);
  for (const machine of machines) {
    await world.documents.put('machine', machine, aMachine({ passed: { acme: NOON }, openedAt: NOON }), 'any');
  }
}

test('an untouched system is at baseline, legacy is authoritative, and the first command is named', async () => {
  const world = createWorld();

  const exit = await world.run('status');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/phase +baseline/);
  expect(world.stdout).toMatch(/authority +legacy/);
  expect(world.stdout).toContain('next: npx crossfade start baseline');
});

test('the phase is that of the least advanced tenant', async () => {
  const world = createWorld();
  await passUpTo(world, 'backfill');
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  await world.documents.put('tenant', 'globex', aTenant({ tenant: 'globex', stage: 'off', on: false }), 'absent');

  const { payload } = await world.json<StatusPayload>('status');

  expect(payload.phase).toBe('baseline');
  expect(payload.next).toBe('npx crossfade start baseline');
});

test('a running machine is shown with its step and its last note, and following it comes next', async () => {
  const world = createWorld();
  const execution = 'arn:aws:states:eu-central-1:1:execution:crossfade-shop-baseline:run-1';
  const current = { execution, startedAt: NOON, scope: ['acme'], dryRun: false };
  await world.documents.put('machine', 'baseline', aMachine({ current, openedAt: NOON }), 'absent');
  const steps = [{ step: 'probe-writes', at: NOON, notes: ['2000 of 10000 writes probed'] }];
  await world.documents.put(
    'run',
    'baseline#run-1',
    aRun({ execution, machine: 'baseline', step: 'probe-writes', steps }),
    'absent',
  );
  await world.clock.advance(90_000);

  await world.run('status');

  expect(world.stdout).toMatch(/baseline +0 of 0 +- +probe-writes, since 1m 30s ago, acme, run-1/);
  expect(world.stdout).toContain('2000 of 10000 writes probed');
  expect(world.stdout).toContain('next: npx crossfade runs run-1 --wait');
});

test('halt, pause, held delivery and approvals explain the wait, the most urgent first', async () => {
  const world = createWorld();
  await world.documents.put('approval', '7f3a90c1', anApproval(), 'absent');

  const waiting = await world.json<StatusPayload>('status');
  await world.run('flags', 'stop-delivery', '--reason', 'target overloaded');
  const held = await world.json<StatusPayload>('status');
  await world.run('halt', '--reason', 'errors');
  const halted = await world.json<StatusPayload>('status');

  expect(waiting.payload.next).toBe('npx crossfade approve 7f3a90c1 --comment "<why>"');
  expect(held.payload).toMatchObject({
    next: 'npx crossfade flags resume-delivery',
    waitsFor: [expect.stringContaining('target overloaded')],
  });
  expect(halted.payload).toMatchObject({ next: 'npx crossfade resume', waitsFor: [expect.stringContaining('errors')] });
});

test('before cutover it waits for the drift clock, with the reasons of the gate', async () => {
  const world = createWorld();
  await passUpTo(world, 'reconcile');
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  await world.documents.put('cycle', NOON, aCycle(), 'absent');
  await world.clock.advance(3_600_000);

  const { payload } = await world.json<StatusPayload>('status');

  expect(payload.phase).toBe('cutover');
  expect(payload.waitsFor[0]).toMatch(/^the drift clock: .* of 72h/);
  expect(payload.next).toBe('npx crossfade drift status');
});

test('a refused machine is shown with its reasons and may be started again', async () => {
  const world = createWorld();
  const last = {
    execution: 'arn:x:run-1',
    outcome: 'refused' as const,
    endedAt: NOON,
    scope: ['acme'],
    reasons: ['schema-deltas: 2 is not equals 0'],
  };
  await world.documents.put('machine', 'baseline', aMachine({ last, openedAt: NOON }), 'absent');

  const { payload } = await world.json<StatusPayload>('status');

  expect(payload.waitsFor).toEqual([`baseline ended as refused at ${NOON}`, 'schema-deltas: 2 is not equals 0']);
  expect(payload.next).toBe('npx crossfade start baseline');
});

test("time in a phase is measured against the guide's window until the deployed plan is recorded, then against the plan's", async () => {
  const world = createWorld();
  await world.documents.put('machine', 'baseline', aMachine({ openedAt: NOON }), 'absent');
  await world.clock.advance(5 * 3_600_000);

  const before = await world.json<StatusPayload>('status');
  const text = await planText('windows: { baseline: { min: 0s, max: 2d } }');
  await recordPlan(world.documents, loadPlan(text, 'shop.yaml'), 'hash', world.clock.now());
  const after = await world.json<StatusPayload>('status');

  expect(before.payload.windows[0]).toMatchObject({ phase: 'baseline', usedMs: 18_000_000, state: 'past max' });
  expect(before.payload.waitsFor.at(-1)).toContain('past its compatibility window: 5h used, at most 4h');
  expect(after.payload.windows[0]?.state).toBe('inside');
  expect(after.payload.numbersFrom).toBe('plan');
});

test('lag, undelivered, parked and queue depth stand side by side', async () => {
  const world = createWorld();
  const state = { pending: 12, retry: 3, parked: 1, dead: 0, oldestMs: 1500 };
  await world.documents.put('progress', 'relay/forward', { work: 'relay/forward', state, at: NOON }, 'absent');
  await world.queues.send('forward', [{ direction: 'forward', seq: '1', correlationId: null, reason: 'timeout' }], 1);

  await world.run('status');

  expect(world.stdout).toMatch(/forward +1s +15 +1 +0 +0s ago +1\n +in flight 0; dead letters 0/);
  expect(world.stdout).toMatch(/reverse +- +- +- +- +never +0\n +in flight 0; dead letters 0/);
});

test('a queue that cannot be asked does not hide the rest', async () => {
  const world = createWorld();
  world.queues.depth = async () => {
    throw new Error('AccessDenied: sqs:GetQueueAttributes');
  };

  const exit = await world.run('status');

  expect(exit).toBe(0);
  expect(world.stdout).toContain('unknown: AccessDenied: sqs:GetQueueAttributes');
});

test('a complete migration says that its stacks may go', async () => {
  const world = createWorld({ terminationProtection: true });
  await passUpTo(world, 'decommission');
  // Shared rows pass no machine of their own.
  await world.documents.put('tenant', '*', aTenant({ tenant: '*', stage: 'complete' }), 'any');

  const { payload } = await world.json<StatusPayload>('status');

  expect(payload.phase).toBe('complete');
  expect(payload.protection).toMatchObject({ on: true, shouldBeOn: false });
});

async function planText(extra: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return `${await readFile('test/fixtures/plans/smallest.yaml', 'utf8')}\n${extra}\n`;
}
