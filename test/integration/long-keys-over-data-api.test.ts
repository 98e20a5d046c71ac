/** Keys of a kilobyte and more through the Data API: its answers end at 1 MiB, and thousands of rows differ. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import type { Migration } from '../../lib/application/migration.ts';
import { comparePass } from '../../lib/application/reconcile/compare-pass.ts';
import type { Comparison } from '../../lib/application/reconcile/comparison.ts';
import { listChanged, WINDOW_START, type WindowPlace } from '../../lib/application/reconcile/list-changed.ts';
import { sightRows } from '../../lib/application/reconcile/sight-rows.ts';
import type { SqlSession } from '../../lib/ports/sql.ts';
import { startTestDataApi, type TestDataApi } from '../support/data-api.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { overDataApi } from '../support/over-data-api.ts';

/** The longest that an index takes are 2704 bytes, less what compression saves: md5 leaves nothing to compress. */
const longKey = (digests: number) =>
  `(SELECT string_agg(md5(i || '-' || place), '' ORDER BY place) FROM generate_series(1, ${digests}) AS place)`;
const SQL = `
CREATE TABLE public.long (id text COLLATE "C" PRIMARY KEY, v integer);
CREATE TABLE public.longest (id text COLLATE "C" PRIMARY KEY, v integer);
INSERT INTO public.long SELECT ${longKey(32)}, i FROM generate_series(1, 12000) AS i;
INSERT INTO public.longest SELECT ${longKey(80)}, i FROM generate_series(1, 600) AS i;`;
const PLAN = 'tenants: none\nreconcile: { recheckAfter: 1s }\ntables: { long: , longest: }';
const MIB = 1024 * 1024;

let api: TestDataApi;
let test: TestMigration;
let migration: Migration;
let largest = 0;

beforeAll(async () => {
  api = await startTestDataApi();
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(test.deps);
  const databases = overDataApi(api, test);
  const clock = { ...test.deps.clock, sleep: async () => {} };
  const open = (...of: Parameters<typeof databases.open>): SqlSession => {
    const session = databases.open(...of);
    const query: SqlSession['query'] = async <Row>(statement: Parameters<SqlSession['query']>[0]) => {
      const rows = await session.query<Row>(statement);
      largest = Math.max(largest, Buffer.byteLength(JSON.stringify(rows)));
      return rows;
    };
    return { ...session, query };
  };
  const deps = { ...test.deps, clock, databases: { ...databases, open } as typeof databases };
  migration = { ...(await test.load()), deps };
});

afterAll(async () => {
  await test?.close();
  await api?.stop();
});

const comparison = (table: string, form: 'fast' | 'exact'): Comparison => ({
  mode: 'checksum',
  direction: 'forward',
  tenants: ['*'],
  leftOut: [],
  tables: [{ table, fingerprint: { form, columns: 'all' }, tenants: null }],
});
const keysOf = async (sql: string) =>
  (await test.legacy.query<{ key: string }>(sql)).rows.map(({ key }) => JSON.stringify([key])).sort();

it.for(['fast', 'exact'] as const)(
  'finds 5000 rows by keys of 1 KB in the %s form, in bounded answers',
  async (form) => {
    await test.target.query('UPDATE long SET v = -v WHERE v % 12 < 5 AND v > 0');
    largest = 0;

    const until = new Date(8.64e15);
    const result = await comparePass(migration, comparison('long', form), { id: `long-${form}`, until });

    expect(result?.drift.map(({ rowKey }) => rowKey).sort()).toEqual(
      await keysOf('SELECT id AS key FROM long WHERE v % 12 < 5'),
    );
    expect(result).toMatchObject({ rows: 12_000, inFlight: 0, unsettled: 0 });
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThan(MIB);
  },
);

it('sees a page of rows whose keys alone are over the limit', async () => {
  const keys = await keysOf('SELECT id AS key FROM longest');
  const [table] = comparison('longest', 'fast').tables;
  if (table === undefined) throw new RangeError('there is no table');
  largest = 0;

  const sights = await sightRows(migration, comparison('longest', 'fast'), table, keys);

  expect(sights.map(({ rowKey }) => rowKey)).toEqual(keys);
  expect(sights.every(({ legacy, target }) => legacy !== null && legacy === target)).toBe(true);
  expect(keys.join('').length).toBeGreaterThan(MIB);
  expect(largest).toBeLessThan(MIB);
});

it('finds every row by the longest keys, of which a part does not fit into one answer', async () => {
  await test.target.query('UPDATE longest SET v = -v');
  largest = 0;

  const until = new Date(8.64e15);
  const result = await comparePass(migration, comparison('longest', 'exact'), { id: 'longest', until });

  expect(result?.drift.map(({ rowKey }) => rowKey).sort()).toEqual(await keysOf('SELECT id AS key FROM longest'));
  expect(result).toMatchObject({ rows: 600, inFlight: 0, unsettled: 0 });
  expect(largest).toBeLessThan(MIB);
});

it('lists what changed in answers of 64 KB a row, though the keys of one page of events are megabytes', async () => {
  await installCapture(await test.load(), 'forward');
  const reach = { since: new Date(test.deps.clock.now().getTime() - 3_600_000).toISOString(), snapshot: null };
  await test.legacy.query('UPDATE long SET v = v WHERE v % 8 = 0');

  const found: string[] = [];
  for (let place: WindowPlace | null = WINDOW_START; place !== null; ) {
    const changed: Awaited<ReturnType<typeof listChanged>> = await listChanged(
      migration,
      comparison('long', 'fast'),
      reach,
      place,
    );
    for (const [, rowKey] of changed.keys) found.push(rowKey);
    place = changed.next;
  }

  expect(found.sort()).toEqual(await keysOf('SELECT id AS key FROM long WHERE v % 8 = 0'));
});
