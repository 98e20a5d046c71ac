/** Nothing grows for ever, and what was purged protects as before: the counterexamples of protocol §2 and §6, replayed after a purge. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tableNamed } from '../../lib/application/migration.ts';
import { type ClaimedEvent, deliver, toClaimed } from '../../lib/application/relay/deliver.ts';
import { retentionOf } from '../../lib/application/retention/retention.ts';
import { applyReads, repairKeys, toSnapshotRead } from '../../lib/application/rows/apply-reads.ts';
import { turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import { type ClaimedRow, claimEvents } from '../../lib/sql/relay/claim-events.ts';
import { readKeys, type SourceRow } from '../../lib/sql/source/read-rows.ts';
import { settle, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `CREATE TABLE notes (id integer PRIMARY KEY, tenant_id text NOT NULL, body text)`;
const PLAN = `
tenants: { column: tenant_id }
tables: { notes: {} }
retention: { outbox: 1m, appliedLog: 1m }
`;
const LONG_AGO = `now() - interval '30 days'`;

let test: TestMigration;
let app: pg.Client;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await startConverging(test, ['acme']);
  app = new pg.Client({ connectionString: urlOf(test.legacy) });
  await app.connect();
});

afterAll(async () => {
  await app?.end();
  await test?.close();
});

beforeEach(async () => {
  await test.legacy.query(
    `UPDATE crossfade.outbox SET state = 'pending' WHERE state IN ('parked', 'dead'); DELETE FROM notes`,
  );
  await settle(test);
  await test.legacy.query(`UPDATE crossfade.outbox SET captured_at = ${LONG_AGO}, touched_at = ${LONG_AGO}`);
  await test.target.query(`UPDATE crossfade.applied_log SET applied_at = ${LONG_AGO}`);
  await purge();
});

describe('row versions', () => {
  it('of delivered events and of reads go, tombstones and live rows alike', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a'), (2, 'acme', 'b')`);
    await settle(test);
    await repair(2);
    await test.legacy.query('DELETE FROM notes WHERE id = 1');
    await settle(test);
    expect(await versions()).toEqual(['[1] E', '[2] S']);

    await purge();

    expect(await versions()).toEqual([]);
  });

  it('of a purged row refuse a read that was on its way: the deleted row does not return', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a')`);
    await settle(test);
    const late = await readNow(1);
    await test.legacy.query('DELETE FROM notes WHERE id = 1');
    await settle(test);
    await purge();

    const migration = await test.load();
    const applied = await applyReads(
      migration,
      tableNamed(migration, 'notes'),
      'forward',
      toSnapshotRead(late),
      'late',
    );

    expect(applied.refused).toEqual(['[1]']);
    expect(await target()).toEqual([]);
  });

  it('of a purged row refuse a zombie: an older event that another worker still holds changes nothing', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'old')`);
    const zombie = await claim();
    await test.legacy.query(`UPDATE notes SET body = 'new' WHERE id = 1`);
    await settle(test);
    await purge();
    expect(await versions()).toEqual([]);

    await test.legacy.query(`UPDATE crossfade.outbox SET payload = '{"id":1,"tenant_id":"acme","body":"old"}'`);
    const marks = await deliver(await test.load(), 'forward', zombie, 'zombie');

    expect(marks.map(({ state }) => state)).toEqual(['covered']);
    expect(await target()).toEqual([{ id: 1, body: 'new' }]);
  });

  it('refuse a read taken while an older transaction was open, though a younger event holds the floor back', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'old')`);
    await settle(test);
    await app.query(`BEGIN; UPDATE notes SET body = 'new' WHERE id = 1`);
    await test.legacy.query(`INSERT INTO notes VALUES (2, 'acme', 'other')`);
    const late = await readNow(1);
    await app.query('COMMIT');
    await settle(test);
    await test.legacy.query(`INSERT INTO notes VALUES (3, 'acme', 'waits')`);
    await test.legacy.query(`UPDATE crossfade.outbox SET state = 'parked', reason = 'test' WHERE state = 'pending'`);
    await purge();

    const migration = await test.load();
    await applyReads(migration, tableNamed(migration, 'notes'), 'forward', toSnapshotRead(late), 'late');

    expect((await target()).find(({ id }) => id === 1)).toEqual({ id: 1, body: 'new' });
  });

  it('stay while an event that the floor would cover is parked, and go when it has ended', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a')`);
    await settle(test);
    await test.legacy.query(`UPDATE notes SET body = 'parked' WHERE id = 1`);
    await test.legacy.query(`UPDATE crossfade.outbox SET state = 'parked', reason = 'test' WHERE state = 'pending'`);
    const floor = await floorOf();

    await purge();
    await purge();
    // The first candidate was older than the event; none younger may become the floor.
    const held = await floorOf();
    await purge();
    expect(await floorOf()).toBe(held);
    await test.legacy.query(`UPDATE crossfade.outbox SET state = 'pending' WHERE state = 'parked'`);
    await settle(test);
    expect(await target()).toEqual([{ id: 1, body: 'parked' }]);
    await purge();

    expect(await floorOf()).not.toBe(floor);
    expect(await versions()).toEqual([]);
  });

  it('go though a transaction has been open since before, and that one’s event is applied', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a')`);
    await settle(test);
    await app.query(`BEGIN; UPDATE notes SET body = 'late' WHERE id = 1`);

    await purge();

    expect(await versions()).toEqual([]);
    await app.query('COMMIT');
    await settle(test);
    expect(await target()).toEqual([{ id: 1, body: 'late' }]);
  });

  it('are locked by nobody: an apply that waits for the floor judges by the new one', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a')`);
    await settle(test);
    const late = await readNow(1);
    await test.legacy.query(`UPDATE notes SET body = 'b' WHERE id = 1`);
    await settle(test);
    const holder = new pg.Client({ connectionString: urlOf(test.target) });
    await holder.connect();
    const [snapshot] = (await test.legacy.query('SELECT pg_current_snapshot()::text AS s')).rows;
    await holder.query('BEGIN');
    await holder.query('UPDATE crossfade.control SET floor = $1::pg_snapshot', [snapshot.s]);
    await holder.query('DELETE FROM crossfade.row_version');

    const migration = await test.load();
    const waiting = applyReads(migration, tableNamed(migration, 'notes'), 'forward', toSnapshotRead(late), 'late');
    await somebodyWaits(test.target);
    await holder.query('COMMIT');
    await holder.end();

    expect((await waiting).refused).toEqual(['[1]']);
    expect(await target()).toEqual([{ id: 1, body: 'b' }]);
  });
});

describe('a tenant that is off', () => {
  it('leaves no events behind, and is whole again when it is turned on after a purge', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a'), (2, 'acme', 'b')`);
    await settle(test);
    await turnOff(test.deps, 'forward', 'acme', 'test');
    await test.legacy.query(`DELETE FROM notes WHERE id = 1; UPDATE notes SET body = 'b2' WHERE id = 2`);
    await settle(test);
    await purge();
    expect((await test.legacy.query(`SELECT 1 FROM crossfade.outbox WHERE state = 'suppressed'`)).rows).toEqual([]);
    expect(await versions()).toEqual([]);

    await turnOn(test.deps, 'forward', { tenant: 'acme', stage: 'dualwrite', copied: false, why: 'test' });
    await repair(1, 2);

    expect(await target()).toEqual([{ id: 2, body: 'b2' }]);
  });
});

describe('outbox and applied log', () => {
  it('lose what has ended and is old, keep what is young, and keep what has not ended however old it is', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a'), (2, 'acme', 'b')`);
    await settle(test);
    await test.legacy.query(`UPDATE notes SET body = 'c' WHERE id = 2`);
    await test.legacy.query(`UPDATE crossfade.outbox SET state = 'dead', reason = 'test' WHERE state = 'pending'`);
    await test.legacy.query(
      `UPDATE crossfade.outbox SET captured_at = ${LONG_AGO}, touched_at = ${LONG_AGO} WHERE row_key = '[2]'`,
    );

    await purge();

    const { rows } = await test.legacy.query('SELECT row_key, state FROM crossfade.outbox ORDER BY seq');
    expect(rows).toEqual([
      { row_key: '[1]', state: 'published' },
      { row_key: '[2]', state: 'dead' },
    ]);
  });

  it('keep the newest entry of every row that is there, so that the way back knows Crossfade’s rows for good', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a'), (2, 'acme', 'b')`);
    await settle(test);
    await test.legacy.query(`UPDATE notes SET body = 'c' WHERE id = 1`);
    await settle(test);
    await test.legacy.query('DELETE FROM notes WHERE id = 2');
    await settle(test);
    await test.target.query(`UPDATE crossfade.applied_log SET applied_at = ${LONG_AGO}`);

    await purge();

    const { rows } = await test.target.query('SELECT row_key, action FROM crossfade.applied_log ORDER BY id');
    expect(rows).toEqual([{ row_key: '[1]', action: 'U' }]);
  });

  it('take nothing of what an undelivered event needs while the relay delivers and purges at once', async () => {
    const rounds = 40;
    for (let round = 0; round < rounds; round++) {
      await test.legacy.query(
        `INSERT INTO notes SELECT n, 'acme', $1::text FROM generate_series(1, 50) AS n ON CONFLICT (id) DO UPDATE SET body = excluded.body`,
        [`round ${round}`],
      );
      await test.legacy.query(`DELETE FROM notes WHERE id % 7 = $1::int`, [round % 7]);
      if (round % 4 === 0) await Promise.all([settle(test), purge()]);
    }

    await settle(test);
    await purge();

    const legacy = (await test.legacy.query('SELECT id, body FROM notes ORDER BY id')).rows;
    expect(await target()).toEqual(legacy);
  });
});

/** Several slices: one for a candidate, one for the floor, the rest for pages. */
async function purge(): Promise<void> {
  const options = { restMs: 60_000, floorEveryMs: 0, suppressedKeptMs: 0, sliceMs: 10_000, pageRows: 7 };
  for (let round = 0; round < 3; round++) await retentionOf(test.deps, options)();
}

