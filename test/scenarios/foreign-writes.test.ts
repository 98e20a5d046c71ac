/** Who writes past the fence is named, and what would let writes escape or foreign ones in is noticed (protocol §3.6, §9). */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MemoryMetrics } from '../../lib/adapters/memory/metrics.ts';
import { incidentGate } from '../../lib/application/incidents/incident-gate.ts';
import { openIncidents } from '../../lib/application/incidents/incidents.ts';
import { noteForeignDrift } from '../../lib/application/incidents/note-foreign-drift.ts';
import { watchStores } from '../../lib/application/incidents/watch-stores.ts';
import { findBypasses } from '../../lib/application/install/bypass.ts';
import { fenceStore, installCapture, installSchemas, unfenceStore } from '../../lib/application/install/install.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { settle, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `
CREATE TABLE notes (id integer PRIMARY KEY, tenant_id text NOT NULL, body text);
CREATE TABLE moments (at timestamptz, tenant_id text NOT NULL, PRIMARY KEY (at)) PARTITION BY RANGE (at);
CREATE TABLE moments_2026 PARTITION OF moments FOR VALUES FROM ('2026-01-01Z') TO ('2027-01-01Z')`;
const PLAN = `
tenants: { column: tenant_id }
tables: { notes: {}, moments: {} }
`;

let test: TestMigration;
/** A superuser of the target, as somebody who means well uses it at night. */
let rogue: pg.Client;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await startConverging(test, ['acme']);
  rogue = new pg.Client({ connectionString: urlOf(test.target), application_name: 'hotfix.sh' });
  await rogue.connect();
});

afterAll(async () => {
  await rogue?.end();
  await test?.close();
});

beforeEach(async () => {
  await rogue.query('RESET ALL');
  await mend();
  await test.legacy.query('DELETE FROM notes; DELETE FROM moments');
  await settle(test);
  await repairAll();
  await watch();
});

describe('a write past the fence', () => {
  it('is refused with the fence in place, and leaves no trace', async () => {
    await expect(rogue.query(`INSERT INTO notes VALUES (1, 'acme', 'x')`)).rejects.toThrow(/fenced/);

    expect(await foreignWrites()).toEqual([]);
  });

  it('is named by role, application, table and key when only the fence was disabled', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a'), (2, 'acme', 'b')`);
    await settle(test);

    await past(
      `UPDATE notes SET body = 'rogue' WHERE id = 1; DELETE FROM notes WHERE id = 2; INSERT INTO notes VALUES (3, 'acme', 'c'); UPDATE notes SET id = 4 WHERE id = 3`,
    );
    await watch();

    const [incident, ...others] = await openForeign();
    expect(others).toEqual([]);
    expect(incident).toMatchObject({
      store: 'target',
      subject: expect.stringMatching(/^postgres\/hotfix\.sh\/.*\/notes$/),
      count: 5,
      sample: ['U [1]', 'D [2]', 'I [3]', 'U [3]', 'U [4]'],
    });
    expect((await incidentGate(test.deps)).pass).toBe(false);
  });

  it('names the moment as both stores print it, whatever the writer’s settings are', async () => {
    await rogue.query(`SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'`);
    await past(`INSERT INTO moments_2026 VALUES ('2026-06-01 00:00Z', 'acme')`);

    expect((await foreignWrites()).map(({ row_key }) => row_key)).toEqual(['["2026-06-01T00:00:00+00:00"]']);
  });

  it('is noticed as TRUNCATE too, also of a partition', async () => {
    await rogue.query('ALTER TABLE moments_2026 DISABLE TRIGGER crossfade_fence');
    await rogue.query('TRUNCATE moments_2026');

    expect((await foreignWrites()).map(({ op, table_name }) => `${op} ${table_name}`)).toEqual(['T moments']);
    await rogue.query(`UPDATE crossfade.foreign_write SET closed_at = now()`);
  });

  it('ends when its rows have been read afresh', async () => {
    await past(`INSERT INTO notes VALUES (9, 'acme', 'rogue')`);
    await watch();
    expect(await openForeign()).toHaveLength(1);

    await repairAll();
    await watch();

    expect(await openForeign()).toEqual([]);
    const closed = (await test.deps.documents.list('incident')).find(
      ({ value }) => value.kind === 'foreign-write' && value.closed?.by === 'repair',
    );
    expect(closed).toBeDefined();
  });

  it('is closed by a person, but not what came after', async () => {
    await past(`INSERT INTO notes VALUES (9, 'acme', 'rogue')`);
    await watch();
    const [incident] = await openForeign();
    const before = (await test.deps.documents.get('incident', incident?.id ?? ''))?.value;
    if (before === undefined) throw new Error('the foreign write has not become an incident');
    await past(`INSERT INTO notes VALUES (10, 'acme', 'rogue again')`);
    const closing = { by: 'somebody', at: incident?.lastAt ?? '', why: 'known' };
    await test.deps.documents.put('incident', incident?.id ?? '', { ...before, closing }, 'any');

    await watch();
    expect(await openForeign()).toHaveLength(1);
    await test.deps.documents.put(
      'incident',
      incident?.id ?? '',
      { ...before, closing: { ...closing, at: new Date(Date.now() + 5_000).toISOString() } },
      'any',
    );
    await watch();

    expect(await openForeign()).toEqual([]);
  });

  it('is found by its rows when every trigger was disabled: changed, added and removed ones', async () => {
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a'), (2, 'acme', 'b'), (3, 'acme', 'c')`);
    await settle(test);
    await rogue.query(
      `ALTER TABLE notes DISABLE TRIGGER ALL; UPDATE notes SET body = 'x' WHERE id = 1; DELETE FROM notes WHERE id = 2; INSERT INTO notes VALUES (7, 'acme', 'y'); ALTER TABLE notes ENABLE TRIGGER ALL`,
    );
    expect(await foreignWrites()).toEqual([]);

    const migration = await test.load();
    const drift = [1, 2, 3, 7].map((id) => ({ table: 'notes', rowKey: `[${id}]` }));
    await noteForeignDrift(migration, 'forward', drift);

    const noted = (await foreignWrites()).map(({ op, row_key, role_name }) => [op, row_key, role_name]);
    expect(noted.toSorted((one, other) => (one[1] < other[1] ? -1 : 1))).toEqual([
      ['U', '[1]', null],
      ['D', '[2]', null],
      ['I', '[7]', null],
    ]);
  });

  it('of Crossfade itself is none: events and repairs leave no trace', async () => {
    await test.legacy.query(
      `INSERT INTO notes VALUES (1, 'acme', 'a'); UPDATE notes SET body = 'b'; INSERT INTO moments VALUES ('2026-02-02Z', 'acme')`,
    );
    await settle(test);
    await repairAll();
    await test.legacy.query('DELETE FROM notes');
    await settle(test);

    expect(await foreignWrites()).toEqual([]);
  });

  it('is an application’s own right once the fence is taken away', async () => {
    const migration = await test.load();
    await unfenceStore(migration, 'target');

    await rogue.query(`INSERT INTO notes VALUES (1, 'acme', 'mine'); DELETE FROM notes`);

    expect(await foreignWrites()).toEqual([]);
  });
});

