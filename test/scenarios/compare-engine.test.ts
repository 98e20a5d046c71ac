/** The engine on two real majors: whatever the key's shape and wherever rows are, the keys it finds are those that differ, in few round trips. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installSchemas } from '../../lib/application/install/install.ts';
import { type Migration, tableNamed } from '../../lib/application/migration.ts';
import { cutTable } from '../../lib/application/reconcile/chunk-table.ts';
import { comparePass } from '../../lib/application/reconcile/compare-pass.ts';
import { compareSpan, type SpanOptions } from '../../lib/application/reconcile/compare-span.ts';
import type { ComparedTable, Comparison } from '../../lib/application/reconcile/comparison.ts';
import { nameColumns } from '../../lib/application/reconcile/name-columns.ts';
import { type ChunkSpan, chunksOf, partsOf } from '../../lib/domain/chunk.ts';
import { STORES } from '../../lib/domain/direction.ts';
import { SqlError, type SqlSession } from '../../lib/ports/sql.ts';
import { digestParts } from '../../lib/sql/compare/digest-range.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

/** Key columns, and the key of row `i` of a hundred. */
const SHAPES: Readonly<Record<string, readonly [columns: string, key: string, names: string]>> = {
  by_int: ['id integer', 'i * 3', 'id'],
  by_bigint: ['id bigint', `i * 90071992547409::bigint`, 'id'],
  by_uuid: ['id uuid', 'md5(i::text)::uuid', 'id'],
  by_text: ['id text COLLATE "und-x-icu"', `chr(64 + i % 40) || CASE WHEN i % 2 = 0 THEN 'ä' ELSE '_Z' END || i`, 'id'],
  by_quoted: ['id text COLLATE "C"', `'Key"' || chr(192 + i % 30) || i || ','`, 'id'],
  by_varchar: ['id character varying(30)', `lpad(i::text, i % 9 + 3, ' ')`, 'id'],
  by_time: ['id timestamptz', `'2026-03-29 00:00+00'::timestamptz + i * interval '1.000001 hour'`, 'id'],
  by_date: ['id date', `'2026-01-01'::date + i * 11`, 'id'],
  by_numeric: ['id numeric', 'i / 7.0', 'id'],
  by_pair: ['a integer, id text COLLATE "und-x-icu"', `i % 3, 'é' || i`, 'a, id'],
  by_three: ['a text, b date, id smallint', `chr(97 + i % 2), '2026-01-01'::date + i % 5, i`, 'a, b, id'],
};
/** Of a value it does not matter; a key under such a collation is refused when the plan is read. */
const FOLDED = `CREATE COLLATION public.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`;
const TABLES_SQL = Object.entries(SHAPES)
  .map(
    ([name, [columns, key, names]]) => `
CREATE TABLE public.${name} (${columns}, v text COLLATE public.folded, n integer, PRIMARY KEY (${names}));
INSERT INTO public.${name} SELECT ${key}, 'v' || i, i FROM generate_series(1, 100) AS i;`,
  )
  .join('');
const SETS_SQL = `
CREATE TABLE public.set_int (id integer PRIMARY KEY, v text, n integer);
CREATE TABLE public.set_text (a text COLLATE "und-x-icu", id integer, v text, n integer, PRIMARY KEY (a, id));
CREATE TABLE public.owned (id integer PRIMARY KEY, tenant_id text, v text);
CREATE TABLE public.named (id integer PRIMARY KEY, tenant_id text, v text);
CREATE TABLE public.big (id integer PRIMARY KEY, v text, n integer);
CREATE TABLE public.few_leads (a text COLLATE "C", id integer, v text, PRIMARY KEY (a, id));
INSERT INTO public.few_leads SELECT 't' || i % 3, i, 'v' FROM generate_series(1, 30000) AS i;
INSERT INTO public.owned SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE 't' || i % 3 END, 'v' FROM generate_series(1, 90) AS i;`;
const PLAN = `
tenants: { column: tenant_id }
reconcile: { chunkRows: 10, splitRows: 3 }
tables:
${[...Object.keys(SHAPES), 'set_int', 'set_text', 'big', 'few_leads'].map((name) => `  ${name}: { tenant: none }`).join('\n')}
  owned: {}
  named: {}
`;

