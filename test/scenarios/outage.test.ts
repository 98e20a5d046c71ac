/** A store that is down, or too slow for everybody, costs no event a try: an outage of minutes ends with nothing in the dead-letter queue. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { retryAll, sendAnew } from '../../lambdas/retry/handler.ts';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createMemoryDocuments } from '../../lib/adapters/memory/documents.ts';
import { createMemoryMetrics } from '../../lib/adapters/memory/metrics.ts';
import { createMemoryQueues } from '../../lib/adapters/memory/queues.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import type { StoreName } from '../../lib/domain/direction.ts';
import { SqlError } from '../../lib/ports/sql.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
const PLAN = 'tenants: { column: tenant_id }\ntables: { notes: }\nrelay: { shards: 1, suspend: 2s }';
const MINUTE = 60_000;
const DOWN = new SqlError('the store cannot be reached', { kind: 'unavailable' });
const SLOW = new SqlError('canceling statement due to statement timeout (SQLSTATE 57014)', {
  kind: 'transient',
  sqlState: '57014',
});

let notes: TestMigration;

beforeAll(async () => {
  notes = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(notes.deps);
  const migration = await notes.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(notes.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => notes?.close());

beforeEach(async () => {
  await notes.legacy.query('DELETE FROM crossfade.outbox');
});

/** Ten minutes of virtual time during which every statement of the applier, or of the whole store, fails so. */
function anOutage(store: StoreName, failure: SqlError) {
  const clock = createVirtualClock({ autoAdvance: true });
  const until = clock.now().getTime() + 10 * MINUTE;
  const { databases } = notes.deps;
  const queues = createMemoryQueues();
  const metrics = createMemoryMetrics();
  const deps: Deps = {
    ...notes.deps,
    clock,
    queues,
    metrics,
    databases: {
      ...databases,
      open: (name, purpose) => {
        const session = databases.open(name, purpose);
        const isDown = () => name === store && purpose !== 'compare' && clock.now().getTime() < until;
        return {
          ...session,
          query: (statement) => (isDown() ? Promise.reject(failure) : session.query(statement)),
          transaction: (work, options) => (isDown() ? Promise.reject(failure) : session.transaction(work, options)),
        };
      },
    },
  };
  const relayFor = (minutes: number) =>
    runRelay(deps, 'forward', { until: new Date(clock.now().getTime() + minutes * MINUTE) });
  return { deps, queues, metrics, relayFor };
}

const states = async () =>
  (
    await notes.legacy.query(
      'SELECT state, count(*)::int AS events FROM crossfade.outbox GROUP BY state ORDER BY state',
    )
  ).rows;

describe('ten minutes without the target', () => {
  it.each([
    ['that cannot be reached', DOWN],
    ['that is too slow for every statement', SLOW],
  ])('%s end with everything delivered and nothing in the dead-letter queue', async (_what, failure) => {
    const { queues, relayFor } = anOutage('target', failure);
    await notes.legacy.query(
      `INSERT INTO notes SELECT i, 'acme', 'x' FROM generate_series(1, 50) AS i ON CONFLICT (id) DO UPDATE SET body = 'y'`,
    );

    await relayFor(9);
    const during = await states();
    await relayFor(5);

    expect(during).toEqual([{ state: 'pending', events: 50 }]);
    expect(await states()).toEqual([{ state: 'published', events: 50 }]);
    expect(await queues.depth('forward')).toEqual({ waiting: 0, inFlight: 0, dead: 0 });
  });

  it('show in the lag, though nothing can be delivered', async () => {
    const { metrics, relayFor } = anOutage('target', DOWN);
    await notes.legacy.query(`UPDATE notes SET body = 'z' WHERE id = 1`);

    await relayFor(1);

    const lags = metrics.all.filter(({ name }) => name === 'replicationLag');
    expect(lags.length).toBeGreaterThan(5);
    expect(lags.every(({ dimensions }) => dimensions.store === 'target')).toBe(true);
  });

  it('cost an event that was being retried no try: it goes back to the relay', async () => {
    const { deps, relayFor } = anOutage('target', DOWN);
    await notes.legacy.query(`UPDATE notes SET body = 'retried' WHERE id = 2`);
    const { rows } = await notes.legacy.query(`UPDATE crossfade.outbox SET state = 'retry' RETURNING seq::text AS seq`);
    const message = { direction: 'forward', seq: rows[0].seq, correlationId: 'web-1', reason: 'lock' } as const;

    const outcome = await retryEvent({ ...(await notes.load()), deps }, message, 3, 0);

    expect(outcome).toEqual({ kind: 'done' });
    expect(await states()).toEqual([{ state: 'pending', events: 1 }]);
    await notes.legacy.query('UPDATE crossfade.outbox SET not_before = NULL');
    await relayFor(12);
    expect(await states()).toEqual([{ state: 'published', events: 1 }]);
  });
});

