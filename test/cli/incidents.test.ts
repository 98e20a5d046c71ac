import { expect, test } from 'vitest';
import type { IncidentsPayload } from '../../lib/application/operate/incidents.ts';
import type { RecoverPayload } from '../../lib/application/operate/recover.ts';
import type { StatusPayload } from '../../lib/application/operate/status-payload.ts';
import type { IncidentDocument } from '../../lib/contracts/documents.ts';
import { NOON } from './support/records.ts';
import { ALICE, createWorld } from './support/world.ts';

const FOREIGN: IncidentDocument = {
  kind: 'foreign-write',
  store: 'target',
  subject: 'postgres/hotfix.sh/10.0.0.7/orders',
  says: '2 rows of orders in target were written past the fence by role postgres, application hotfix.sh, from 10.0.0.7',
  count: 2,
  sample: ['U [7]', 'D [8]'],
  firstAt: NOON,
  lastAt: NOON,
};
const ID = 'target/foreign-write/postgres/hotfix.sh/10.0.0.7/orders';
const LOST: IncidentDocument = {
  ...FOREIGN,
  kind: 'history-lost',
  store: 'legacy',
  subject: 'forward',
  says: 'legacy was restored to an earlier state',
  sample: [],
};

test('nothing is open: exits 0', async () => {
  const world = createWorld();

  expect(await world.run('incidents', 'show')).toBe(0);
  expect(world.stdout).toContain('no incident is open');
});

test('an open incident names who, where and which rows, and exits 4', async () => {
  const world = createWorld();
  await world.documents.put('incident', ID, FOREIGN, 'absent');

  expect(await world.run('incidents', 'show')).toBe(4);

  expect(world.stdout.replaceAll(/\n +/g, ' ')).toContain('role postgres, application hotfix.sh, from 10.0.0.7');
  expect(world.stdout).toContain('U [7], D [8]');
  expect(world.stdout).toContain('next: npx crossfade reconcile --repair');
});

test('closing is a request with who, when and why; the incident stays open until it is carried out', async () => {
  const world = createWorld();
  await world.documents.put('incident', ID, FOREIGN, 'absent');

  expect(await world.run('incidents', 'close', ID, '--comment', 'a hotfix, known')).toBe(0);

  expect((await world.documents.get('incident', ID))?.value.closing).toMatchObject({
    by: ALICE,
    why: 'a hotfix, known',
  });
  const { payload } = await world.json<IncidentsPayload>('incidents', 'show');
  expect(payload.open).toBe(1);
});

test('an incident that is not there is wrong usage, one that is closed is refused, a lost history is recovered from', async () => {
  const world = createWorld();
  await world.documents.put(
    'incident',
    ID,
    { ...FOREIGN, closed: { by: 'repair', at: NOON, why: 'repaired' } },
    'absent',
  );
  await world.documents.put('incident', 'legacy/history-lost/forward', LOST, 'absent');

  expect(await world.run('incidents', 'close', 'nothing', '--comment', 'x')).toBe(2);
  expect(await world.run('incidents', 'close', ID, '--comment', 'x')).toBe(3);
  expect(await world.run('incidents', 'close', 'legacy/history-lost/forward', '--comment', 'x')).toBe(3);
});

test('recover is refused where no loss is known', async () => {
  const world = createWorld();

  expect(await world.run('recover', '--yes')).toBe(3);
  expect(await world.documents.get('progress', 'recover/forward')).toBeUndefined();
});

test('recover leaves a request, and one that is under way is left as it is', async () => {
  const world = createWorld();
  await world.documents.put('incident', 'legacy/history-lost/forward', LOST, 'absent');

  const { exit, payload } = await world.json<RecoverPayload>('recover', '--reason', 'restored', '--yes');
  const first = await world.documents.get('progress', 'recover/forward');
  await world.run('recover', '--yes');

  expect(exit).toBe(0);
  expect(payload).toMatchObject({
    direction: 'forward',
    carriedOutAt: null,
    says: ['legacy was restored to an earlier state'],
  });
  expect(first?.value.state).toMatchObject({ requestedBy: ALICE, why: 'restored', carriedOutAt: null });
  expect((await world.documents.get('progress', 'recover/forward'))?.version).toBe(first?.version);
});

test('a dry run of recover asks for nothing', async () => {
  const world = createWorld();
  await world.documents.put('incident', 'legacy/history-lost/forward', LOST, 'absent');

  expect(await world.run('recover', '--dry-run')).toBe(0);
  expect(await world.documents.get('progress', 'recover/forward')).toBeUndefined();
});

test('status says what is open', async () => {
  const world = createWorld();
  await world.documents.put('incident', ID, FOREIGN, 'absent');

  const { payload } = await world.json<StatusPayload>('status');

  expect(payload.openIncidents).toBe(1);
  expect(payload.waitsFor[0]).toContain('role postgres, application hotfix.sh');
});
