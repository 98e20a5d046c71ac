/** Each of Crossfade's database roles can do its work in Crossfade's schema and nothing else; an application has no way in (design §9). */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PURPOSES, type Purpose } from '../../lib/ports/sql.ts';
import { startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `
CREATE TABLE notes (id integer PRIMARY KEY, tenant_id text NOT NULL, body text)`;
const PLAN = `
tenants: { column: tenant_id }
tables: { notes: {} }
`;
const TABLES = [
  'source',
  'outbox',
  'tenant_state',
  'lease',
  'control',
  'row_version',
  'admission',
  'repair_queue',
  'applied_log',
  'upkeep',
  'foreign_write',
  'installed',
] as const;

let test: TestMigration;
let app: pg.Client;
let role: string;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await startConverging(test, ['acme']);
  role = `app_${test.roles.apply}`;
  await test.legacy.query(
    `CREATE ROLE "${role}" LOGIN PASSWORD 'test-only'; GRANT USAGE ON SCHEMA public TO "${role}"; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON notes TO "${role}"`,
  );
  const { host, port, database } = test.legacy;
  app = new pg.Client({ host, port, database, user: role, password: 'test-only' });
  await app.connect();
});

afterAll(async () => {
  await app?.end();
  await test?.legacy.query(`DROP OWNED BY "${role}"; DROP ROLE "${role}"`);
  await test?.close();
});

describe('an application', () => {
  it('writes its tables and is captured, without any right on the outbox', async () => {
    await app.query(`INSERT INTO notes VALUES (1, 'acme', 'a')`);

    expect((await test.legacy.query('SELECT row_key FROM crossfade.outbox')).rows).toEqual([{ row_key: '[1]' }]);
  });

  it.each(TABLES)('neither reads nor writes crossfade.%s', async (table) => {
    await expect(app.query(`SELECT count(*) FROM crossfade.${table}`)).rejects.toThrow('permission denied');
    await expect(app.query(`DELETE FROM crossfade.${table}`)).rejects.toThrow('permission denied');
  });

  it('cannot put events of others into the outbox, nor take numbers of it', async () => {
    await expect(app.query(`SELECT crossfade.emit_public_notes(1, 'globex')`)).rejects.toThrow('permission denied');
    await expect(app.query(`SELECT nextval('crossfade.outbox_seq')`)).rejects.toThrow('permission denied');
  });

  it('cannot disable capture, nor replace what it calls', async () => {
    await expect(app.query('ALTER TABLE notes DISABLE TRIGGER crossfade_capture')).rejects.toThrow('must be owner');
    await expect(
      app.query('CREATE FUNCTION crossfade.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$'),
    ).rejects.toThrow('permission denied');
    await expect(app.query('TRUNCATE notes')).rejects.toThrow('row by row');
    await expect(app.query('SET session_replication_role = replica')).rejects.toThrow('permission denied');
  });

  it('cannot lead capture astray by objects of its own', async () => {
    await app.query(
      `CREATE TEMP TABLE outbox (seq bigint); CREATE TEMP TABLE notes (id integer, tenant_id text, body text)`,
    );
    await app.query('SET search_path = pg_temp, public');
    await app.query(`INSERT INTO public.notes VALUES (2, 'acme', 'b')`);
    await app.query('RESET search_path; DROP TABLE pg_temp.outbox, pg_temp.notes');

    const { rows } = await test.legacy.query(
      `SELECT payload ->> 'body' AS body FROM crossfade.outbox WHERE row_key = '[2]'`,
    );
    expect(rows).toEqual([{ body: 'b' }]);
  });
});

describe('functions of the schema', () => {
  it('that run as their owner pin the search_path', async () => {
    for (const client of [test.legacy, test.target]) {
      const { rows } = await client.query(
        `SELECT proname FROM pg_proc WHERE pronamespace = 'crossfade'::regnamespace AND prosecdef AND NOT coalesce(array_to_string(proconfig, ';') LIKE '%search_path=pg_catalog, pg_temp%', false)`,
      );
      expect(rows).toEqual([]);
    }
  });

  it('belong to the install role and to nobody who logs in for an application', async () => {
    const { rows } = await test.legacy.query(
      `SELECT DISTINCT pg_get_userbyid(proowner) AS owner FROM pg_proc WHERE pronamespace = 'crossfade'::regnamespace`,
    );
    expect(rows).toEqual([{ owner: test.roles.install }]);
  });
});

describe('a purpose', () => {
  /** Tables that each purpose may change; everything else it may at most read. */
  const WRITES: Readonly<Partial<Record<Purpose, readonly string[]>>> = {
    relay: ['source', 'outbox', 'tenant_state', 'lease', 'event_log'],
    apply: [
      'control',
      'row_version',
      'admission',
      'repair_queue',
      'applied_log',
      'upkeep',
      'foreign_write',
      'before_image',
    ],
    backfill: ['control', 'row_version', 'admission', 'repair_queue', 'applied_log', 'before_image', 'repair_image'],
    compare: [],
    fence: ['control', 'source', 'tenant_state'],
    read: [],
  };

  it.each(PURPOSES.filter((purpose) => purpose !== 'install'))(
    '%s changes no table of the schema but its own',
    async (purpose) => {
      for (const client of [test.legacy, test.target]) {
        const { rows } = await client.query(
          `SELECT DISTINCT c.relname::text AS name FROM pg_class AS c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
         WHERE c.relnamespace = 'crossfade'::regnamespace AND c.relkind = 'r' AND has_table_privilege($1, c.oid, privilege) ORDER BY 1`,
          [test.roles[purpose]],
        );
        expect(WRITES[purpose]).toEqual(expect.arrayContaining(rows.map(({ name }) => name)));
      }
    },
  );

  it.each(PURPOSES.filter((purpose) => !['install', 'fence'].includes(purpose)))(
    '%s owns nothing and is no member of an owner',
    async (purpose) => {
      const { rows } = await test.legacy.query(
        `SELECT pg_has_role($1, 'postgres', 'MEMBER') AS member, (SELECT count(*)::int FROM pg_class WHERE relowner = $1::regrole) AS owns`,
        [test.roles[purpose]],
      );
      expect(rows).toEqual([{ member: false, owns: 0 }]);
    },
  );

  it('read sees no row contents in the outbox', async () => {
    const read = test.deps.databases.open('legacy', 'read');

    await expect(read.query({ text: 'SELECT payload FROM crossfade.outbox', values: [] })).rejects.toThrow(
      'permission denied',
    );
    expect(await read.query({ text: 'SELECT seq FROM crossfade.outbox LIMIT 1', values: [] })).toHaveLength(1);
  });

  it('that reads whole tables gets an error from a policy, and never fewer rows', async () => {
    await test.legacy.query(
      `ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON notes USING (body = 'a')`,
    );
    const refused = await Promise.allSettled(
      (['relay', 'compare', 'backfill'] as const).map((purpose) =>
        test.deps.databases.open('legacy', purpose).query({ text: 'SELECT count(*) FROM notes', values: [] }),
      ),
    );
    await test.legacy.query('ALTER TABLE notes DISABLE ROW LEVEL SECURITY; DROP POLICY own ON notes');

    expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  it('of the live path has 500 ms for a statement, and lets go of what a dead session held', async () => {
    const [settings] = await test.deps.databases.open('target', 'apply').query({
      text: `SELECT current_setting('statement_timeout') AS statement, current_setting('idle_in_transaction_session_timeout') AS idle`,
      values: [],
    });

    expect(settings).toEqual({ statement: '500ms', idle: '10s' });
  });
});
