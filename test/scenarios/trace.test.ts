/** The whole story of a write can be told, from the id of the request that made it to the row in the other store. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryLog } from '../../lib/adapters/memory/log.ts';
import type { MemoryQueues } from '../../lib/adapters/memory/queues.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { carryOutTraces } from '../../lib/application/operate/carry-out-traces.ts';
import { explainDrift } from '../../lib/application/operate/explain-drift.ts';
import type { Operator } from '../../lib/application/operate/operator.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { traceWrite } from '../../lib/application/trace/trace-write.ts';
import type { TraceAnswer, TraceQuery } from '../../lib/contracts/trace.ts';
import { cleanCorrelation } from '../../lib/domain/correlation.ts';
import { SqlError } from '../../lib/ports/sql.ts';
import { redriveEvents } from '../../lib/sql/relay/redrive-events.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
const TARGET_SQL = `${SQL.replace('body text', `body text CHECK (body <> 'poison')`)}`;
const PLAN = 'tenants: { column: tenant_id }\ntables: { notes: }\nrelay: { shards: 1 }';
const SECRET = 'body-that-nobody-may-see';

let notes: TestMigration;
const log = createMemoryLog();

beforeAll(async () => {
  notes = await aMigration({ plan: PLAN, legacySql: SQL, targetSql: TARGET_SQL });
  await installSchemas(notes.deps);
  const migration = await notes.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(notes.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => notes?.close());

const relay = (direction: 'forward' | 'reverse' = 'forward') => relayUntilIdle({ ...notes.deps, log }, direction, 500);
const queues = () => notes.deps.queues as MemoryQueues;
const tell = async (query: TraceQuery): Promise<TraceAnswer> => traceWrite(await notes.load(), query, 'salt');
const kinds = ({ steps }: TraceAnswer) => steps.map(({ what }) => what);

async function write(correlationId: string, text: string, client = notes.legacy): Promise<void> {
  await client.query('BEGIN');
  await client.query(`SELECT set_config('crossfade.correlation_id', $1, true)`, [correlationId]);
  await client.query(text);
  await client.query('COMMIT');
}

describe('a write that was delivered', () => {
  it('is told from its capture to the row in the target', async () => {
    await write('web-1', `INSERT INTO notes VALUES (1, 'acme', '${SECRET}'), (2, 'acme', 'b')`);
    await relay();

    const answer = await tell({ by: 'correlation', id: 'web-1' });

    expect(kinds(answer)).toEqual(['captured', 'captured', 'applied', 'applied', 'published', 'published']);
    expect(answer.steps[0]).toMatchObject({ store: 'legacy', table: 'notes', rowKey: '[1]', correlationId: 'web-1' });
    expect(answer.steps[0]?.detail).toMatch(/transaction \d+ \(epoch 1\); tenant acme/);
    expect(answer.steps[2]).toMatchObject({ store: 'target', correlationId: 'web-1' });
    expect(answer.rows).toMatchObject([
      { rowKey: '[1]', same: true, deleted: false },
      { rowKey: '[2]', same: true },
    ]);
    expect(answer.gaps).toEqual([]);
    expect(JSON.stringify(answer)).not.toContain(SECRET);
  });

  it('names the batch that the statement’s comment carried', async () => {
    const batches = await notes.target.query(
      `SELECT DISTINCT batch FROM crossfade.applied_log WHERE correlation_id = 'web-1'`,
    );

    const { steps } = await tell({ by: 'correlation', id: 'web-1' });

    expect(steps.find(({ what }) => what === 'applied')?.detail).toContain(`in batch ${batches.rows[0].batch}`);
  });

  it('is found by its row, by its position and by its idempotency key', async () => {
    const { rows } = await notes.legacy.query(
      `SELECT seq::text AS seq, idempotency_key FROM crossfade.outbox WHERE row_key = '[1]'`,
    );

    const found = [
      await tell({ by: 'row', table: 'notes', rowKey: '[1]' }),
      await tell({ by: 'seq', direction: 'forward', seq: rows[0].seq }),
      await tell({ by: 'idempotency', key: rows[0].idempotency_key }),
    ];

    expect(found.map(kinds)).toEqual(Array(3).fill(['captured', 'applied', 'published']));
  });

  it('tells what came over it later, and a delete by its tombstone', async () => {
    await write('web-2', 'DELETE FROM notes WHERE id = 2');
    await relay();

    const first = await tell({ by: 'correlation', id: 'web-1' });
    const last = await tell({ by: 'correlation', id: 'web-2' });

    expect(first.steps.filter(({ rowKey, what }) => rowKey === '[2]' && what === 'applied')).toHaveLength(2);
    expect(last.rows).toMatchObject([{ deleted: true, digests: { legacy: 'absent', target: 'absent' }, same: true }]);
  });

  it('masks digests with a salt, so that answers cannot be compared or guessed back', async () => {
    const migration = await notes.load();

    const [one, other] = [
      await traceWrite(migration, { by: 'correlation', id: 'web-1' }, 'a'),
      await traceWrite(migration, { by: 'correlation', id: 'web-1' }, 'b'),
    ];

    expect(one.rows[0]?.digests.target).toMatch(/^[0-9a-f]{12}$/);
    expect(one.rows[0]?.digests.target).not.toBe(other.rows[0]?.digests.target);
  });
});

describe('a write that failed', () => {
  it('is told with every try, its end, and what brought it back', async () => {
    await notes.target.query('BEGIN; SELECT 1 FROM notes WHERE id = 1 FOR UPDATE');
    await write('web-3', `UPDATE notes SET body = 'c' WHERE id = 1`);
    await relay();
    const message = queues().receive('forward')?.message;
    if (message === undefined) throw new Error('the update could not be applied, so its message waits');
    const migration = await notes.load();
    for (const receive of [1, 2, 3]) await retryEvent(migration, message, receive, 0);
    const dead = await tell({ by: 'correlation', id: 'web-3' });
    await notes.target.query('ROLLBACK');
    await notes.deps.databases.open('legacy', 'relay').query(redriveEvents(['dead'], { why: 'brought back by ann' }));
    await relay();

    const answer = await tell({ by: 'correlation', id: 'web-3' });

    expect(message.correlationId).toBe('web-3');
    expect(kinds(dead)).toEqual(['captured', 'retry', 'retry', 'retry', 'dead']);
    expect(kinds(answer)).toEqual(['captured', 'retry', 'retry', 'retry', 'dead', 'redriven', 'applied', 'published']);
    expect(answer.steps.map(({ detail }) => detail).join('\n')).toMatch(
      /1 try and 3 retries[\s\S]*brought back by ann/,
    );
  });

  it('is parked with its reason, and every log line about it has its correlation id', async () => {
    await write('web-4', `INSERT INTO notes VALUES (4, 'acme', 'poison')`);
    await relay();

    const answer = await tell({ by: 'correlation', id: 'web-4' });

    expect(kinds(answer)).toEqual(['captured', 'parked']);
    expect(answer.steps[1]?.detail).toContain('notes_body_check');
    expect(answer.rows).toMatchObject([{ version: null, same: false, digests: { target: 'absent' } }]);
    const lines = log.lines.filter(({ message }) => message.startsWith('event') || message.startsWith('an event'));
    expect(lines.map(({ fields }) => fields.correlationId)).toEqual(['web-3', 'web-4']);
    expect(JSON.stringify([answer, log.lines])).not.toContain('poison');
  });
});

describe('a write that no event carried over', () => {
  it('of a tenant that is off is told as suppressed', async () => {
    await write('web-5', `INSERT INTO notes VALUES (50, 'off', 'n')`);
    await relay();

    const answer = await tell({ by: 'correlation', id: 'web-5' });

    expect(kinds(answer)).toEqual(['captured', 'suppressed']);
    expect(answer.steps[1]?.detail).toContain('its tenant is off');
  });

  it('in the same batch as a newer one of its row is told as superseded', async () => {
    await write('web-6', `INSERT INTO notes VALUES (51, 'acme', 'old')`);
    await write('web-7', `UPDATE notes SET body = 'new' WHERE id = 51`);
    await relay();

    const older = await tell({ by: 'correlation', id: 'web-6' });

    expect(kinds(older)).toEqual(['captured', 'applied', 'superseded']);
    expect(older.steps[1]?.correlationId).toBe('web-7');
    expect(older.steps[2]?.detail).toContain('a newer state of the row was in the same batch');
  });

  it('of a repair is found by the batch of the repair', async () => {
    await notes.target.query(
      'ALTER TABLE notes DISABLE TRIGGER ALL; DELETE FROM notes WHERE id = 1; ALTER TABLE notes ENABLE TRIGGER ALL',
    );
    const migration = await notes.load();
    const table = migration.byName.get('notes');
    if (table === undefined) throw new Error('the plan has this table');
    await repairKeys(migration, table, 'forward', ['[1]'], 'repair-7');

    const answer = await tell({ by: 'correlation', id: 'repair-7' });

    expect(kinds(answer)).toEqual(['repaired']);
    expect(answer.steps[0]?.detail).toContain('in batch repair-7');
    expect(answer.rows).toMatchObject([{ version: expect.stringMatching(/^read 1\//), same: true }]);
  });
});

describe('untrusted text', () => {
  it('is cleaned by capture as it is by the functions', async () => {
    const nasty = `a*/ b'; DROP TABLE x; --\n\u0007é${'x'.repeat(300)}`;
    await write(nasty, `INSERT INTO notes VALUES (5, 'acme', 'n')`);

    const { rows } = await notes.legacy.query(`SELECT correlation_id FROM crossfade.outbox WHERE row_key = '[5]'`);

    expect(rows[0].correlation_id).toBe(cleanCorrelation(nasty));
    expect(rows[0].correlation_id).toHaveLength(128);
  });

  it('of a session that set none, or only rubbish, is no correlation id', async () => {
    await notes.legacy.query(`INSERT INTO notes VALUES (6, 'acme', 'n')`);
    await write('* *', `INSERT INTO notes VALUES (7, 'acme', 'n')`);

    const { rows } = await notes.legacy.query(
      `SELECT correlation_id FROM crossfade.outbox WHERE row_key IN ('[6]', '[7]')`,
    );

    expect(rows).toEqual([{ correlation_id: null }, { correlation_id: null }]);
  });
});