describe('a bypass is found', () => {
  it('in nothing that was installed as it should be', async () => {
    expect(await findBypasses(await test.load(), 'forward')).toEqual([]);
  });

  it.each([
    ['a disabled capture', 'legacy', 'ALTER TABLE notes DISABLE TRIGGER crossfade_capture', 'capture notes'],
    [
      'a capture that sleeps under replica',
      'legacy',
      'ALTER TABLE notes ENABLE TRIGGER crossfade_capture',
      'capture notes',
    ],
    ['every trigger disabled', 'legacy', 'ALTER TABLE notes DISABLE TRIGGER ALL', 'capture notes'],
    ['a dropped capture', 'legacy', 'DROP TRIGGER crossfade_capture ON notes', 'capture notes'],
    [
      'capture disabled on one partition',
      'legacy',
      'ALTER TABLE moments_2026 DISABLE TRIGGER crossfade_capture',
      'capture moments',
    ],
    ['TRUNCATE let in', 'legacy', 'DROP TRIGGER crossfade_truncate ON notes', 'capture notes'],
    [
      'a replaced capture function',
      'legacy',
      'CREATE OR REPLACE FUNCTION crossfade.capture_public_notes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
      'function capture_public_notes',
    ],
    [
      'a table made anew',
      'legacy',
      'CREATE TABLE n2 (LIKE notes INCLUDING ALL); DROP TABLE notes; ALTER TABLE n2 RENAME TO notes',
      'capture notes',
    ],
    [
      'a new partition without a fence',
      'target',
      `CREATE TABLE moments_2027 PARTITION OF moments FOR VALUES FROM ('2027-01-01Z') TO ('2028-01-01Z')`,
      'fence public.moments_2027',
    ],
    ['a disabled fence', 'target', 'ALTER TABLE notes DISABLE TRIGGER crossfade_fence', 'fence public.notes'],
    [
      'a fence that lets in somebody',
      'target',
      `CREATE OR REPLACE TRIGGER crossfade_fence BEFORE INSERT ON notes FOR EACH STATEMENT EXECUTE FUNCTION crossfade.refuse_write('app'); ALTER TABLE notes ENABLE ALWAYS TRIGGER crossfade_fence`,
      'fence-roles public.notes',
    ],
    [
      'a replaced fence function',
      'target',
      'CREATE OR REPLACE FUNCTION crossfade.refuse_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
      'function refuse_write',
    ],
    ['a dismissed witness', 'target', 'DROP TRIGGER crossfade_witness ON notes', 'witness notes'],
  ] as const)('%s', async (_, store, sql, expected) => {
    const client = test[store];
    await client.query('BEGIN');
    await client.query(sql);
    await client.query('COMMIT');

    const found = await findBypasses(await test.load(), 'forward');

    expect(found.map(({ kind, object }) => `${kind} ${object}`)).toContain(expected);
    expect(found.every((bypass) => bypass.store === store)).toBe(true);
    await mend();
    expect(await findBypasses(await test.load(), 'forward')).toEqual([]);
  });

  it('in a role or a database that skips triggers', async () => {
    const database = (await test.legacy.query('SELECT current_database() AS name')).rows[0].name;
    await test.legacy.query(`ALTER DATABASE "${database}" SET session_replication_role = 'replica'`);

    const found = await findBypasses(await test.load(), 'forward');

    expect(found).toEqual([expect.objectContaining({ kind: 'replication-role', store: 'legacy' })]);
    await test.legacy.query(`ALTER DATABASE "${database}" RESET session_replication_role`);
  });

  it('and is an incident that stays open when it is mended, until a clean full pass has begun since', async () => {
    await test.legacy.query('ALTER TABLE notes DISABLE TRIGGER crossfade_capture');
    await watch();
    expect((await incidentGate(test.deps, { mended: false })).reasons.join()).toContain('legacy/bypass/capture/notes');
    expect(metric('legacy')).toBe(1);

    await mend();
    await watch();
    expect((await incidentGate(test.deps, { mended: false })).pass).toBe(true);
    expect((await incidentGate(test.deps)).pass).toBe(false);
    const startedAt = new Date(Date.now() + 1_000).toISOString();
    await test.deps.documents.put(
      'cycle',
      startedAt,
      {
        execution: 'e',
        startedAt,
        endedAt: startedAt,
        mode: 'checksum',
        scopeKind: 'full',
        tenants: [],
        tables: [],
        rows: 0,
        drift: 0,
        driftPercent: 0,
        upperBoundPercent: 0,
        complete: true,
        failed: false,
      },
      'any',
    );
    await watch();

    expect((await incidentGate(test.deps)).pass).toBe(true);
    expect(metric('legacy')).toBe(0);
  });
});

