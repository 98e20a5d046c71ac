/** How many rows there are to copy of a table that is too large to be counted. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sizeTable } from '../../lib/application/backfill/size-table.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `
CREATE TABLE public.orders (id bigint PRIMARY KEY, tenant_id text);
CREATE TABLE public.lines (order_id bigint, line integer, PRIMARY KEY (order_id, line));
INSERT INTO orders SELECT i, CASE WHEN i % 10 = 0 THEN NULL WHEN i % 5 = 1 THEN 'acme' ELSE 'globex' END FROM generate_series(1, 10000) AS i;
ANALYZE orders;
`;
const PLAN = `
tenants: { column: tenant_id }
tables: { orders: {}, lines: { tenant: { parent: orders, on: { order_id: id } } } }
`;

let shop: TestMigration;

beforeAll(async () => {
  shop = await aMigration({ plan: PLAN, legacySql: SQL });
  // The catalogue says so without two million rows to insert; lines is empty, so its pages are few and its rows are taken as said.
  const { databases } = shop.deps;
  const session = databases.open('legacy', 'compare');
  Object.assign(shop.deps, {
    databases: {
      ...databases,
      open: () => ({
        ...session,
        query: async (statement: Parameters<typeof session.query>[0]) => {
          const isOfLines = statement.text.includes('reltuples') && statement.values.includes('"public"."lines"');
          return isOfLines ? [{ rows: 2_000_000, bytes: 100_000_000 }] : session.query(statement);
        },
      }),
    },
  });
});

afterAll(() => shop?.close());

it('is what the statistics give to the tenants that are copied, by the column in which its parents end', async () => {
  const migration = await shop.load();
  const lines = tableNamed(migration, 'lines');

  const acme = await sizeTable(migration, lines, ['acme']);
  const withShared = await sizeTable(migration, lines, ['acme', '*']);
  const nobody = await sizeTable(migration, lines, ["o'nobody"]);

  expect(acme).toMatchObject({ estimated: true, bytesEach: 50 });
  expect(acme.total).toBeGreaterThan(380_000);
  expect(acme.total).toBeLessThan(420_000);
  // The planner takes the two conditions for independent: 28 of 100, though it is 30.
  expect(withShared.total).toBeGreaterThan(520_000);
  expect(withShared.total).toBeLessThan(640_000);
  expect(nobody.total).toBeLessThan(1_000);
});
