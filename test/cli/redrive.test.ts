import { expect, test } from 'vitest';
import { SILENT_LOG } from '../../lib/adapters/memory/log.ts';
import { carryOutRedrive, type RedriveDeps } from '../../lib/application/operate/carry-out-redrive.ts';
import type { RedrivePayload } from '../../lib/application/operate/redrive.ts';
import { anyDead } from '../../lib/sql/relay/any-dead.ts';
import { redriveEvents } from '../../lib/sql/relay/redrive-events.ts';
import type { Statement } from '../../lib/sql/statement.ts';
import { NOON } from './support/records.ts';
import { ALICE, createWorld } from './support/world.ts';

const GROUPS = [
  { tenant: 'globex', state: 'dead', table: 'orders', reason: 'lock timeout (1 try and 3 retries)', events: 2 },
  { tenant: 'acme', state: 'parked', table: 'orders', reason: 'check constraint orders_amount', events: 1 },
];

async function worldWithSetAside() {
  const world = createWorld();
  const setAside = [
    {
      seq: '41',
      state: 'parked',
      table_name: 'orders',
      row_key: '{"id":7}',
      tenant: 'acme',
      reason: 'check constraint orders_amount',
    },
  ];
  await world.documents.put(
    'progress',
    'relay/forward',
    { work: 'relay/forward', state: { parked: 1, dead: 2, setAside, setAsideGroups: GROUPS }, at: NOON },
    'absent',
  );
  return world;
}

test('a dry run says what is set aside and why, and asks for nothing', async () => {
  const world = await worldWithSetAside();

  const exit = await world.run('redrive', '--dry-run');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/forward +1 +2 +0/);
  expect(world.stdout).toContain('parked orders {"id":7} (seq 41): check constraint orders_amount');
  expect(await world.documents.get('progress', 'redrive/forward')).toBeUndefined();
  expect(world.stdout).toContain('next: npx crossfade redrive');
});

test('leaves a request for the relay, and tells what the relay brought back', async () => {
  const world = await worldWithSetAside();
  carryOutAfter(world, 2, 3);

  const { exit, payload } = await world.json<RedrivePayload>('redrive', '--wait');

  expect(exit).toBe(0);
  expect(payload.directions[0]).toMatchObject({ direction: 'forward', requested: true, broughtBack: 3 });
  expect(payload.directions[1]).toMatchObject({ direction: 'reverse', requested: false });
});

test('exits 5 when the relay does not come to it', async () => {
  const world = await worldWithSetAside();

  const exit = await world.run('redrive', '--wait', '--only', 'dead');

  expect(exit).toBe(5);
  expect((await world.documents.get('progress', 'redrive/forward'))?.value.state).toMatchObject({
    states: ['dead'],
    carriedOutAt: null,
  });
});

function carryOutAfter(world: ReturnType<typeof createWorld>, looks: number, events: number): void {
  const get = world.documents.get.bind(world.documents);
  let seen = 0;
  world.documents.get = async (kind, id) => {
    const stored = await get(kind, id);
    if (id !== 'redrive/forward') return stored;
    seen += 1;
    if (seen === looks && stored !== undefined && kind === 'progress') {
      const before = await get('progress', id);
      if (before !== undefined)
        await world.documents.put(
          'progress',
          id,
          { ...before.value, state: { ...before.value.state, carriedOutAt: NOON, events } },
          'any',
        );
    }
    return get(kind, id);
  };
}

test('the relay brings the events back, drops their claim checks, and does it once', async () => {
  const world = await worldWithSetAside();
  await world.queues.send('forward', [{ direction: 'forward', seq: '42', correlationId: null, reason: 'timeout' }], 0);
  world.queues.receive('forward')?.bury();
  await world.run('redrive');
  const statements: Statement[] = [];
  const deps = relayDeps(world, statements);

  await carryOutRedrive(deps, 'forward');
  await carryOutRedrive(deps, 'forward');

  expect(statements).toEqual([
    redriveEvents(['dead', 'parked'], { why: `brought back by ${ALICE}` }),
    anyDead,
    redriveEvents(['retry'], { seqs: ['42'], why: 'its retry message died unseen' }),
  ]);
  expect((await world.documents.get('progress', 'redrive/forward'))?.value.state).toMatchObject({
    events: 2,
    carriedOutAt: NOON,
  });
  expect(await world.queues.depth('forward')).toEqual({ waiting: 0, inFlight: 0, dead: 0 });
});

/** A relay whose source answers two events to every statement. */
function relayDeps({ documents, queues, clock }: ReturnType<typeof createWorld>, statements: Statement[]): RedriveDeps {
  const session = {
    query: async <Row>(statement: Statement) => {
      statements.push(statement);
      // Of the events only their number is read; none is dead any more.
      return (statement === anyDead ? [{ any_dead: false }] : [{ events: '2' }]) as Row[];
    },
    transaction: () => Promise.reject(new Error('no transaction is needed')),
    close: async () => undefined,
  };
  const databases = { open: () => session, pageBytes: 1, close: async () => undefined };
  return { documents, queues, clock, databases, log: SILENT_LOG };
}

test('lists what is set aside by tenant and reason', async () => {
  const world = await worldWithSetAside();

  await world.run('redrive', '--dry-run');

  expect(world.stdout).toMatch(/globex +dead +orders +2 +lock timeout/);
  expect(world.stdout).toMatch(/acme +parked +orders +1 +check constraint/);
});

test('of one tenant shows and asks for nothing of another', async () => {
  const world = await worldWithSetAside();

  const dry = await world.json<RedrivePayload>('redrive', '--tenant', 'acme', '--dry-run');
  await world.run('redrive', '--tenant', 'acme');

  expect(dry.payload.directions[0]).toMatchObject({ parked: 1, dead: 0, groups: [{ tenant: 'acme' }] });
  expect(JSON.stringify(dry.payload)).not.toContain('globex');
  expect(dry.payload.next).toBe('npx crossfade redrive --tenant acme');
  expect((await world.documents.get('progress', 'redrive/forward'))?.value.state).toMatchObject({ tenants: ['acme'] });
});

test('of a tenant for whom nothing is set aside leaves no request', async () => {
  const world = await worldWithSetAside();

  const exit = await world.run('redrive', '--tenant', 'initech');

  expect(exit).toBe(0);
  expect(await world.documents.get('progress', 'redrive/forward')).toBeUndefined();
});

test('of one tenant does not take the place of a request that the relay has not come to', async () => {
  const world = await worldWithSetAside();

  await world.run('redrive', '--tenant', 'acme', '--only', 'parked', '--no-wait');
  await world.run('redrive', '--tenant', 'globex', '--only', 'dead', '--no-wait');

  expect((await world.documents.get('progress', 'redrive/forward'))?.value.state).toMatchObject({
    states: ['dead', 'parked'],
    tenants: ['acme', 'globex'],
    carriedOutAt: null,
  });
});

test('of a tenant that the relay does not list asks all the same while not everything is listed', async () => {
  const world = await worldWithSetAside();
  const state = { parked: 1, dead: 7, setAside: [], setAsideGroups: GROUPS };
  await world.documents.put('progress', 'relay/forward', { work: 'relay/forward', state, at: NOON }, 'any');

  await world.run('redrive', '--tenant', 'initech', '--no-wait');

  expect((await world.documents.get('progress', 'redrive/forward'))?.value.state).toMatchObject({
    tenants: ['initech'],
    carriedOutAt: null,
  });
});