async function mend(): Promise<void> {
  const migration = await test.load();
  await installSchemas(test.deps);
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
}

async function watch(): Promise<void> {
  await watchStores(await test.load(), 'forward');
}

async function past(sql: string): Promise<void> {
  await rogue.query(
    'ALTER TABLE notes DISABLE TRIGGER crossfade_fence; ALTER TABLE moments DISABLE TRIGGER crossfade_fence; ALTER TABLE moments_2026 DISABLE TRIGGER crossfade_fence',
  );
  await rogue.query(sql);
  await rogue.query(
    'ALTER TABLE notes ENABLE ALWAYS TRIGGER crossfade_fence; ALTER TABLE moments ENABLE ALWAYS TRIGGER crossfade_fence; ALTER TABLE moments_2026 ENABLE ALWAYS TRIGGER crossfade_fence',
  );
}

/** Every row that is in either store. */
async function repairAll(): Promise<void> {
  const migration = await test.load();
  for (const name of ['notes', 'moments']) {
    const keys = new Set<string>();
    for (const client of [test.legacy, test.target])
      for (const { key } of (
        await client.query(`SELECT json_build_array(${name === 'notes' ? 'id' : 'at'})::text AS key FROM ${name}`)
      ).rows)
        keys.add(key);
    for (const { row_key } of (await foreignWrites()).filter(({ table_name }) => table_name === name))
      if (row_key !== null) keys.add(row_key);
    await repairKeys(migration, tableNamed(migration, name), 'forward', [...keys], 'repair-all');
  }
  await test.target.query(
    `UPDATE crossfade.foreign_write SET closed_at = now(), closed_by = 'test' WHERE closed_at IS NULL AND NOT EXISTS (SELECT FROM crossfade.applied_log l WHERE l.row_key = foreign_write.row_key AND l.kind = 'S')`,
  );
}

const foreignWrites = async () =>
  (
    await test.target.query(
      `SELECT op::text AS op, table_name, row_key, role_name FROM crossfade.foreign_write WHERE closed_at IS NULL ORDER BY id`,
    )
  ).rows;
const openForeign = async () => (await openIncidents(test.deps)).filter(({ kind }) => kind === 'foreign-write');

function metric(store: 'legacy' | 'target'): number | undefined {
  const recorded = (test.deps.metrics as MemoryMetrics).all.filter(
    ({ name, dimensions }) => name === 'foreignWrites' && dimensions.store === store,
  );
  return recorded.at(-1)?.value;
}

function urlOf(client: pg.Client): string {
  return `postgres://${client.user}:${client.password}@${client.host}:${client.port}/${client.database}`;
}
