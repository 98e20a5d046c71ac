import { expect, test } from 'vitest';
import { isSamePerson } from '../../lib/application/operate/same-person.ts';
import { anApproval } from './support/records.ts';
import { ALICE, BOB, createWorld, type WorldOptions } from './support/world.ts';

async function worldWithApproval(options: WorldOptions = {}, given: Parameters<typeof anApproval>[0] = {}) {
  const world = createWorld(options);
  await world.documents.put('approval', '7f3a90c1', anApproval(given), 'absent');
  world.workflow.openTask('secret-token');
  return world;
}

test('another person approves: the decision is recorded, then the machine hears it', async () => {
  const world = await worldWithApproval({ environment: 'prod' });
  world.identity = BOB;

  const exit = await world.run('approve', '7f3a90c1', '--comment', 'CHG-1, evidence read');

  expect(exit).toBe(0);
  expect((await world.documents.get('approval', '7f3a90c1'))?.value.decision).toEqual({
    approved: true,
    by: BOB,
    at: '2026-01-05T12:00:00.000Z',
    comment: 'CHG-1, evidence read',
  });
  expect(world.workflow.answers.get('secret-token')).toEqual({
    succeeded: true,
    output: { approved: true, by: BOB, comment: 'CHG-1, evidence read' },
  });
  expect(world.stdout).toContain('next: npx crossfade runs run-9 --wait');
});

test('the requester may not decide in prod, and nothing is recorded', async () => {
  const world = await worldWithApproval({ environment: 'prod' });

  const exit = await world.run('approve', '7f3a90c1', '--comment', 'mine');

  expect(exit).toBe(3);
  expect(world.stderr).toContain('somebody else decides');
  expect((await world.documents.get('approval', '7f3a90c1'))?.value.decision).toBeUndefined();
  expect(world.workflow.answers.size).toBe(0);
});

test('the requester may decide in dev, and it is said', async () => {
  const world = await worldWithApproval();

  const exit = await world.run('approve', '7f3a90c1', '--comment', 'rehearsal');

  expect(exit).toBe(0);
  expect(world.stdout).toContain('you requested this yourself; the dev plan allows that');
});

test('a decision stands: a second, other one is refused', async () => {
  const world = await worldWithApproval({ environment: 'prod' });
  world.identity = BOB;
  await world.run('approve', '7f3a90c1', '--reject', '--comment', 'too early');

  const exit = await world.run('approve', '7f3a90c1', '--comment', 'after all');

  expect(exit).toBe(3);
  expect(world.stderr).toContain(`was rejected by ${BOB}`);
});

test('the same decision again is told to the machine again: a crash between record and answer is mended', async () => {
  const decision = { approved: true, by: BOB, at: '2026-01-05T11:59:00.000Z', comment: 'CHG-1' };
  const world = await worldWithApproval({ environment: 'prod' }, { decision });
  world.identity = BOB;

  const { exit, payload } = await world.json<{ repeated: boolean }>('approve', '7f3a90c1', '--comment', 'CHG-1 again');

  expect(exit).toBe(0);
  expect(payload.repeated).toBe(true);
  expect(world.workflow.answers.get('secret-token')).toMatchObject({ output: { comment: 'CHG-1' } });
});

test('a machine that did not take the decision is named, with the decision on record', async () => {
  const world = createWorld({ environment: 'prod' });
  await world.documents.put('approval', '7f3a90c1', anApproval(), 'absent');
  world.identity = BOB;

  const exit = await world.run('approve', '7f3a90c1', '--comment', 'CHG-1');

  expect(exit).toBe(1);
  expect(world.stderr).toContain('the decision is recorded, but run run-9 did not take it');
});

test('a lapsed approval is refused', async () => {
  const world = await worldWithApproval({}, { expiresAt: '2026-01-05T11:00:00.000Z' });

  const exit = await world.run('approve', '7f3a90c1', '--comment', 'late');

  expect(exit).toBe(3);
  expect(world.stderr).toContain('lapsed at 2026-01-05T11:00:00.000Z');
});

test('lists what waits, never with the task token', async () => {
  const world = await worldWithApproval();

  const { payload } = await world.json('approvals', '--all');
  await world.run('approvals');

  expect(JSON.stringify(payload)).not.toContain('secret-token');
  expect(world.stdout).toMatch(
    /7f3a90c1\n +state +waiting\n +machine +switchover\n +question +Go on with switchover for acme\?/,
  );
});

test('needs a comment', async () => {
  const world = await worldWithApproval();

  const exit = await world.run('approve', '7f3a90c1');

  expect(exit).toBe(2);
  expect(world.stderr).toContain('--comment');
  expect(world.stderr).toContain('next: npx crossfade approve --help');
});

test.each([
  [ALICE, 'arn:aws:sts::123456789012:assumed-role/Admin/alice@example.org', true],
  [ALICE, BOB, false],
  ['arn:aws:iam::123456789012:root', 'arn:aws:iam::123456789012:root', true],
])('%s and %s are one person: %s', (left, right, expected) => {
  expect(isSamePerson(left, right)).toBe(expected);
});
