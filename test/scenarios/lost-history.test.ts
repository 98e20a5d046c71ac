/** A store that was restored to an earlier state is noticed before its delivery counts, and nothing is lost after recovery (protocol §8). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkHistory } from '../../lib/application/history/check-history.ts';
import { recoverId } from '../../lib/application/history/recover.ts';
import { openIncidents } from '../../lib/application/incidents/incidents.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { tenantStates } from '../../lib/application/tenants/exposure.ts';
import type { StoreName } from '../../lib/domain/direction.ts';
import { settle, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';

const SQL = 'CREATE TABLE notes (id integer PRIMARY KEY, tenant_id text NOT NULL, body text)';
const PLAN = `
tenants: { column: tenant_id }
tables: { notes: {} }
`;
const TABLES = [
  'crossfade.source',
  'crossfade.outbox',
  'crossfade.tenant_state',
  'crossfade.control',
  'crossfade.row_version',
  'crossfade.admission',
  'crossfade.applied_log',
  'crossfade.upkeep',
  'notes',
];

let test: TestMigration;

beforeEach(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await startConverging(test, ['acme']);
  await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'a'), (2, 'acme', 'b')`);
  await settle(test);
});

afterEach(() => test?.close());

describe('a history', () => {
  it('is intact while the token moves on, whoever moves it, and however often a relay dies in between', async () => {
    const seen: string[] = [];
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all([1, 2, 3].map(() => checkHistory(test.deps, 'forward')));
      seen.push(...answers.map(({ kind }) => kind));
      // Dies after the receiver remembers the next token, and after the source has it.
      if (round === 2)
        await test.target.query(
          `UPDATE crossfade.upkeep SET state = (state::jsonb || '{"next":{"n":"99","token":"next"}}')::text WHERE name = 'history'`,
        );
      if (round === 3) await test.legacy.query(`UPDATE crossfade.source SET acked_n = acked_n - 1`);
    }

    expect(new Set(seen)).toEqual(new Set(['intact']));
    expect(Number((await test.legacy.query('SELECT token_n FROM crossfade.source')).rows[0].token_n)).toBeGreaterThan(
      5,
    );
  });

  it('of legacy is lost when it was restored to before the last token', async () => {
    const backup = await dump('legacy');
    await checkHistory(test.deps, 'forward');
    await restore('legacy', backup);

    expect(await checkHistory(test.deps, 'forward')).toMatchObject({
      kind: 'lost',
      store: 'legacy',
      why: expect.stringContaining('token'),
    });
  });

  it('of legacy is lost when the token is there and the events that were applied last are not', async () => {
    await checkHistory(test.deps, 'forward');
    await test.legacy.query(`INSERT INTO notes VALUES (3, 'acme', 'c')`);
    const token = (await test.legacy.query('SELECT * FROM crossfade.source')).rows[0];
    const backup = await dump('legacy');
    await test.legacy.query(`INSERT INTO notes VALUES (4, 'acme', 'd')`);
    await settle(test);
    await restore('legacy', backup);
    // The failover lost the tail of the log only: as if the token had been written after the last check.
    const now = (
      await test.target.query(`SELECT state::json -> 'confirmed' AS t FROM crossfade.upkeep WHERE name = 'history'`)
    ).rows[0].t;
    await test.legacy.query('UPDATE crossfade.source SET token_n = $1, token = $2, acked_n = $3', [
      now.n,
      now.token,
      token.acked_n,
    ]);

    expect(await checkHistory(test.deps, 'forward')).toMatchObject({
      kind: 'lost',
      store: 'legacy',
      why: expect.stringContaining('event'),
    });
  });

  it('of legacy is lost when one number stands for two events', async () => {
    await checkHistory(test.deps, 'forward');
    await test.legacy.query(
      `UPDATE crossfade.outbox SET idempotency_key = 'another' WHERE seq = (SELECT max(seq) FROM crossfade.outbox)`,
    );

    expect(await checkHistory(test.deps, 'forward')).toMatchObject({
      kind: 'lost',
      store: 'legacy',
      why: expect.stringContaining('another event'),
    });
  });

  it('of the target is lost when it has forgotten what it had confirmed', async () => {
    const backup = await dump('target');
    await checkHistory(test.deps, 'forward');
    await restore('target', backup);

    expect(await checkHistory(test.deps, 'forward')).toMatchObject({ kind: 'lost', store: 'target' });
  });
});

describe('legacy restored', () => {
  it('holds delivery, and after recovery nothing of either history is lost or left over', async () => {
    const backup = await dump('legacy');
    // Lost with the crash: a changed row, a new one, a deleted one. All of them are in the target.
    await test.legacy.query(
      `UPDATE notes SET body = 'lost' WHERE id = 1; INSERT INTO notes VALUES (7, 'acme', 'lost'); DELETE FROM notes WHERE id = 2`,
    );
    await settle(test);
    await restore('legacy', backup);
    // Life goes on, with numbers that were used before.
    await test.legacy.query(
      `UPDATE notes SET body = 'new life' WHERE id = 2; INSERT INTO notes VALUES (8, 'acme', 'new life')`,
    );

    await relay();
    expect(await target()).toEqual([
      [1, 'lost'],
      [7, 'lost'],
    ]);
    expect((await openIncidents(test.deps)).map(({ id }) => id)).toEqual(['legacy/history-lost/forward']);
    expect((await test.deps.documents.get('control', 'control'))?.value.deliveryHeld?.why).toContain('recover');
    await relay();
    expect(await states()).toContain('pending');

    await recover();
    await test.legacy.query(`UPDATE notes SET body = 'newer' WHERE id = 1`);
    await relay();
    await copyAll();
    await settle(test);

    expect(await target()).toEqual(await legacy());
    expect(await openIncidents(test.deps)).toEqual([]);
    expect((await test.deps.documents.get('control', 'control'))?.value.deliveryHeld).toBeUndefined();
    expect(await checkHistory(test.deps, 'forward')).toEqual({ kind: 'intact' });
  });

  it('lets no zombie of the lost history in, and counts nobody as copied', async () => {
    const backup = await dump('legacy');
    await test.legacy.query(`INSERT INTO notes VALUES (7, 'acme', 'lost')`);
    await test.legacy
      .query('CREATE TABLE kept AS SELECT * FROM crossfade.outbox WHERE row_key = $1', ['[7]'])
      .catch(async () => {
        await test.legacy.query(`CREATE TABLE kept AS SELECT * FROM crossfade.outbox WHERE row_key = '[7]'`);
      });
    await settle(test);
    await restore('legacy', backup);
    await relay();
    await recover();
    await copyAll();

    await test.legacy.query(
      `INSERT INTO crossfade.outbox SELECT * FROM kept ON CONFLICT (seq) DO UPDATE SET state = 'pending', row_key = '[7]', op = 'U'`,
    );
    await settle(test);

    expect(await target()).toEqual(await legacy());
    const [acme] = (await tenantStates(test.deps, 'forward')).filter(({ tenant }) => tenant === 'acme');
    expect(acme).toMatchObject({ is_on: true, copied: false, stage: 'dualwrite' });
  });

  it('waits with the doors until the transactions of the old epoch are over, and loses none of them', async () => {
    const backup = await dump('legacy');
    await test.legacy.query(`INSERT INTO notes VALUES (7, 'acme', 'lost')`);
    await settle(test);
    await restore('legacy', backup);
    const other = await anotherClient('legacy');
    await other.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM notes`);
    await relay();
    await ask();
    await relay();
    expect((await test.deps.documents.get('progress', recoverId('forward')))?.value.state.carriedOutAt).toBeNull();

    await other.query(`INSERT INTO notes VALUES (9, 'acme', 'old epoch'); COMMIT`);
    await other.end();
    await recover();
    await copyAll();
    await settle(test);

    expect(await target()).toEqual(await legacy());
  });
});

describe('a recovery that is carried out twice', () => {
  it('does nothing the second time: doors stay open, tokens stay', async () => {
    const backup = await dump('legacy');
    await test.legacy.query(`INSERT INTO notes VALUES (7, 'acme', 'lost')`);
    await settle(test);
    await restore('legacy', backup);
    await relay();
    await recover();
    await copyAll();
    await settle(test);
    const id = recoverId('forward');
    const done = await test.deps.documents.get('progress', id);
    const doors = (await test.target.query('SELECT * FROM crossfade.admission ORDER BY tenant')).rows;

    const again = { ...done?.value.state, carriedOutAt: null };
    await test.deps.documents.put('progress', id, { work: id, at: new Date().toISOString(), state: again }, 'any');
    await recover();

    expect((await test.target.query('SELECT * FROM crossfade.admission ORDER BY tenant')).rows).toEqual(doors);
    expect(await checkHistory(test.deps, 'forward')).toEqual({ kind: 'intact' });
    expect(await openIncidents(test.deps)).toEqual([]);
  });
});

describe('the target restored', () => {
  it('holds delivery, and is whole again after recovery', async () => {
    const backup = await dump('target');
    await test.legacy.query(`UPDATE notes SET body = 'after the backup' WHERE id = 1; DELETE FROM notes WHERE id = 2`);
    await settle(test);
    await restore('target', backup);

    await relay();
    expect((await openIncidents(test.deps)).map(({ id }) => id)).toEqual(['target/history-lost/forward']);
    await recover();
    await copyAll();
    await settle(test);

    expect(await target()).toEqual(await legacy());
  });
});

const relay = () => relayUntilIdle(test.deps, 'forward', 300);

async function ask(): Promise<void> {
  const at = new Date().toISOString();
  const state = { requestedBy: 'somebody', requestedAt: at, why: 'test', carriedOutAt: null };
  await test.deps.documents.put('progress', recoverId('forward'), { work: recoverId('forward'), state, at }, 'any');
}

async function recover(): Promise<void> {
  if ((await test.deps.documents.get('progress', recoverId('forward'))) === undefined) await ask();
  for (let round = 0; round < 20; round++) {
    await relay();
    if ((await test.deps.documents.get('progress', recoverId('forward')))?.value.state.carriedOutAt !== null) return;
  }
  throw new Error('the recovery was not carried out');
}

/** What `backfill` does: every key of either store. */
async function copyAll(): Promise<void> {
  const migration = await test.load();
  const keys = new Set<string>();
  for (const client of [test.legacy, test.target])
    for (const { id } of (await client.query('SELECT id FROM notes')).rows) keys.add(`[${id}]`);
  await repairKeys(migration, tableNamed(migration, 'notes'), 'forward', [...keys], 'copy');
}

