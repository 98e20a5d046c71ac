import { array, assert, constantFrom, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../lib/adapters/memory/clock.ts';
import { createMemoryDocuments } from '../../../lib/adapters/memory/documents.ts';
import { SILENT_LOG } from '../../../lib/adapters/memory/log.ts';
import { createMemoryMetrics } from '../../../lib/adapters/memory/metrics.ts';
import { BREAKER_ID, createReadBreaker } from '../../../lib/application/reads/read-breaker.ts';
import { admit, CLOSED_BREAKER, claimProbe, close, open } from '../../../lib/domain/breaker.ts';
import type { DocumentStore } from '../../../lib/ports/documents.ts';

const NUMBERS = { failureThreshold: 5, openForMs: 30_000, probeForMs: 1_400 };
const NOON = new Date('2026-01-05T12:00:00.000Z');
const later = (ms: number) => new Date(NOON.getTime() + ms);

describe('the rules of the breaker', () => {
  it('refuses every read while it is open, and lets one probe through when its time is over', () => {
    const opened = open(CLOSED_BREAKER, NOON, 'slow');

    expect(admit(opened, later(29_999), 30_000)).toBe('refuse');
    expect(admit(opened, later(30_000), 30_000)).toBe('probe');
  });

  it('gives the probe of a container that died to the next one', () => {
    const claimed = claimProbe(open(CLOSED_BREAKER, NOON, 'slow'), 'one', later(30_000), 1_400);

    expect(admit(claimed, later(31_399), 30_000)).toBe('refuse');
    expect(admit(claimed, later(31_400), 30_000)).toBe('probe');
  });

  it('remembers how often it opened, whatever happens', () => {
    assert(
      property(array(constantFrom('open', 'claim', 'close')), (moves) => {
        const end = moves.reduce(
          (breaker, move) =>
            move === 'open'
              ? open(breaker, NOON, '')
              : move === 'claim'
                ? claimProbe(breaker, 'one', NOON, 1)
                : close(breaker),
          CLOSED_BREAKER,
        );

        expect(end.openings).toBe(moves.filter((move) => move === 'open').length);
      }),
    );
  });
});

describe('the breaker of a container', () => {
  function aSystem() {
    const clock = createVirtualClock({ start: NOON });
    const documents = createMemoryDocuments();
    const metrics = createMemoryMetrics();
    const container = (owner: string, store: DocumentStore = documents) =>
      createReadBreaker({ clock, documents: store, log: SILENT_LOG, metrics, newId: () => owner }, NUMBERS);
    return { clock, documents, metrics, container };
  }

  it('opens at the fifth consecutive failure, and a success in between starts the count again', async () => {
    const { container, documents } = aSystem();
    const breaker = container('one');

    for (let count = 0; count < 4; count += 1) await breaker.fail(await breaker.admit(), 'slow');
    await breaker.succeed(await breaker.admit());
    for (let count = 0; count < 4; count += 1) await breaker.fail(await breaker.admit(), 'slow');
    expect(await breaker.admit()).toBe('read');
    await breaker.fail('read', 'slow');

    expect(await breaker.admit()).toBe('refuse');
    expect((await documents.get('breaker', BREAKER_ID))?.value).toMatchObject({ state: 'open', openings: 1 });
  });

  it('is seen open by another container within a second', async () => {
    const { clock, container } = aSystem();
    const [one, two] = [container('one'), container('two')];
    expect(await two.admit()).toBe('read');
    for (let count = 0; count < 5; count += 1) await one.fail(await one.admit(), 'slow');

    await clock.advance(1_000);

    expect(await two.admit()).toBe('refuse');
  });

  it('sends one probe from all containers, and closes for all when it succeeds', async () => {
    const { clock, container, metrics } = aSystem();
    const containers = ['one', 'two', 'three'].map((owner) => container(owner));
    const [first] = containers;
    for (let count = 0; count < 5; count += 1) await first?.fail('read', 'slow');
    await clock.advance(30_000);

    const admissions = await Promise.all(containers.map((breaker) => breaker.admit()));
    const prober = containers[admissions.indexOf('probe')];
    await prober?.succeed('probe');
    await clock.advance(1_000);

    expect(admissions.toSorted()).toEqual(['probe', 'refuse', 'refuse']);
    expect(await Promise.all(containers.map((breaker) => breaker.admit()))).toEqual(['read', 'read', 'read']);
    expect(metrics.all.filter(({ name }) => name === 'breakerOpened')).toHaveLength(1);
  });

  it('opens again when the probe fails', async () => {
    const { clock, container, documents } = aSystem();
    const breaker = container('one');
    for (let count = 0; count < 5; count += 1) await breaker.fail('read', 'slow');
    await clock.advance(30_000);

    await breaker.fail(await breaker.admit(), 'slow');

    expect(await breaker.admit()).toBe('refuse');
    expect((await documents.get('breaker', BREAKER_ID))?.value).toMatchObject({ state: 'open', openings: 2 });
  });

  it('writes nothing while nothing changes', async () => {
    const { container, documents } = aSystem();
    const breaker = container('one');

    for (let count = 0; count < 20; count += 1) await breaker.succeed(await breaker.admit());

    expect(await documents.get('breaker', BREAKER_ID)).toBeUndefined();
  });

  it('goes on by itself when the document can be neither read nor written', async () => {
    const { clock, container, documents } = aSystem();
    const down = async () => {
      throw new Error('DynamoDB is down');
    };
    const breaker = container('one', { ...documents, get: down, put: down });

    for (let count = 0; count < 5; count += 1) await breaker.fail(await breaker.admit(), 'slow');
    expect(await breaker.admit()).toBe('refuse');
    await clock.advance(30_000);
    expect(await breaker.admit()).toBe('probe');
    await breaker.succeed('probe');

    expect(await breaker.admit()).toBe('read');
  });

  it('never waits long for a document that does not come', async () => {
    const { clock, container, documents } = aSystem();
    const breaker = container('one', { ...documents, get: () => new Promise(() => {}) });

    const admission = breaker.admit();
    await clock.advance(1_000);

    expect(await admission).toBe('read');
  });
});
