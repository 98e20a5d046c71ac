/** The one rule of the relay that is pure in the product too: which events of a batch one event may stand for. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { coalesce } from '../../lib/domain/coalesce.ts';
import type { ClaimedEvent } from './model/receiver.ts';
import { World } from './model/world.ts';
import { coalesce as coalesceInModel } from './processes/delivery.ts';
import { PROFILES } from './profiles.ts';
import { createRandom } from './random.ts';
import { CORRECT } from './rules.ts';

const aTenant = fc.option(fc.constantFrom('a', 'b'));
const anEvent = fc.record({ key: fc.integer({ min: 0, max: 1 }), oldTenant: aTenant, newTenant: aTenant });

it('lets one event stand for the same others as the simulation does', () => {
  const world = new World(CORRECT, PROFILES.order, createRandom(1), false);

  fc.assert(
    fc.property(fc.array(anEvent, { maxLength: 6 }), (drawn) => {
      const events = drawn.map((event, index) => ({ ...event, seq: index + 1 }));
      const inProduct = coalesce(
        events.map(({ key, seq, oldTenant }) => ({
          table: 'items',
          rowKey: `[${key}]`,
          seq: BigInt(seq),
          oldTenant,
          oldGeneration: null,
        })),
      );
      const inModel = coalesceInModel(world, events.map(claimed));

      expect(inProduct.events.map(({ seq, oldTenant }) => ({ seq: Number(seq), oldTenant }))).toEqual(
        inModel.map(({ event, oldTenant }) => ({ seq: event.seq, oldTenant })),
      );
    }),
  );
});

it('keeps events of a row apart that left two tenants, each of which has its own door', () => {
  const moved = (seq: bigint, oldTenant: string | null) => ({
    table: 'items',
    rowKey: '[1]',
    seq,
    oldTenant,
    oldGeneration: 1,
  });

  const { events, superseded } = coalesce([moved(1n, null), moved(2n, 'b'), moved(3n, 'b'), moved(4n, 'a')]);

  expect(events).toEqual([moved(3n, 'b')]);
  expect(superseded.map(({ seq }) => seq)).toEqual([1n, 2n]);
});

function claimed(event: {
  key: number;
  seq: number;
  oldTenant: string | null;
  newTenant: string | null;
}): ClaimedEvent {
  const { oldTenant } = event;
  return {
    event: { ...event, epoch: 1, xid: 3, state: { version: event.seq, row: null }, status: 'pending' },
    epoch: 1,
    oldTenant,
    oldGeneration: null,
    newGeneration: null,
  };
}