describe('a question', () => {
  it('is answered in the control table by the relay', async () => {
    const at = notes.deps.clock.now().toISOString();
    const state = { query: { by: 'correlation', id: 'web-1' }, requestedBy: 'ann', requestedAt: at, answer: null };
    await notes.deps.documents.put('progress', 'trace/1', { work: 'trace/1', state, at }, 'absent');

    await relay();

    const answered = await notes.deps.documents.get('progress', 'trace/1');
    expect(answered?.value.state.answer).toMatchObject({ gaps: [], truncated: false, steps: expect.any(Array) });
  });

  it('that nobody wants any more is removed after an hour', async () => {
    const at = new Date(Date.now() - 3_700_000).toISOString();
    const state = { query: { by: 'correlation', id: 'web-1' }, requestedBy: 'ann', requestedAt: at, answer: null };
    await notes.deps.documents.put('progress', 'trace/2', { work: 'trace/2', state, at }, 'absent');

    await carryOutTraces(await notes.load());

    expect(await notes.deps.documents.get('progress', 'trace/2')).toBeUndefined();
  });

  it('is answered with a gap when a store is down', async () => {
    const migration = await notes.load();
    const { databases } = notes.deps;
    const down = new SqlError('the store cannot be reached', { kind: 'unavailable' });
    const broken = {
      ...databases,
      open: (...[store, purpose]: Parameters<typeof databases.open>) =>
        store === 'legacy'
          ? databases.open(store, purpose)
          : { ...databases.open(store, purpose), query: () => Promise.reject(down) },
    };

    const answer = await traceWrite(
      { ...migration, deps: { ...notes.deps, databases: broken } },
      { by: 'correlation', id: 'web-1' },
      'salt',
    );

    expect(kinds(answer)).toEqual(['captured', 'captured', 'published', 'published']);
    expect(answer.gaps).toEqual(['target could not be asked: the store cannot be reached']);
  });
});

