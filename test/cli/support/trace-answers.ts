/** A write that was delivered, as the relay tells it, and a relay that tells it. */
import type { TraceAnswer } from '../../../lib/contracts/trace.ts';
import type { TestWorld } from './world.ts';

export const STEP = {
  direction: 'forward',
  store: 'legacy',
  table: 'orders',
  rowKey: '[7]',
  correlationId: 'web-1',
  detail: '',
} as const;
export const ROW = {
  direction: 'forward',
  table: 'orders',
  rowKey: '[7]',
  version: 'event 1/41',
  deleted: false,
  repair: null,
} as const;
export const DELIVERED: TraceAnswer = {
  at: '2026-01-05T12:00:05.000Z',
  steps: [
    {
      ...STEP,
      seq: '41',
      at: '2026-01-05T12:00:00.000001Z',
      what: 'captured',
      detail: 'the row’s new state, by transaction 740',
    },
    {
      ...STEP,
      seq: '41',
      store: 'target',
      at: '2026-01-05T12:00:00.210000Z',
      what: 'applied',
      detail: 'written, in batch b-1',
    },
    { ...STEP, seq: '41', at: '2026-01-05T12:00:00.220000Z', what: 'published' },
  ],
  rows: [{ ...ROW, digests: { legacy: 'a1b2', target: 'a1b2' }, same: true }],
  truncated: false,
  gaps: [],
};
/** The same write; the rows differ all the same. */
export const DIFFERING: TraceAnswer = {
  ...DELIVERED,
  rows: [{ ...ROW, digests: { legacy: 'a1b2', target: 'ffff' }, same: false, columns: ['amount'] }],
};

/** The relay answers at the second look. */
export function answerWith(world: TestWorld, answer: TraceAnswer | { readonly failed: string }): void {
  const get = world.documents.get.bind(world.documents);
  let looks = 0;
  world.documents.get = async (kind, id) => {
    if (kind === 'progress' && id.startsWith('trace/')) {
      looks += 1;
      const asked = await world.documents.list('progress', { from: id, to: `${id}\uFFFF` });
      for (const { value } of looks === 2 ? asked : [])
        await world.documents.put('progress', id, { ...value, state: { ...value.state, answer } }, 'any');
    }
    return get(kind, id);
  };
}