const target = async () =>
  (await test.target.query('SELECT id, body FROM notes ORDER BY id')).rows.map(({ id, body }) => [id, body]);
const legacy = async () =>
  (await test.legacy.query('SELECT id, body FROM notes ORDER BY id')).rows.map(({ id, body }) => [id, body]);
const states = async () =>
  (await test.legacy.query('SELECT DISTINCT state FROM crossfade.outbox')).rows.map(({ state }) => state);

type Backup = Readonly<Record<string, string>>;

/** Every table's rows and the sequence: what a restored copy would hold. */
async function dump(store: StoreName): Promise<Backup> {
  const kept: Record<string, string> = {};
  for (const table of TABLES)
    kept[table] = (
      await test[store].query(`SELECT coalesce(json_agg(t), '[]')::text AS rows FROM ${table} AS t`)
    ).rows[0].rows;
  kept.sequence = (await test[store].query('SELECT last_value::text AS v FROM crossfade.outbox_seq')).rows[0].v;
  return kept;
}

async function restore(store: StoreName, backup: Backup): Promise<void> {
  const client = test[store];
  await client.query('BEGIN; ALTER TABLE notes DISABLE TRIGGER ALL');
  for (const table of TABLES) {
    await client.query(`DELETE FROM ${table}`);
    const generated = table === 'crossfade.applied_log' ? 'OVERRIDING SYSTEM VALUE' : '';
    await client.query(
      `INSERT INTO ${table} ${generated} SELECT * FROM json_populate_recordset(NULL::${table}, $1::json)`,
      [backup[table]],
    );
  }
  await client.query(`SELECT setval('crossfade.outbox_seq', $1::bigint)`, [backup.sequence]);
  for (const trigger of (
    await client.query(`SELECT tgname FROM pg_trigger WHERE tgrelid = 'notes'::regclass AND tgname LIKE 'crossfade%'`)
  ).rows)
    await client.query(`ALTER TABLE notes ENABLE ALWAYS TRIGGER ${trigger.tgname}`);
  await client.query('COMMIT');
}

async function anotherClient(store: StoreName) {
  const { Client } = (await import('pg')).default;
  const { user, password, host, port, database } = test[store];
  const client = new Client({ user, password: String(password), host, port, database });
  await client.connect();
  return client;
}