describe('a delivery that is held', () => {
  it('costs an event that was being retried no try: it waits with the relay', async () => {
    const { deps } = anOutage('target', DOWN);
    const held = { ...deps, databases: notes.deps.databases, documents: createMemoryDocuments() };
    await held.documents.put('control', 'control', { deliveryHeld: { by: 'ann', at: 'now', why: 'test' } }, 'any');
    await notes.legacy.query(`UPDATE notes SET body = 'held' WHERE id = 4`);
    const { rows } = await notes.legacy.query(`UPDATE crossfade.outbox SET state = 'retry' RETURNING seq::text AS seq`);
    const message = { direction: 'forward', seq: rows[0].seq, correlationId: null, reason: 'lock' } as const;

    const outcome = await retryEvent({ ...(await notes.load()), deps: held }, message, 3, 0);

    expect(outcome).toEqual({ kind: 'done' });
    expect(await states()).toEqual([{ state: 'pending', events: 1 }]);
  });
});

describe('ten minutes without the source', () => {
  it('cost a message no receive: a new one takes its place', async () => {
    const { deps, queues } = anOutage('legacy', DOWN);
    const message = { direction: 'forward', seq: '1', correlationId: 'web-1', reason: 'lock' } as const;

    const outcome = await retryEvent({ ...(await notes.load()), deps }, message, 3, 0);

    expect(outcome).toEqual({ kind: 'done' });
    expect(queues.waiting('forward')).toMatchObject([{ message, delaySeconds: 2 }]);
  });

  it('before the catalogue could be read, neither', async () => {
    const { deps, queues } = anOutage('legacy', DOWN);
    const message = { direction: 'forward', seq: '1', correlationId: null, reason: 'lock' } as const;
    const record = aRecord('m-1', JSON.stringify(message));

    const answer = await sendAnew(deps, [record, aRecord('m-2', 'rubbish')], DOWN);

    expect(answer.batchItemFailures).toEqual([{ itemIdentifier: 'm-2' }]);
    expect(queues.waiting('forward')).toMatchObject([{ message, delaySeconds: 30 }]);
  });
});

describe('a retry queue that cannot be reached', () => {
  it('does not stop delivery: its events are pending again', async () => {
    const { deps } = anOutage('target', DOWN);
    const databases = notes.deps.databases;
    const refusing = { ...createMemoryQueues(), send: () => Promise.reject(new Error('no route to SQS')) };
    await notes.target.query('BEGIN; SELECT 1 FROM notes WHERE id = 1 FOR UPDATE');
    await notes.legacy.query(`UPDATE notes SET body = 'q' WHERE id IN (1, 2)`);

    const crippled = { ...deps, databases, queues: refusing, clock: notes.deps.clock };
    do await runRelay(crippled, 'forward', { until: new Date(Date.now() + 800) });
    while ((await states()).length < 2);
    await notes.target.query('ROLLBACK');

    expect(await states()).toEqual([
      { state: 'pending', events: 1 },
      { state: 'published', events: 1 },
    ]);
  });
});

describe('a message that is not one', () => {
  it('fails alone: its batch mates do not pay with a try', async () => {
    await notes.legacy.query(`UPDATE notes SET body = 'mate' WHERE id = 3`);
    const { rows } = await notes.legacy.query(`UPDATE crossfade.outbox SET state = 'retry' RETURNING seq::text AS seq`);
    const good = JSON.stringify({ direction: 'forward', seq: rows[0].seq, correlationId: null, reason: '' });

    const answer = await retryAll(await notes.load(), [aRecord('m-1', '{"direction":"up"}'), aRecord('m-2', good)]);

    expect(answer.batchItemFailures).toEqual([{ itemIdentifier: 'm-1' }]);
    expect(await states()).toEqual([{ state: 'published', events: 1 }]);
  });
});

function aRecord(messageId: string, body: string) {
  return { messageId, body, receiptHandle: messageId, attributes: { ApproximateReceiveCount: '1' } };
}
