/** A sample reads about ten times the rows that it draws, whatever the planner knows of the table and however it is stored. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installSchemas } from '../../lib/application/install/install.ts';
import { type Migration, tableNamed } from '../../lib/application/migration.ts';
import { randomKeys } from '../../lib/sql/compare/changed-keys.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const ROWS = 60_000;
/** Pages are drawn at random: enough of them that chance never decides. */
const LIMIT = 500;
const TABLES_SQL = `
CREATE TABLE public.plain (id integer PRIMARY KEY, v text) WITH (autovacuum_enabled = off);
CREATE TABLE public.fresh (id integer PRIMARY KEY, v text) WITH (autovacuum_enabled = off);
CREATE TABLE public.few (id integer PRIMARY KEY, v text);
CREATE TABLE public.empty (id integer PRIMARY KEY, v text);
CREATE TABLE public.parted (id integer PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (20001) WITH (autovacuum_enabled = off);
CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES FROM (20001) TO (40001) WITH (autovacuum_enabled = off);
CREATE TABLE public.parted_3 PARTITION OF public.parted FOR VALUES FROM (40001) TO (60001) WITH (autovacuum_enabled = off);
INSERT INTO public.plain SELECT i, 'v' || i FROM generate_series(1, ${ROWS}) AS i;
INSERT INTO public.fresh SELECT i, 'v' || i FROM generate_series(1, ${ROWS}) AS i;
INSERT INTO public.parted SELECT i, 'v' || i FROM generate_series(1, ${ROWS}) AS i;
INSERT INTO public.few SELECT i, 'v' || i FROM generate_series(1, 40) AS i;
ANALYZE public.plain;
ANALYZE public.parted_1;
ANALYZE public.parted_2;`;
const NAMES = ['plain', 'fresh', 'few', 'empty', 'parted'];

let test: TestMigration;
let migration: Migration;

beforeAll(async () => {
  const plan = `tenants: { column: tenant_id }\ntables:\n${NAMES.map((name) => `  ${name}: { tenant: none }\n`).join('')}`;
  test = await aMigration({ plan, legacySql: TABLES_SQL });
  await installSchemas(test.deps);
  migration = await test.load();
});

afterAll(() => test?.close());

async function draw(name: string) {
  const { text, values } = randomKeys(tableNamed(migration, name), LIMIT);
  const { rows } = await test.legacy.query(`EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${text}`, [...values]);
  const drawn = await test.legacy.query<{ row_key: string }>(text, [...values]);
  return { read: rowsRead(rows[0]['QUERY PLAN'][0].Plan), keys: new Set(drawn.rows.map(({ row_key }) => row_key)) };
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Actual Rows': number;
  readonly Plans?: readonly PlanNode[];
}

function rowsRead(node: PlanNode): number {
  const own = node['Node Type'] === 'Sample Scan' ? node['Actual Rows'] : 0;
  return (node.Plans ?? []).reduce((sum, child) => sum + rowsRead(child), own);
}

it.each(['plain', 'parted', 'fresh'])(
  'of %s reads a share of the rows and draws as many as asked for',
  async (name) => {
    const { read, keys } = await draw(name);

    expect(keys.size).toBe(LIMIT);
    expect(read).toBeGreaterThanOrEqual(LIMIT);
    expect(read).toBeLessThan((2 * ROWS) / 3);
  },
);

it('takes every row of a table that has no more than asked for', async () => {
  const few = await draw('few');
  const empty = await draw('empty');

  expect(few.keys.size).toBe(40);
  expect(empty.keys.size).toBe(0);
});
