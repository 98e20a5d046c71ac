import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../lib/adapters/memory/clock.ts';
import { createMemoryDocuments } from '../../../lib/adapters/memory/documents.ts';
import { SILENT_LOG } from '../../../lib/adapters/memory/log.ts';
import { createReadCounters } from '../../../lib/application/reads/read-counters.ts';
import { countsSince, judgeWatch } from '../../../lib/domain/read-watch.ts';

const NOON = new Date('2026-01-05T12:00:00.000Z');

describe('read counters', () => {
  it('write plain answers at most once a second, and a fallback at once', async () => {
    const clock = createVirtualClock({ start: NOON });
    const documents = createMemoryDocuments();
    const counters = createReadCounters({ clock, documents, log: SILENT_LOG });
    const written = async () => (await documents.get('reads', '2026-01-05T12:00'))?.value;
    counters.add('target');
    await counters.settle();

    counters.add('target');
    await counters.settle();
    expect(await written()).toEqual({ target: 1 });

    counters.add('fallbacks', 'fallbackTimeout');
    await counters.settle();
    expect(await written()).toEqual({ target: 2, fallbacks: 1, fallbackTimeout: 1 });
  });

  it('keep what could not be written for the next time', async () => {
    const clock = createVirtualClock({ start: NOON });
    const documents = createMemoryDocuments();
    let isDown = true;
    const add: typeof documents.add = async (kind, id, numbers) => {
      if (isDown) throw new Error('DynamoDB is down');
      await documents.add(kind, id, numbers);
    };
    const counters = createReadCounters({ clock, documents: { ...documents, add }, log: SILENT_LOG });
    counters.add('target', 'errors');
    await counters.settle();

    isDown = false;
    await clock.advance(1_000);
    counters.add('target');
    await counters.settle();

    expect((await documents.get('reads', '2026-01-05T12:00'))?.value).toEqual({ target: 2, errors: 1 });
  });

  it('do not keep an answer waiting for DynamoDB', async () => {
    const clock = createVirtualClock({ start: NOON });
    const add = () => new Promise<void>(() => {});
    const counters = createReadCounters({ clock, documents: { ...createMemoryDocuments(), add }, log: SILENT_LOG });
    counters.add('errors');

    const settled = counters.settle();
    await clock.advance(250);

    await expect(settled).resolves.toBeUndefined();
  });
});

describe('a watch over reads', () => {
  const start = { at: '2026-01-05T12:00:30.000Z', before: { target: 7, fallbacks: 2 } };

  it('counts what came after its start', () => {
    const counts = countsSince(start, [
      { id: '2026-01-05T11:59', value: { target: 100, errors: 1 } },
      { id: '2026-01-05T12:00', value: { target: 9, fallbacks: 2 } },
      { id: '2026-01-05T12:01', value: { target: 5 } },
    ]);

    expect(counts).toEqual({ target: 7, fallbacks: 0 });
  });

  it('refuses without reads, before its time, and with a single fallback', () => {
    const watch = { name: 'full', start, openings: 0, forMs: 60_000, minimumReads: 10 };
    const early = judgeWatch(
      { ...watch, counts: { target: 9, fallbacks: 1, fallbackTimeout: 1 } },
      new Date('2026-01-05T12:01:00.000Z'),
    );
    const late = judgeWatch({ ...watch, counts: { target: 10 } }, new Date('2026-01-05T12:01:30.000Z'));

    expect(early.harm.filter((gate) => !gate.pass).flatMap((gate) => gate.reasons)).toEqual([
      'full-fallbacks: 1 reads is not equals 0 reads',
      '1 by timeout',
    ]);
    expect(early.proof.map((gate) => gate.pass)).toEqual([false, false]);
    expect([...late.harm, ...late.proof].every((gate) => gate.pass)).toBe(true);
  });
});
