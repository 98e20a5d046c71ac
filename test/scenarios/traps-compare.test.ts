/** Ways in which other tools have called different stores equal, or harmed the stores by comparing them (prior art). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openIncidents } from '../../lib/application/incidents/incidents.ts';
import { watchStores } from '../../lib/application/incidents/watch-stores.ts';
import type { Migration } from '../../lib/application/migration.ts';
import { comparePass, type PassResult } from '../../lib/application/reconcile/compare-pass.ts';
import { planComparison } from '../../lib/application/reconcile/comparison.ts';
import { DIGEST_FORMS, type DigestForm } from '../../lib/domain/digest.ts';
import type { Databases } from '../../lib/ports/sql.ts';
import { settle, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `
CREATE TABLE items (id integer PRIMARY KEY, tenant_id text, code text, note text, amount numeric, updated_at timestamptz NOT NULL DEFAULT '2026-01-01Z');
CREATE UNIQUE INDEX items_code ON items (code) INCLUDE (note);
INSERT INTO items SELECT i, 'acme', 'c' || i, CASE WHEN i % 2 = 0 THEN 'n' || i END, i FROM generate_series(1, 60) AS i`;
const PLAN = `
tenants: { column: tenant_id }
reconcile: { chunkRows: 20, splitRows: 5, recheckAfter: 520ms }
tables: { items: { updatedAtColumn: updated_at, columns: { score: { owner: target } } } }
`;

let test: TestMigration;
let migration: Migration;
let passes = 0;

beforeAll(async () => {
  test = await aMigration({
    plan: PLAN,
    legacySql: SQL,
    targetSql: `${SQL}; ALTER TABLE items ADD COLUMN score integer DEFAULT 7`,
  });
  await startConverging(test, ['acme']);
  migration = await test.load();
});

afterAll(() => test?.close());

beforeEach(async () => {
  const { rows } = await test.legacy.query(`SELECT coalesce(json_agg(t), '[]')::text AS rows FROM items AS t`);
  await test.target.query(`SET SESSION AUTHORIZATION "${test.roles.apply}"`);
  await test.target.query('DELETE FROM items');
  await test.target.query(
    'INSERT INTO items (id, tenant_id, code, note, amount, updated_at) SELECT id, tenant_id, code, note, amount, updated_at FROM json_populate_recordset(NULL::items, $1::json)',
    [rows[0].rows],
  );
  await test.target.query('RESET SESSION AUTHORIZATION');
});

async function plant(sql: string): Promise<void> {
  await test.target.query(`SET SESSION AUTHORIZATION "${test.roles.apply}"`);
  await test.target.query(sql);
  await test.target.query('RESET SESSION AUTHORIZATION');
}

async function pass(form: DigestForm, databases: Databases = test.deps.databases): Promise<PassResult> {
  const watched = { ...migration, deps: { ...migration.deps, databases } };
  const wish = { mode: 'checksum', form, tenants: ['*', 'acme'], tables: [] } as const;
  const comparison = await planComparison(watched, 'forward', wish);
  passes += 1;
  const result = await comparePass(watched, comparison, { id: `pass-${passes}`, until: new Date(Date.now() + 60_000) });
  if (result === undefined) throw new Error('a minute was not enough');
  return result;
}

describe.each(DIGEST_FORMS)('the digest in the form %s', (form) => {
  it.each([
    [
      'two rows that have exchanged what they hold',
      `UPDATE items SET note = CASE id WHEN 2 THEN 'n4' ELSE 'n2' END WHERE id IN (2, 4)`,
      [2, 4],
    ],
    [
      'one value up and another down by as much',
      `UPDATE items SET amount = amount + CASE id WHEN 8 THEN 1 ELSE -1 END WHERE id IN (8, 9)`,
      [8, 9],
    ],
    ['two rows that were changed alike', `UPDATE items SET note = 'same' WHERE id IN (10, 12)`, [10, 12]],
    ['a row that took the place of another', `UPDATE items SET id = 100 WHERE id = 60`, [60, 100]],
    [
      'rows that hold a NULL, before and after',
      `UPDATE items SET note = CASE WHEN note IS NULL THEN 'x' END WHERE id IN (3, 6)`,
      [3, 6],
    ],
    ['a row without a tenant', `UPDATE items SET tenant_id = NULL WHERE id = 5`, [5]],
    [
      'a change that did not touch updated_at, and a delete',
      `UPDATE items SET amount = 0 WHERE id = 20; DELETE FROM items WHERE id = 21`,
      [20, 21],
    ],
  ])('does not cancel out over %s', async (_, sql, ids) => {
    await plant(sql);

    const { drift, rows } = await pass(form);

    expect(drift.map(({ rowKey }) => rowKey).sort()).toEqual(ids.map((id) => `[${id}]`).sort());
    expect(rows).toBeGreaterThanOrEqual(60);
  });
});

describe('a comparison', () => {
  it('opens no transaction, and holds no snapshot from one statement to the next', async () => {
    await plant(`UPDATE items SET note = 'x' WHERE id IN (1, 30, 59)`);
    const { databases } = test.deps;
    const held: unknown[] = [];
    const look = async () => {
      for (const store of ['legacy', 'target'] as const)
        held.push(
          ...(
            await test[store].query(
              `SELECT state, left(query, 80) AS query FROM pg_stat_activity WHERE datname = current_database() AND usename = $1 AND state <> 'active' AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)`,
              [test.roles.compare],
            )
          ).rows,
        );
    };
    let statements = 0;
    const watched: Databases = {
      ...databases,
      open: (store, purpose) => ({
        ...databases.open(store, purpose),
        transaction: () => Promise.reject(new Error(`${purpose} opened a transaction in ${store}`)),
        query: async (statement) => {
          const rows = await databases.open(store, purpose).query(statement);
          statements += 1;
          await look();
          // What the port promises.
          return rows as never;
        },
      }),
    };

    const { drift } = await pass('fast', watched);

    expect(drift).toHaveLength(3);
    expect(held).toEqual([]);
    expect(statements).toBeGreaterThan(10);
  });
});

describe('an apply', () => {
  it('leaves alone what another path has written to columns that are not its own', async () => {
    await plant('UPDATE items SET score = 99 WHERE id = 14');

    await test.legacy.query(`UPDATE items SET note = 'by the application' WHERE id = 14`);
    await settle(test);

    expect((await test.target.query('SELECT note, score FROM items WHERE id = 14')).rows).toEqual([
      { note: 'by the application', score: 99 },
    ]);
    expect((await pass('exact')).drift).toEqual([]);
  });

  it('settles a collision by the key columns of a covering index alone', async () => {
    await test.legacy.query(
      `UPDATE items SET code = 'free' WHERE id = 40; UPDATE items SET code = 'c40', note = 'another note' WHERE id = 41`,
    );
    await test.legacy.query(
      `UPDATE crossfade.outbox SET not_before = clock_timestamp() + interval '1 second' WHERE state = 'pending' AND row_key = '[40]'`,
    );
    await settle(test);

    expect((await pass('exact')).drift).toEqual([]);
    expect((await test.target.query('SELECT code FROM items WHERE id IN (40, 41) ORDER BY id')).rows).toEqual([
      { code: 'free' },
      { code: 'c40' },
    ]);
  });
});

describe('a column that is added to legacy while the migration runs', () => {
  it('is an incident, because no comparison would see it, until it is carried', async () => {
    await test.legacy.query(`ALTER TABLE items ADD COLUMN extra text`);
    await watchStores(await test.load(), 'forward');

    expect(await openIncidents(test.deps)).toMatchObject([
      {
        store: 'legacy',
        subject: 'column/items.extra',
        says: 'column items.extra is only in legacy: what it holds is not carried over, and no comparison sees it',
      },
    ]);

    await test.target.query(`ALTER TABLE items ADD COLUMN extra text`);
    await watchStores(await test.load(), 'forward');
    expect((await openIncidents(test.deps)).every(({ mendedAt }) => mendedAt !== undefined)).toBe(true);
  });
});
