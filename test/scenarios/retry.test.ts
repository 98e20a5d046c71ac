/** What happens to an event that fails: retried apart from the others, dead-lettered with its reason, brought back by hand; and delivery that is held. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryMetrics } from '../../lib/adapters/memory/metrics.ts';
import type { MemoryQueues } from '../../lib/adapters/memory/queues.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { carryOutRedrive } from '../../lib/application/operate/carry-out-redrive.ts';
import { readHealth } from '../../lib/application/relay/health.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { sweepRetries } from '../../lib/application/relay/sweep-retries.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { redriveEvents } from '../../lib/sql/relay/redrive-events.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
const PLAN = 'tenants: { column: tenant_id }\ntables: { notes: }\nrelay: { shards: 1 }';

let notes: TestMigration;

beforeAll(async () => {
  notes = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(notes.deps);
  const migration = await notes.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme', 'globex'])
    await turnOn(notes.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => notes?.close());

const relay = () => relayUntilIdle(notes.deps, 'forward', 600);
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

describe('a held delivery', () => {
  it('shows in the lag while it lasts, and questions are answered', async () => {
    await notes.deps.documents.put(
      'control',
      'control',
      { deliveryHeld: { by: 'somebody', at: 'now', why: 'test' } },
      'any',
    );
    const at = notes.deps.clock.now().toISOString();
    const query = { by: 'row', table: 'notes', rowKey: '[10]' };
    const state = { query, requestedBy: 'ann', requestedAt: at, answer: null };
    await notes.deps.documents.put('progress', 'trace/held', { work: 'trace/held', state, at }, 'absent');
    await notes.legacy.query(`INSERT INTO notes VALUES (10, 'acme', 'held')`);
    const metrics = createMemoryMetrics();

    await relayUntilIdle({ ...notes.deps, metrics }, 'forward', 700);

    await notes.deps.documents.put('control', 'control', {}, 'any');
    expect(metrics.all.map(({ name }) => name)).toEqual(expect.arrayContaining(['replicationLag', 'drainPercent']));
    const answered = await notes.deps.documents.get('progress', 'trace/held');
    expect(answered?.value.state.answer).toMatchObject({ steps: [{ what: 'captured' }, { what: 'pending' }] });
    await relay();
  });

  it('of a direction that is not in force says nothing', async () => {
    await notes.deps.documents.put(
      'control',
      'control',
      { deliveryHeld: { by: 'somebody', at: 'now', why: 'test' } },
      'any',
    );
    const metrics = createMemoryMetrics();

    await runRelay({ ...notes.deps, metrics }, 'reverse', { until: new Date(Date.now() + 60_000) });

    await notes.deps.documents.put('control', 'control', {}, 'any');
    expect(metrics.all).toEqual([]);
  });
});

describe('a statement that takes longer than the applier may', () => {
  it('is ended by the server, retried, and delivered when it is quick again', async () => {
    await notes.target.query(`
      CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.body = 'slow' THEN PERFORM pg_sleep(3); END IF; RETURN NEW; END $$;
      CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION slow()`);
    await notes.legacy.query(`INSERT INTO notes VALUES (20, 'acme', 'slow'), (21, 'acme', 'quick')`);
    await relay();
    const slow = await stateOf('[20]');
    await notes.target.query('DROP TRIGGER slow ON notes');

    const message = queues()
      .waiting('forward')
      .map((waiting) => waiting.message)
      .find(({ reason }) => reason.includes('57014'));
    const outcome = message === undefined ? undefined : await retryEvent(await notes.load(), message, 1, 0);

    expect(slow).toMatchObject({ state: 'retry', reason: expect.stringContaining('57014') });
    expect(await stateOf('[21]')).toMatchObject({ state: 'published' });
    expect(outcome).toEqual({ kind: 'done' });
    expect(await stateOf('[20]')).toMatchObject({ state: 'published' });
  });
});

describe('many events that fail', () => {
  it('for good are parked, each with its reason, and hold up nobody', async () => {
    await notes.target.query(`ALTER TABLE notes ADD CONSTRAINT no_poison CHECK (body <> 'poison')`);
    await notes.legacy.query(
      `INSERT INTO notes SELECT i, 'globex', 'poison' FROM generate_series(1001, 1200) AS i; INSERT INTO notes SELECT i, 'acme', 'fine' FROM generate_series(2001, 2050) AS i`,
    );

    await relay();

    expect(await countOf(`state = 'parked' AND reason LIKE '%no_poison%'`)).toBe(200);
    expect(
      await countOf(
        `state = 'published' AND row_key IN (SELECT '[' || i || ']' FROM generate_series(2001, 2050) AS i)`,
      ),
    ).toBe(50);
    const health = await readHealth(notes.deps, 'forward');
    expect(health.setAsideGroups).toMatchObject([{ tenant: 'globex', state: 'parked', table: 'notes', events: 200 }]);
    expect(health.tenantLags).toMatchObject([{ tenant: 'globex', undelivered: 0, setAside: 200 }]);
  });

  it('behind locks cost five of their tenant a try; the others of it wait, and nobody else does', async () => {
    await notes.legacy.query(
      `INSERT INTO notes SELECT i, 'globex', 'x' FROM generate_series(3001, 3040) AS i; INSERT INTO notes SELECT i, 'acme', 'x' FROM generate_series(4001, 4020) AS i`,
    );
    await relay();
    await notes.target.query('BEGIN; SELECT 1 FROM notes WHERE id BETWEEN 3001 AND 3040 FOR UPDATE');
    await notes.legacy.query(
      `UPDATE notes SET body = 'y' WHERE id BETWEEN 3001 AND 3040; UPDATE notes SET body = 'y' WHERE id BETWEEN 4001 AND 4020`,
    );

    await relay();

    const globex = `new_tenant = 'globex' AND row_key LIKE '[30%'`;
    expect(await countOf(`${globex} AND state = 'retry'`)).toBe(5);
    expect(await countOf(`${globex} AND state = 'pending' AND reason LIKE 'waits:%'`)).toBe(35);
    expect(await countOf(`new_tenant = 'acme' AND state = 'pending'`)).toBe(0);
    await notes.target.query('ROLLBACK');
  });
});

describe('what the queue lost', () => {
  it('is found by the sweep after twenty minutes, and not before', async () => {
    await empty();
    await notes.legacy.query(`INSERT INTO notes VALUES (50, 'acme', 'lost'), (51, 'acme', 'young')`);
    await notes.legacy.query(
      `UPDATE crossfade.outbox SET state = 'retry', touched_at = clock_timestamp() - CASE row_key WHEN '[50]' THEN interval '21 minutes' ELSE interval '1 minute' END`,
    );

    await sweepRetries(notes.deps, 'forward');

    expect([(await stateOf('[50]')).state, (await stateOf('[51]')).state]).toEqual(['pending', 'retry']);
    const log = await notes.legacy.query(`SELECT state, reason FROM crossfade.event_log ORDER BY id DESC LIMIT 1`);
    expect(log.rows).toEqual([{ state: 'redriven', reason: 'its retry message was lost' }]);
  });

  it('is found at once where the message died unseen, and its claim check goes', async () => {
    await empty();
    await notes.legacy.query(`INSERT INTO notes VALUES (52, 'acme', 'unseen')`);
    const { rows } = await notes.legacy.query(
      `UPDATE crossfade.outbox SET state = 'retry', touched_at = clock_timestamp() RETURNING seq::text AS seq`,
    );
    await bury(rows[0].seq);

    await sweepRetries(notes.deps, 'forward');

    expect(await stateOf('[52]')).toMatchObject({ state: 'pending' });
    expect(await queues().depth('forward')).toMatchObject({ dead: 0 });
  });

  it('leaves the claim check of an event that is dead, for the alarm', async () => {
    await empty();
    await notes.legacy.query(`INSERT INTO notes VALUES (53, 'acme', 'dead')`);
    const { rows } = await notes.legacy.query(`UPDATE crossfade.outbox SET state = 'dead' RETURNING seq::text AS seq`);
    await bury(rows[0].seq);

    await sweepRetries(notes.deps, 'forward');

    expect(await stateOf('[53]')).toMatchObject({ state: 'dead' });
    expect(await queues().depth('forward')).toMatchObject({ dead: 1 });
  });
});

describe('a redrive', () => {
  it('of one tenant brings back nothing of another, and keeps the claim checks until none is dead', async () => {
    await empty();
    await notes.legacy.query(`INSERT INTO notes VALUES (60, 'acme', 'a'), (61, 'globex', 'b')`);
    const { rows } = await notes.legacy.query(
      `UPDATE crossfade.outbox SET state = 'dead', reason = 'tired' RETURNING seq::text AS seq`,
    );
    for (const { seq } of rows) await bury(seq);

    await request(['acme']);
    await carryOutRedrive(notes.deps, 'forward');
    const first = [
      (await stateOf('[60]')).state,
      (await stateOf('[61]')).state,
      (await queues().depth('forward')).dead,
    ];
    await request([]);
    await carryOutRedrive(notes.deps, 'forward');

    expect(first).toEqual(['pending', 'dead', 2]);
    expect(await stateOf('[61]')).toMatchObject({ state: 'pending', reason: null });
    expect(await queues().depth('forward')).toMatchObject({ dead: 0 });
  });

  it('brings back no event that has ended, and nothing twice', async () => {
    await relay();
    await request([]);

    await carryOutRedrive(notes.deps, 'forward');

    expect((await notes.deps.documents.get('progress', 'redrive/forward'))?.value.state).toMatchObject({ events: 0 });
    expect(await countOf(`row_key IN ('[60]', '[61]') AND state = 'published'`)).toBe(2);
  });
});

const queues = () => notes.deps.queues as MemoryQueues;
const countOf = async (condition: string): Promise<number> =>
  (await notes.legacy.query(`SELECT count(*)::int AS n FROM crossfade.outbox WHERE ${condition}`)).rows[0].n;

async function empty(): Promise<void> {
  await notes.legacy.query('DELETE FROM crossfade.outbox');
  await queues().drainDead('forward', 1_000, async () => undefined);
}

async function bury(seq: string): Promise<void> {
  // Whatever the tests before this one left is in front of it.
  while (queues().receive('forward') !== undefined);
  await queues().send('forward', [{ direction: 'forward', seq, correlationId: null, reason: 'test' }], 0);
  queues().receive('forward')?.bury();
}

async function request(tenants: readonly string[]): Promise<void> {
  const at = notes.deps.clock.now().toISOString();
  const state = {
    requestedBy: 'ann',
    requestedAt: at,
    states: ['dead', 'parked'],
    tenants,
    carriedOutAt: null,
    events: 0,
  };
  await notes.deps.documents.put('progress', 'redrive/forward', { work: 'redrive/forward', state, at }, 'any');
}