describe('a row that somebody wrote past the fence', () => {
  it('is explained by its history and by the columns that differ, without their values', async () => {
    await write('web-8', `INSERT INTO notes VALUES (80, 'acme', '${SECRET}')`);
    await relay();
    await notes.target.query('SET session_replication_role = replica');
    await notes.target.query(`UPDATE notes SET body = 'rogue-body' WHERE id = 80`);
    await notes.target.query('RESET session_replication_role');
    const { deps } = notes;
    // The relay looks while the operator waits.
    const clock = { now: () => new Date(), sleep: async () => carryOutTraces(await notes.load()) };
    const operator = {
      documents: deps.documents,
      clock,
      identity: { whoAmI: async () => 'ann' },
      command: (text: string) => `crossfade ${text}`,
    };

    // All that the use case reaches for.
    const explained = await explainDrift(operator as unknown as Operator, {
      table: 'notes',
      rowKey: '80',
      waitMs: 9_000,
    });

    expect(explained.steps.map(({ what }) => what)).toEqual(['captured', 'applied', 'published']);
    expect(explained.steps[0]?.correlationId).toBe('web-8');
    expect(explained.now).toMatchObject([
      { same: false, columns: ['body'], version: expect.stringMatching(/^event 1\//) },
    ]);
    expect(explained.verdict).toContain('they differ in body: drift that no delivery will mend');
    expect(JSON.stringify(explained)).not.toMatch(/rogue-body|body-that-nobody/);
  });
});

describe('a write on the target after the switchover', () => {
  it('is told the other way round', async () => {
    await installCapture(await notes.load(), 'reverse');
    for (const client of [notes.legacy, notes.target])
      await client.query(`UPDATE crossfade.control SET direction = 'reverse', authority = 2`);
    for (const tenant of ['*', 'acme'])
      await turnOn(notes.deps, 'reverse', { tenant, stage: 'rampdown', copied: true, why: 'test' });
    await notes.target.query('ALTER TABLE notes DISABLE TRIGGER crossfade_fence');
    await write('web-9', `INSERT INTO notes VALUES (90, 'acme', 'back')`, notes.target);
    await relay('reverse');

    const answer = await tell({ by: 'correlation', id: 'web-9' });

    expect(answer.steps.map(({ store, what, direction }) => [store, what, direction])).toEqual([
      ['target', 'captured', 'reverse'],
      ['legacy', 'applied', 'reverse'],
      ['target', 'published', 'reverse'],
    ]);
    expect(answer.rows).toMatchObject([{ direction: 'reverse', same: true }]);
  });
});