let test: TestMigration;
let migration: Migration;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: FOLDED + TABLES_SQL + SETS_SQL });
  await installSchemas(test.deps);
  migration = await test.load();
});

afterAll(() => test?.close());

const compared = (table: string, tenants: ComparedTable['tenants'] = null): ComparedTable => ({
  table,
  fingerprint: { form: 'fast', columns: 'all' },
  tenants,
});

/** As every user of the engine does it, one span after another. */
async function engine(table: ComparedTable, of: Migration = migration, options: SpanOptions = {}) {
  const results = [];
  const spans: ChunkSpan[] = [];
  for await (const span of cutTable(of, table.table, { chunksPerSpan: 3 })) {
    spans.push(span);
    results.push(await compareSpan(of, table, span, options));
  }
  return {
    spans,
    rows: results.reduce((sum, result) => sum + result.rows, 0),
    leftOut: results.reduce((sum, result) => sum + result.leftOut, 0),
    differing: results.flatMap((result) => result.differing),
    keys: results.flatMap((result) => result.keys).sort(),
    unlisted: results.reduce((sum, result) => sum + result.unlisted, 0),
    tenants: results.map((result) => result.tenants),
  };
}

/** The true symmetric difference, row by row in this process. */
async function truth(table: string, names: string): Promise<readonly string[]> {
  const list = names
    .split(', ')
    .map((name) => (name === 'id' && table === 'by_numeric' ? 'trim_scale(id)' : name))
    .join(', ');
  const [legacy, target] = await Promise.all(
    STORES.map(async (store) => {
      const sql = `SELECT json_build_array(${list})::text AS key, row_to_json(r)::text AS row FROM public.${table} AS r`;
      const { rows } = await test[store].query<{ key: string; row: string }>(sql);
      return new Map(rows.map(({ key, row }) => [key, row]));
    }),
  );
  const keys = new Set([...(legacy?.keys() ?? []), ...(target?.keys() ?? [])]);
  return [...keys].filter((key) => legacy?.get(key) !== target?.get(key)).sort();
}

async function inStores(sql: string): Promise<void> {
  await Promise.all(STORES.map((store) => test[store].query(sql)));
}

/** Round trips: times at which something was asked while nothing else was under way. */
function countingTrips(): { readonly migration: Migration; trips(): number; queries(): number } {
  let [under, trips, queries] = [0, 0, 0];
  const { databases } = migration.deps;
  const open: typeof databases.open = (store, purpose) => {
    const session = databases.open(store, purpose);
    const query: SqlSession['query'] = async (statement) => {
      queries += 1;
      if (under === 0) trips += 1;
      under += 1;
      try {
        return await session.query(statement);
      } finally {
        under -= 1;
      }
    };
    return { ...session, query };
  };
  return {
    migration: { ...migration, deps: { ...migration.deps, databases: { ...databases, open } } },
    trips: () => trips,
    queries: () => queries,
  };
}

/** A store whose statement timeout ends the digests of more than `most` parts; `pieces` takes the sizes of the others. */
function endingLongOnes(pieces: number[], most: number): Migration {
  const { databases } = migration.deps;
  const open: typeof databases.open = (store, purpose) => {
    const session = databases.open(store, purpose);
    const query: SqlSession['query'] = (statement) => {
      if (!statement.text.includes('left_out')) return session.query(statement);
      const lists = statement.values.slice(2).map((list) => (JSON.parse(String(list)) as readonly unknown[]).length);
      const parts = lists.reduce((sum, count) => sum + count, 0);
      if (parts > most)
        return Promise.reject(
          new SqlError('canceling statement due to statement timeout', { kind: 'transient', sqlState: '57014' }),
        );
      pieces.push(parts);
      return session.query(statement);
    };
    return { ...session, query };
  };
  return { ...migration, deps: { ...migration.deps, databases: { ...databases, open } } };
}

