/** What happens to an event that fails: retried apart from the others, dead-lettered with its reason, brought back by hand; and delivery that is held. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MemoryQueues } from '../../lib/adapters/memory/queues.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { readHealth } from '../../lib/application/relay/health.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { redriveEvents } from '../../lib/sql/relay/redrive-events.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
const PLAN = 'tenants: { column: tenant_id }\ntables: { notes: }\nrelay: { shards: 1 }';

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

const relay = () => runRelay(notes.deps, 'forward', { until: new Date(Date.now() + 600) });
const stateOf = async (key: string) =>
  (
    await notes.legacy.query(
      'SELECT state, reason FROM crossfade.outbox WHERE row_key = $1 ORDER BY seq DESC LIMIT 1',
      [key],
    )
  ).rows[0];
const idsOnTarget = async () =>
  (await notes.target.query('SELECT id::int AS id FROM notes ORDER BY id')).rows.map((row) => row.id);

describe('an event that fails', () => {
  it('goes to the retry queue alone, while the rest of its batch is delivered', async () => {
    await notes.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a')`);
    await relay();
    await notes.target.query('BEGIN; SELECT 1 FROM notes WHERE id = 1 FOR UPDATE');
    await notes.legacy.query(
      `UPDATE notes SET body = 'b' WHERE id = 1; INSERT INTO notes VALUES (2, 'acme', 'x'), (3, 'acme', 'y')`,
    );

    await relay();

    expect(await idsOnTarget()).toEqual([1, 2, 3]);
    expect(await stateOf('[1]')).toMatchObject({ state: 'retry' });
    // The memory queues show what waits.
    const queues = notes.deps.queues as MemoryQueues;
    expect(queues.waiting('forward').map(({ message }) => message.direction)).toEqual(['forward']);
  });

  it('waits longer after each try, and is dead-lettered with its reason after one try and three retries', async () => {
    const migration = await notes.load();
    const message = (notes.deps.queues as MemoryQueues).waiting('forward')[0]?.message;
    if (message === undefined) throw new Error('the test before this one left a message');

    const first = await retryEvent(migration, message, 1, 0.5);
    const second = await retryEvent(migration, message, 2, 0.5);
    const third = await retryEvent(migration, message, 3, 0.5);

    expect([first.kind, second.kind, third.kind]).toEqual(['later', 'later', 'dead']);
    expect(first.kind === 'later' && second.kind === 'later' && second.seconds > first.seconds).toBe(true);
    expect((await stateOf('[1]')).reason).toMatch(/1 try and 3 retries/);
    const health = await readHealth(notes.deps, 'forward');
    expect(health.setAside).toMatchObject([{ state: 'dead', table_name: 'notes', row_key: '[1]', tenant: 'acme' }]);
  });

  it('is delivered when it is brought back after the cause is gone', async () => {
    await notes.target.query('ROLLBACK');

    await notes.deps.databases.open('legacy', 'relay').query(redriveEvents(['dead', 'parked']));
    await relay();

    expect(await stateOf('[1]')).toMatchObject({ state: 'published', reason: null });
    expect((await notes.target.query('SELECT body FROM notes WHERE id = 1')).rows).toEqual([{ body: 'b' }]);
  });

  it('does nothing when its message comes a second time', async () => {
    const outcome = await retryEvent(
      await notes.load(),
      { direction: 'forward', seq: '1', correlationId: null, reason: '' },
      1,
      0,
    );

    expect(outcome).toEqual({ kind: 'done' });
  });
});

describe('the emergency stop', () => {
  it('holds delivery: events wait, and go on when it is taken off', async () => {
    await notes.deps.documents.put(
      'control',
      'control',
      { deliveryHeld: { by: 'somebody', at: 'now', why: 'test' } },
      'any',
    );
    await notes.legacy.query(`INSERT INTO notes VALUES (9, 'acme', 'held')`);
    await relay();
    expect(await stateOf('[9]')).toMatchObject({ state: 'pending' });

    await notes.deps.documents.put('control', 'control', {}, 'any');
    await relay();

    expect(await stateOf('[9]')).toMatchObject({ state: 'published' });
  });
});
