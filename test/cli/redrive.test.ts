import { expect, test } from 'vitest';
import type { RedrivePayload } from '../../lib/application/operate/redrive.ts';
import { NOON } from './support/records.ts';
import { createWorld } from './support/world.ts';

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
    { work: 'relay/forward', state: { parked: 1, dead: 2, setAside }, at: NOON },
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