describe('every shape of a primary key', () => {
  it.each(Object.entries(SHAPES))(
    '%s: equal rows are equal, and each planted difference is found',
    async (name, [, , names]) => {
      const equal = await engine(compared(name));
      await test.target.query(`DELETE FROM ${name} WHERE n IN (1, 50, 100)`);
      await test.legacy.query(`DELETE FROM ${name} WHERE n IN (2, 51, 99)`);
      await test.target.query(`UPDATE ${name} SET v = v || ' ' WHERE n IN (3, 52, 98)`);
      const wanted = await truth(name, names);

      const drifted = await engine(compared(name));

      expect(equal).toMatchObject({ rows: 100, keys: [], differing: [], unlisted: 0 });
      expect(wanted).toHaveLength(9);
      expect(drifted.keys).toEqual(wanted);
      expect(drifted.differing.reduce((sum, chunk) => sum + chunk.keys, 0)).toBe(9);
    },
  );

  it('covers a table from end to end without a gap or an overlap', async () => {
    const { spans } = await engine(compared('by_pair'));
    const chunks = spans.flatMap(chunksOf);

    expect(chunks[0]?.after).toBeNull();
    expect(chunks.at(-1)?.through).toBeNull();
    expect(chunks.slice(1).map((chunk) => chunk.after)).toEqual(chunks.slice(0, -1).map((chunk) => chunk.through));
    expect(chunks.length).toBeGreaterThanOrEqual(10);
  });
});

describe('where rows are', () => {
  it('two empty tables are equal', async () => {
    await inStores('TRUNCATE set_int');

    expect(await engine(compared('set_int'))).toMatchObject({ rows: 0, keys: [], differing: [] });
  });

  it.each(STORES)('%s has all the rows and the other store none', async (store) => {
    await inStores('TRUNCATE set_int');
    await test[store].query(`INSERT INTO set_int SELECT i, 'v', i FROM generate_series(1, 500) AS i`);

    const result = await engine(compared('set_int'));

    expect(result.keys).toEqual(await truth('set_int', 'id'));
    expect(result).toMatchObject({ rows: 500, unlisted: 0 });
    expect(result.differing.length).toBeGreaterThanOrEqual(50);
  });

  it('a target has thousands of rows before the first, behind the last and between two keys of legacy', async () => {
    await inStores(`TRUNCATE set_int; INSERT INTO set_int SELECT i * 100000, 'v', i FROM generate_series(1, 40) AS i`);
    await test.target.query(`INSERT INTO set_int SELECT -i, 'extra', 0 FROM generate_series(1, 3000) AS i`);
    await test.target.query(`INSERT INTO set_int SELECT 1000000 + i, 'extra', 0 FROM generate_series(1, 30000) AS i`);
    await test.target.query(`INSERT INTO set_int SELECT 9000000 + i, 'extra', 0 FROM generate_series(1, 3000) AS i`);

    const result = await engine(compared('set_int'));

    expect(result.keys).toHaveLength(36_000);
    expect(new Set(result.keys).size).toBe(36_000);
    expect(result).toMatchObject({ rows: 36_040, unlisted: 0 });
  });

  it('lists no more keys than it may, and counts the rest', async () => {
    await inStores(`TRUNCATE set_int; INSERT INTO set_int SELECT i, 'v', i FROM generate_series(1, 2000) AS i`);
    await test.target.query(`UPDATE set_int SET v = 'other'`);
    const whole: ChunkSpan = { after: null, bounds: [], through: null };

    const result = await compareSpan(migration, compared('set_int'), whole, { maxKeys: 100 });

    expect(result.keys).toHaveLength(100);
    expect(result.unlisted).toBeGreaterThanOrEqual(1);
    expect(result).toMatchObject({ rows: 2000, chunks: 1 });
  });

  it('leaves rows of other tenants out of both stores, counts them, and NULL is the shared tenant', async () => {
    await test.target.query(`UPDATE owned SET v = 'other' WHERE id IN (3, 4, 5)`);

    const shared = await engine(compared('owned', ['*']));
    const one = await engine(compared('owned', ['t1']), migration, { countTenants: 'legacy' });

    expect(shared).toMatchObject({ rows: 30, leftOut: 60, keys: ['[3]'] });
    expect(one).toMatchObject({ rows: 30, leftOut: 60, keys: ['[4]'] });
    const counted = one.tenants.reduce((sum, tenants) => sum + (tenants?.t1 ?? 0), 0);
    expect(counted).toBe(30);
    expect(one.tenants.every((tenants) => Object.keys(tenants ?? {}).every((name) => name === 't1'))).toBe(true);
  });

  it('tells tenants by their whole names, whatever is in them and however many there are', async () => {
    const odd = ['', ' ', ',', 'a,b', '\u001f', '\u001f\u0020', '"q"', "it's", '{}', 'NULL', 'ä', '\\', 'a\nb'];
    const tenants = [...odd, ...Array.from({ length: 20 }, (_, place) => `t${place}`)];
    const fill = `INSERT INTO named SELECT place, tenant, 'v' FROM unnest($1::text[]) WITH ORDINALITY AS list(tenant, place)`;
    for (const store of STORES) await test[store].query(fill, [tenants]);

    const alone = [];
    for (const tenant of tenants)
      alone.push(await engine(compared('named', [tenant]), migration, { countTenants: 'target' }));
    const all = await engine(compared('named', tenants));
    const none = await engine(compared('named', []));

    expect(alone.map(({ rows, leftOut }) => [rows, leftOut])).toEqual(tenants.map(() => [1, tenants.length - 1]));
    expect(alone.map((result) => Object.assign({}, ...result.tenants))).toEqual(
      tenants.map((tenant) => ({ [tenant]: 1 })),
    );
    expect([all.rows, all.leftOut, all.keys]).toEqual([tenants.length, 0, []]);
    expect([none.rows, none.leftOut]).toEqual([0, tenants.length]);
  });

  it('asks for the tenant against a list that PostgreSQL hashes once, and not against a subquery', async () => {
    const table = tableNamed(migration, 'named');
    const reading = { tenants: ['a', 'b'], fingerprint: compared('named').fingerprint };
    const { text, values } = digestParts(
      table,
      migration.byName,
      'legacy',
      [{ after: null, through: null }],
      reading,
      9,
    );

    const { rows } = await test.legacy.query(`EXPLAIN (VERBOSE, COSTS OFF) ${text}`, [...values]);

    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain(`= ANY ('{a,b}'::text[])`);
    expect(plan).not.toContain('SubPlan');
  });
});