async function repair(...ids: readonly number[]): Promise<void> {
  const migration = await test.load();
  const keys = ids.map((id) => `[${id}]`);
  await repairKeys(migration, tableNamed(migration, 'notes'), 'forward', keys, 'repair');
}

/** A read of the source that has not been applied yet. */
async function readNow(id: number): Promise<readonly SourceRow[]> {
  const migration = await test.load();
  const source = test.deps.databases.open('legacy', 'compare');
  return source.query<SourceRow>(readKeys(tableNamed(migration, 'notes'), migration.byName, 'forward', [`[${id}]`]));
}

async function claim(): Promise<{ readonly authority: string; readonly events: readonly ClaimedEvent[] }> {
  const source = test.deps.databases.open('legacy', 'relay');
  const rows = await source.query<ClaimedRow>(
    claimEvents({
      direction: 'forward',
      shard: 0,
      shards: 1,
      holder: 'zombie',
      leaseMs: 1,
      limit: 100,
      troubled: [],
      afterTenant: null,
    }),
  );
  await test.legacy.query('DELETE FROM crossfade.lease');
  return toClaimed(rows);
}

const target = async () => (await test.target.query('SELECT id, body FROM notes ORDER BY id')).rows;
const floorOf = async () => (await test.target.query('SELECT floor::text FROM crossfade.control')).rows[0].floor;
const versions = async () =>
  (await test.target.query(`SELECT row_key || ' ' || kind::text AS v FROM crossfade.row_version ORDER BY 1`)).rows.map(
    ({ v }) => v,
  );

async function somebodyWaits(admin: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await admin.query(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
    );
    if (rows.length > 0) return;
  }
}

function urlOf(client: pg.Client): string {
  return `postgres://${client.user}:${client.password}@${client.host}:${client.port}/${client.database}`;
}
