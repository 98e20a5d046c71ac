import { afterEach, describe, expect, it } from 'vitest';
import { checkPayloads } from '../../lib/application/machines/baseline/check-payloads.ts';
import { checkPools } from '../../lib/application/machines/baseline/check-pools.ts';
import { compareSchemas } from '../../lib/application/machines/baseline/compare-schemas.ts';
import { probeWrites } from '../../lib/application/machines/baseline/probe-writes.ts';
import { verifySingleWrite } from '../../lib/application/machines/baseline/verify-single-write.ts';
import type { Step } from '../../lib/application/machines/step.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';
import { aMigration, type MigrationSpec, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

const RUN = aRun({
  machine: 'baseline',
  execution: 'arn:aws:states:eu-central-1:000000000000:execution:crossfade-test-baseline:one',
});

const ROWS = `
INSERT INTO public.orders (id, tenant_id, reference, amount, note, payload, tags, mood, ratio, seen, raw, currency)
SELECT n, 'acme', 'r' || n, n * 1.10, CASE WHEN n % 3 = 0 THEN NULL ELSE repeat('x', n) END, '{"b": 1, "a": [1, 2]}', '{a,"b c",NULL}', 'ok', 0.1 + n, '[2024-01-01,2024-02-01)', '\\xdeadbeef', 'EUR'
FROM generate_series(1, 200) AS n;
INSERT INTO public.lines SELECT n, 1, n FROM generate_series(1, 200) AS n;`;

let migration: TestMigration | undefined;

afterEach(async () => {
  await migration?.close();
  migration = undefined;
});

async function given(spec: Partial<MigrationSpec> = {}): Promise<TestMigration> {
  migration = await aMigration({ plan: SHOP_PLAN, legacySql: `${SHOP_SQL}${ROWS}`, targetSql: SHOP_SQL, ...spec });
  return migration;
}

async function untilAnswered(step: Step, { deps }: TestMigration, run: Run = RUN): Promise<StepResult> {
  let result = await step(deps, run, null);
  while (result.again) result = await step(deps, run, result.data);
  return result;
}

async function rowsInTarget({ target }: TestMigration): Promise<number> {
  const { rows } = await target.query('SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM lines) AS rows');
  return Number(rows[0].rows);
}

describe('compare-schemas', () => {
  it('finds no delta between the same schema on two majors', async () => {
    const shop = await given();

    const result = await compareSchemas(shop.deps, RUN, null);

    expect(result.reasons).toEqual([]);
    expect(result.gates).toMatchObject([{ gate: 'schema-deltas', value: 0, pass: true }]);
  });

  it('notes which digest later comparisons will use, once there is something to compare', async () => {
    const shop = await given();

    const result = await compareSchemas(shop.deps, RUN, null);

    expect(result.notes).toContain('fast digests for currencies, lines');
    expect(result.notes).toContainEqual(
      expect.stringMatching(/^exact digests for orders: outside of windows, .*payload \(jsonb\)/),
    );
  });

  it('names every undeclared delta and refuses', async () => {
    const shop = await given();
    await shop.target.query(`
      ALTER TABLE orders ALTER COLUMN amount TYPE numeric(12,2), ALTER COLUMN reference SET NOT NULL, ADD COLUMN extra text;
      ALTER TABLE orders DROP CONSTRAINT orders_reference_key;
      ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount > 0);
      CREATE UNIQUE INDEX one_note ON orders (note);
      ALTER TYPE mood ADD VALUE 'angry' BEFORE 'ok';
      ALTER TABLE lines DROP CONSTRAINT lines_order_id_fkey;
      CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER touch BEFORE INSERT ON lines FOR EACH ROW EXECUTE FUNCTION touch();
    `);

    const result = await compareSchemas(shop.deps, RUN, null);

    expect(result.proceed).toBe(false);
    expect(result.reasons.join('\n')).toMatchInlineSnapshot(`
      "schema-deltas: 9 is not equals 0
      orders: column reference is nullable in legacy and NOT NULL in the target
      orders: column amount is numeric in legacy and numeric(12,2) in the target, which has less room; widen it, or map it with an explicit cast
      orders: column extra is only in the target; declare columns.extra with \`from\` or \`owner: target\`, or remove it
      orders: the unique index orders_reference_key (reference) of legacy is missing in the target; create it there
      orders: the unique index one_note (note) is only in the target, which may refuse rows that legacy accepts
      orders: CHECK ((amount > (0)::numeric)) is only in the target, which may refuse rows that legacy accepts
      orders: enum public.mood has another labels, in order, in the target: sad, angry, ok, happy instead of sad, ok, happy
      lines: the foreign key lines_order_id_fkey (order_id) to public.orders of legacy is missing in the target, or acts otherwise there
      lines: trigger touch of the target would fire on Crossfade's writes, a second time after legacy's own; run ALTER TABLE … DISABLE TRIGGER touch until switchover"
    `);
  });

  it('counts nothing that the plan declares', async () => {
    const shop = await given({
      plan: `
tenants: none
tables:
  people:
    columns:
      full_name: { from: "first_name || ' ' || last_name", oneWay: true }
      mail: { from: email, back: mail }
      risk: { owner: target }
      legacy_only: { drop: true }
      pence: { from: "(amount * 100)::bigint", back: { amount: "pence / 100.0" } }
`,
      legacySql:
        'CREATE TABLE people (id integer PRIMARY KEY, first_name text, last_name text, email text UNIQUE, legacy_only json, amount numeric(10,2))',
      targetSql:
        'CREATE TABLE people (id bigint PRIMARY KEY, full_name text, mail text UNIQUE, risk integer NOT NULL DEFAULT 0, pence bigint)',
    });

    const result = await compareSchemas(shop.deps, RUN, null);

    expect(result.reasons).toEqual([]);
    expect(result.notes.join('\n')).toContain('column id is integer in legacy and, wider, bigint in the target');
  });

  it('refuses a mapping that would lose digits without saying so, and one that cannot be evaluated', async () => {
    const shop = await given({
      plan: `
tenants: none
tables:
  prices:
    columns:
      gross: { from: "net * 1.19", oneWay: true }
      broken: { from: "nothing_here + 1", oneWay: true }
`,
      legacySql: 'CREATE TABLE prices (id integer PRIMARY KEY, net numeric(10,2))',
      targetSql: 'CREATE TABLE prices (id integer PRIMARY KEY, net numeric(10,2), gross numeric(12,2), broken integer)',
    });

    const result = await compareSchemas(shop.deps, RUN, null);

    expect(result.reasons.join('\n')).toContain('columns.gross.from yields numeric and the column holds numeric(12,2)');
    expect(result.reasons.join('\n')).toContain(
      'columns.broken.from cannot be evaluated in legacy: column "nothing_here" does not exist',
    );
  });

  it('makes a plan that does not fit a refusal with reasons', async () => {
    const shop = await given({
      targetSql: SHOP_SQL.replace('CREATE TABLE public.lines', 'CREATE TABLE public.other_lines'),
    });

    const result = await compareSchemas(shop.deps, RUN, null);

    expect(result.proceed).toBe(false);
    expect(result.reasons.join('\n')).toContain('table lines is not in the target');
  });
});

describe('check-payloads', () => {
  it('says which tables of the target hold rows already, because a rollback would erase them', async () => {
    const shop = await given();
    await shop.target.query(`INSERT INTO orders (id, tenant_id) VALUES (900001, 'acme')`);

    const result = await checkPayloads(shop.deps, RUN, null);

    expect(result.notes.join('\n')).toMatch(
      /the target already holds rows in .*orders.*rollback dual-write erases them/,
    );
  });

  it('tries sampled rows with their parents and leaves nothing behind', async () => {
    const shop = await given();

    const result = await checkPayloads(shop.deps, RUN, null);

    expect(result.reasons).toEqual([]);
    expect(result.proceed).toBe(true);
    expect(await rowsInTarget(shop)).toBe(0);
  });

  it('names the constraint and the keys of refused rows, never their values', async () => {
    const shop = await given();
    await shop.target.query('ALTER TABLE orders ADD CONSTRAINT short CHECK (length(note) < 150)');

    const result = await checkPayloads(shop.deps, RUN, null);

    expect(result.proceed).toBe(false);
    expect(result.reasons.join('\n')).toMatch(/orders: \d+ of \d+ sampled rows refused: .*"short".*\[191\]/s);
    expect(result.reasons.join('\n')).not.toContain('xxx');
  });

  it('notices values that the target rounds without an error', async () => {
    const shop = await given();
    await shop.target.query('ALTER TABLE orders ALTER COLUMN amount TYPE numeric(12,0)');

    const result = await checkPayloads(shop.deps, RUN, null);

    expect(result.reasons.join('\n')).toContain('orders: column amount of');
  });

  it('says which rows have no tenant', async () => {
    const shop = await given({
      plan: 'tenants: { column: tenant_id }\ntables: { notes: {} }',
      legacySql:
        "CREATE TABLE notes (id integer PRIMARY KEY, tenant_id text); INSERT INTO notes VALUES (1, 'acme'), (2, NULL)",
      targetSql: 'CREATE TABLE notes (id integer PRIMARY KEY, tenant_id text)',
    });

    const result = await checkPayloads(shop.deps, RUN, null);

    expect(result.notes.join('\n')).toContain(
      'notes: 1 rows have no tenant and follow the most advanced one; keys ["[2]"]',
    );
  });

  it('inserts rows that point to each other in one table', async () => {
    const sql = 'CREATE TABLE staff (id integer PRIMARY KEY, boss integer REFERENCES staff)';
    const shop = await given({
      plan: 'tenants: none\ntables: { staff: {} }',
      legacySql: `${sql}; INSERT INTO staff SELECT n, nullif(n + 1, 121) FROM generate_series(120, 1, -1) AS n`,
      targetSql: sql,
    });

    const result = await checkPayloads(shop.deps, RUN, null);

    expect(result.reasons).toEqual([]);
  });
});

describe('check-pools', () => {
  it('passes two servers with room and keeps what it found', async () => {
    const shop = await given();

    const result = await checkPools(shop.deps, RUN, null);

    expect(result.reasons).toEqual([]);
    expect(result.notes.join('\n')).toContain('replicas: none configured');
    expect((await shop.deps.documents.get('progress', 'baseline'))?.value.state).toHaveProperty(
      'stores.target.maxConnections',
    );
  });

  it('refuses too few connections, another isolation level and a shared role', async () => {
    const shop = await given();
    const plan = {
      ...shop.plan,
      pools: { legacy: 5000, multiplier: 1.5, target: 7500 },
      isolation: 'REPEATABLE READ' as const,
      applicationRoles: [shop.roles.apply],
    };

    const result = await checkPools({ ...shop.deps, plan }, RUN, null);

    expect(result.gates.filter(({ pass }) => !pass).map(({ gate }) => gate)).toEqual([
      'target-max-connections',
      'isolation-legacy',
      'isolation-target',
      'roles',
    ]);
    expect(result.reasons.join('\n')).toContain('7500: 5000 of the legacy pool × 1.5');
  });
});

describe('probe-writes', () => {
  it('counts rolled back writes on both stores and leaves nothing behind', async () => {
    const shop = await given({ plan: `${SHOP_PLAN}baseline: { probeFor: 1s, probeWrites: 60 }` });
    const before = await shop.legacy.query('SELECT sum(hashtextextended(o::text, 0)) AS digest FROM orders o');

    const result = await untilAnswered(probeWrites, shop);

    expect(result.reasons).toEqual([]);
    expect(result.gates.map(({ gate, value }) => [gate, value])).toEqual([
      ['probe-error-rate-legacy', 0],
      ['probe-error-rate-target', 0],
    ]);
    expect(await rowsInTarget(shop)).toBe(0);
    expect((await shop.legacy.query('SELECT sum(hashtextextended(o::text, 0)) AS digest FROM orders o')).rows).toEqual(
      before.rows,
    );
  });

  it('refuses when writes fail', async () => {
    const shop = await given({ plan: `${SHOP_PLAN}baseline: { probeFor: 1s, probeWrites: 10 }` });
    await shop.target.query(
      `REVOKE INSERT ON orders FROM ${shop.roles.apply}; ALTER TABLE orders ADD CONSTRAINT never CHECK (id < 0); GRANT INSERT ON orders TO ${shop.roles.apply}`,
    );

    const result = await untilAnswered(probeWrites, shop);

    expect(result.proceed).toBe(false);
    expect(result.reasons.join('\n')).toContain('probe-error-rate-target');
  });

  it('probes stores without a row, and the plan of a load test', async () => {
    const shop = await given({
      legacySql: SHOP_SQL,
      plan: `${SHOP_PLAN}baseline: { probeFor: 1s, probeWrites: 20, loadTest: true, loadTestFor: 1s }\npools: { legacy: 4, multiplier: 1 }`,
    });

    const result = await untilAnswered(probeWrites, shop);

    expect(result.reasons).toEqual([]);
    expect(result.gates.map(({ gate }) => gate)).toContain('load-test-error-rate');
  });
});

describe('verify-single-write', () => {
  it('passes stores that Crossfade never touched and refuses a store with a fence', async () => {
    const shop = await given();
    const untouched = await verifySingleWrite(shop.deps, RUN, null);
    await shop.target.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER crossfade_fence BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION refuse()`,
    );

    const fenced = await verifySingleWrite(shop.deps, RUN, null);

    expect(untouched.proceed).toBe(true);
    expect(fenced.reasons.join('\n')).toContain('target still has crossfade_fence on public.orders');
  });
});