describe('what a statement reads', () => {
  it('is the parts themselves, not the rest of the tenant that leads the key', async () => {
    await test.legacy.query('VACUUM ANALYZE few_leads');
    const table = tableNamed(migration, 'few_leads');
    const spans = await Array.fromAsync(cutTable(migration, 'few_leads', { chunkRows: 150, chunksPerSpan: 1000 }));
    const parts = spans.flatMap(partsOf);
    const reading = { tenants: null, fingerprint: compared('few_leads').fingerprint };
    const { text, values } = digestParts(table, migration.byName, 'legacy', parts, reading, 20_000);

    const { rows } = await test.legacy.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`, [...values]);

    const [{ Plan: plan }] = rows[0]['QUERY PLAN'];
    const pages = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    expect(parts.length).toBeGreaterThan(2_000);
    // Down the index, a leaf, a page or two of the table; to the end of a tenant there are about fifty more.
    expect(pages / parts.length).toBeLessThan(8);
  });
});

describe('a differing chunk of 50 000 rows', () => {
  const whole: ChunkSpan = { after: null, bounds: [], through: null };

  beforeAll(async () => {
    await inStores(`INSERT INTO big SELECT i, 'v' || i, i FROM generate_series(1, 50000) AS i; ANALYZE big`);
    const { plan } = migration.deps;
    const reconcile = { ...plan.reconcile, chunkRows: 50_000, splitRows: 100 };
    migration = { ...migration, deps: { ...migration.deps, plan: { ...plan, reconcile } } };
  });

  it('is one round trip when it is equal', async () => {
    const counted = countingTrips();

    const result = await compareSpan(counted.migration, compared('big'), whole);

    expect(result).toMatchObject({ rows: 50_000, chunks: 1, keys: [] });
    expect(counted.trips()).toBe(1);
    expect(counted.queries()).toBe(2);
  });

  it('gives its differing keys in four round trips, and their columns in one more', async () => {
    await test.target.query(`UPDATE big SET v = 'other' WHERE id IN (7, 25000, 49999)`);
    await test.target.query('DELETE FROM big WHERE id IN (8, 50000)');
    await test.legacy.query('DELETE FROM big WHERE id IN (1, 30000)');
    const counted = countingTrips();

    const result = await compareSpan(counted.migration, compared('big'), whole);
    const trips = counted.trips();
    const columns = await nameColumns(counted.migration, 'big', ['[7]', '[25000]']);

    expect([...result.keys].sort()).toEqual(await truth('big', 'id'));
    expect(result.keys).toHaveLength(7);
    expect(trips).toBeLessThanOrEqual(4);
    expect(counted.trips()).toBe(trips + 1);
    expect(columns.get('[7]')).toEqual(['v']);
  });

  it('is cut finely beforehand by who cuts the table, so that two round trips give its keys', async () => {
    const [span] = await Array.fromAsync(cutTable(migration, 'big', { chunkRows: 50_000, chunksPerSpan: 2 }));
    const counted = countingTrips();

    const result = await compareSpan(counted.migration, compared('big'), span ?? whole);

    expect([...result.keys].sort()).toEqual(await truth('big', 'id'));
    expect(counted.trips()).toBe(2);
  });

  it('is asked for in smaller pieces where a store ends the statement for its time', async () => {
    await test.target.query(`UPDATE big SET v = 'other' WHERE id IN (7, 49999)`);
    const [span] = await Array.fromAsync(cutTable(migration, 'big', { chunkRows: 5_000, chunksPerSpan: 10 }));
    const pieces: number[] = [];

    const result = await compareSpan(endingLongOnes(pieces, 3), compared('big'), span ?? whole);

    expect([...result.keys].sort()).toEqual(await truth('big', 'id'));
    expect(result.keys).toContain('[49999]');
    expect(Math.max(...pieces)).toBeLessThanOrEqual(3);
  });

  it('whose rows all differ is read page by page, and nothing twice', async () => {
    await test.target.query(`UPDATE big SET n = n + 1`);
    const counted = countingTrips();

    const result = await compareSpan(counted.migration, compared('big'), whole);

    expect(new Set(result.keys).size).toBe(50_000);
    // Pages of 4 000 rows, as the stores' answers are bounded here, after the digests, the cuts and their digests.
    expect(counted.trips()).toBeLessThanOrEqual(3 + 13);
  });

  it('that the target has nothing of costs legacy alone', async () => {
    await test.target.query('DELETE FROM big');
    const counted = countingTrips();

    const result = await compareSpan(counted.migration, compared('big'), whole);

    expect(result.keys).toHaveLength(49_998);
    expect(counted.queries()).toBeLessThanOrEqual(2 + 1 + 2 + 13);
  });
});

describe('a pass in one process', () => {
  const comparison: Comparison = {
    mode: 'checksum',
    direction: 'forward',
    tenants: ['*'],
    leftOut: [],
    tables: [compared('by_int'), compared('set_int'), compared('by_pair')],
  };

  it('goes on where it was when its time is over, and counts nothing twice', async () => {
    await inStores(`TRUNCATE set_int; INSERT INTO set_int SELECT i, 'v', i FROM generate_series(1, 200) AS i`);
    const { plan } = migration.deps;
    const reconcile = { ...plan.reconcile, chunkRows: 20, splitRows: 5, recheckAfter: 10 };
    const small = { ...migration, deps: { ...migration.deps, plan: { ...plan, reconcile } } };
    const until = new Date(0);
    let calls = 0;
    let result: Awaited<ReturnType<typeof comparePass>>;
    do {
      result = await comparePass(small, comparison, { id: 'resumed', until, concurrency: 1, chunksPerSpan: 1 });
      calls += 1;
    } while (result === undefined);

    const atOnce = await comparePass(small, comparison, { id: 'at-once', until: new Date(8.64e15), concurrency: 4 });

    expect(calls).toBeGreaterThanOrEqual(20);
    expect(result).toEqual(atOnce);
    expect(result.tables.map(({ table }) => table)).toEqual(['by_int', 'set_int', 'by_pair']);
    expect(result.drift).toHaveLength(18);
  });

  it('ends where the table ended when its walk began, however fast rows are inserted behind it', async () => {
    await inStores(`TRUNCATE set_int; INSERT INTO set_int SELECT i, 'v', i FROM generate_series(1, 100) AS i`);
    await test.target.query(`INSERT INTO set_int SELECT i, 'extra', i FROM generate_series(101, 105) AS i`);
    const one: Comparison = { ...comparison, tables: [compared('set_int')] };
    let calls = 0;
    let result: Awaited<ReturnType<typeof comparePass>>;

    do {
      result = await comparePass(migration, one, {
        id: 'chased',
        until: new Date(0),
        concurrency: 1,
        chunksPerSpan: 1,
      });
      calls += 1;
      await test.legacy.query(
        `INSERT INTO set_int SELECT 1000 * ${calls} + i, 'new', i FROM generate_series(1, 200) AS i`,
      );
    } while (result === undefined && calls < 40);

    expect(calls).toBeLessThan(20);
    expect(result?.rows).toBe(105);
    expect(result?.drift.map(({ rowKey }) => rowKey).sort()).toEqual(
      [101, 102, 103, 104, 105].map((id) => JSON.stringify([id])),
    );
  });

  it('of a table that was empty reads what has come since at once', async () => {
    await inStores('TRUNCATE set_int');
    await test.target.query(`INSERT INTO set_int SELECT i, 'extra', i FROM generate_series(1, 35) AS i`);
    const one: Comparison = { ...comparison, tables: [compared('set_int')] };
    const until = new Date(8.64e15);

    const extra = await comparePass(migration, one, { id: 'legacy-empty', until });
    await inStores('TRUNCATE set_int');
    const none = await comparePass(migration, one, { id: 'both-empty', until });

    expect(extra?.drift).toHaveLength(35);
    expect(none).toMatchObject({ rows: 0, drift: [], unsettled: 0 });
  });
});

describe('any sets of rows', () => {
  const rows = (keys: fc.Arbitrary<string>) =>
    fc.uniqueArray(fc.record({ key: keys, value: fc.constantFrom('a', 'b', '', null) }), {
      selector: (row) => row.key,
      maxLength: 60,
    });
  const fill = async (
    table: string,
    columns: string,
    sides: readonly (readonly { key: string; value: string | null }[])[],
  ) => {
    await inStores(`TRUNCATE ${table}`);
    for (const [index, store] of STORES.entries()) {
      const list = (sides[index] ?? []).map(({ key, value }) => [...(JSON.parse(key) as unknown[]), value]);
      await test[store].query(
        `INSERT INTO ${table} SELECT ${columns}, item ->> -1, 0 FROM json_array_elements($1::json) AS list(item)`,
        [JSON.stringify(list)],
      );
    }
  };

  it('differ by exactly the keys that the engine finds', async () => {
    const integers = fc.integer({ min: -40, max: 40 }).map((id) => `[${id}]`);
    const texts = fc
      .tuple(fc.constantFrom('', 'a', 'A', 'ä', 'b ', '_', 'Z"', 'a|b'), fc.integer({ min: 0, max: 9 }))
      .map((key) => JSON.stringify(key));
    const property = fc.asyncProperty(rows(integers), rows(integers), rows(texts), rows(texts), async (a, b, c, d) => {
      await fill('set_int', '(item ->> 0)::integer', [a, b]);
      await fill('set_text', 'item ->> 0, (item ->> 1)::integer', [c, d]);

      const ofIntegers = await engine(compared('set_int'));
      const ofTexts = await engine(compared('set_text'));

      expect(ofIntegers.keys).toEqual(await truth('set_int', 'id'));
      expect(ofTexts.keys).toEqual(await truth('set_text', 'a, id'));
    });
    await fc.assert(property, { numRuns: 40 });
  });
});
