/** The way back of dual-write: one tenant's rows go, what was there before comes back, everybody else's stay as they are. */
import { afterEach, describe, expect, it } from 'vitest';
import type { MemoryFlags } from '../../lib/adapters/memory/flags.ts';
import { install } from '../../lib/application/machines/dual-write/install.ts';
import {
  closeTenants,
  drainTenants,
  eraseTenants,
  verifyErased,
} from '../../lib/application/machines/rollback/dual-write.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { carryOutWish } from '../../lib/application/tenants/carry-out-wish.ts';
import { turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';
import type { SqlStore } from '../../lib/ports/sql.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilDone as relay } from '../support/relay-until-idle.ts';
import { aRun, runToEnd } from '../support/run.ts';

const SQL = `
CREATE TABLE public.rates (code text PRIMARY KEY, label text);
CREATE TABLE public.orders (id bigint PRIMARY KEY, tenant_id text NOT NULL, reference text UNIQUE, rate text REFERENCES public.rates, made_from bigint REFERENCES public.orders);
CREATE TABLE public.lines (order_id bigint REFERENCES public.orders ON DELETE CASCADE, line integer, payload jsonb, PRIMARY KEY (order_id, line));
CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, order_id bigint REFERENCES public.orders ON DELETE CASCADE, body text);
INSERT INTO public.rates VALUES ('EUR', 'Euro');
`;
const PLAN = `
tenants: { column: tenant_id }
tables:
  rates: { tenant: none }
  orders:
  lines: { tenant: { parent: orders, on: { order_id: id } } }
  notes:
relay: { shards: 1 }
`;
const SCOPE = aRun({ machine: 'rollback', from: 'dual-write', scope: ['acme'] });

const open: TestMigration[] = [];
afterEach(async () => {
  for (const test of open.splice(0)) await test.close();
});

/** Both tenants exposed; the target holds `before` already. */
async function exposed(before = ''): Promise<TestMigration> {
  const test = await aMigration({ plan: PLAN, legacySql: SQL, targetSql: `${SQL.replace(/INSERT.*;/, '')}${before}` });
  open.push(test);
  await runToEnd(test.deps, install, aRun());
  for (const tenant of ['*', 'acme', 'globex'])
    await turnOn(test.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
  const flags = await test.deps.flags.read();
  if (flags === undefined) throw new Error('memory flags can be read');
  const dualWrite = { ...flags.flags.dual_write, enabled: true, tenants: ['acme', 'globex'] };
  await test.deps.flags.publish({ ...flags.flags, dual_write: dualWrite }, flags.version, 'test');
  await repairKeys(await test.load(), tableNamed(await test.load(), 'rates'), 'forward', ['["EUR"]'], 'first-copy');
  return test;
}

async function rollBack(test: TestMigration, run: Run = SCOPE): Promise<StepResult> {
  let last: StepResult | undefined;
  for (const step of [closeTenants, drainTenants, eraseTenants, verifyErased]) {
    last = await runToEnd(test.deps, step, run, () => relay(test));
    if (!last.proceed) return last;
  }
  if (last === undefined) throw new Error('there are steps');
  return last;
}

const target = async (test: TestMigration, sql: string) => (await test.target.query(sql)).rows;
const ALL = `
SELECT 'rates' AS t, r::text AS row FROM rates r UNION ALL SELECT 'orders', o::text FROM orders o
UNION ALL SELECT 'lines', l::text FROM lines l UNION ALL SELECT 'notes', n::text FROM notes n ORDER BY 1, 2`;
/** What a superuser does who switches the fence off: the witness next to it is what notices. */
async function writeAsForeigner(test: TestMigration, table: string, sql: string): Promise<void> {
  const triggers = (
    await target(test, `SELECT tgname FROM pg_trigger WHERE tgrelid = '${table}'::regclass AND NOT tgisinternal`)
  ).map(({ tgname }) => tgname);
  const alter = (what: string) => triggers.map((name) => `ALTER TABLE ${table} ${what} TRIGGER ${name};`).join(' ');
  await test.target.query(`BEGIN; ${alter('DISABLE')} ${sql}; ${alter('ENABLE ALWAYS')} COMMIT`);
}

describe('the way back of one tenant', () => {
  it('erases its rows with their children, and leaves every row of another tenant and what is shared', async () => {
    const test = await exposed();
    await test.legacy.query(`
      INSERT INTO orders VALUES (1, 'acme', 'a1', 'EUR'), (2, 'globex', 'g1', 'EUR');
      INSERT INTO lines VALUES (1, 1, '{"a": null}'), (2, 1, 'null');
      INSERT INTO notes VALUES (1, 'acme', 1, 'x'), (2, 'globex', 2, 'y')`);
    await relay(test);
    const ofGlobex = (await target(test, ALL)).filter(({ row }) => /globex|^\(2,|EUR/.test(row) && !/acme/.test(row));

    const result = await rollBack(test);

    expect(result).toMatchObject({ proceed: true, reasons: [] });
    expect(await target(test, ALL)).toEqual(ofGlobex);
    expect(ofGlobex).toHaveLength(4);
    const versions = await target(
      test,
      `SELECT 1 FROM crossfade.row_version WHERE table_name = 'orders' AND row_key = '[1]'`,
    );
    expect(versions).toHaveLength(1);
  });

  it('goes by the tenant that a row has now: what moved away stays, what moved here goes', async () => {
    const test = await exposed();
    await test.legacy.query(
      `INSERT INTO orders VALUES (1, 'acme', 'a1'), (2, 'globex', 'g1'); INSERT INTO lines VALUES (1, 1, '1'), (2, 1, '2')`,
    );
    await relay(test);
    await test.legacy.query(`UPDATE orders SET tenant_id = CASE tenant_id WHEN 'acme' THEN 'globex' ELSE 'acme' END`);
    await relay(test);

    const result = await rollBack(test);

    expect(result.proceed).toBe(true);
    expect(await target(test, 'SELECT o.id, tenant_id, line FROM orders o LEFT JOIN lines ON order_id = id')).toEqual([
      { id: '1', tenant_id: 'globex', line: 1 },
    ]);
  });

  it('delivers a row that is moving to another tenant before it erases', async () => {
    const test = await exposed();
    await test.legacy.query(`INSERT INTO orders VALUES (1, 'acme', 'a1')`);
    await relay(test);
    await test.legacy.query(`UPDATE orders SET tenant_id = 'globex'`);

    const result = await rollBack(test);

    expect(result.proceed).toBe(true);
    expect(await target(test, 'SELECT id, tenant_id FROM orders')).toEqual([{ id: '1', tenant_id: 'globex' }]);
  });

  it('keeps a row that rows of another tenant refer to, and says so, whatever the foreign key would do', async () => {
    const test = await exposed();
    await test.legacy.query(
      `INSERT INTO orders VALUES (1, 'acme', 'a1'), (3, 'acme', 'a3'); INSERT INTO notes VALUES (7, 'globex', 1, 'of globex, on an order of acme')`,
    );
    await relay(test);

    const result = await rollBack(test);

    expect(result.proceed).toBe(true);
    expect(result.notes.join('\n')).toMatch(/orders: 1 row of acme left: rows of .* that stay refer to it/);
    expect(await target(test, 'SELECT id FROM orders')).toEqual([{ id: '1' }]);
    expect(await target(test, 'SELECT id FROM notes')).toEqual([{ id: '7' }]);
  });

  it('erases a tree of rows of one table, however deep', async () => {
    const test = await exposed();
    await test.legacy.query(
      `INSERT INTO orders SELECT n, 'acme', NULL, NULL, nullif(n - 1, 0) FROM generate_series(1, 6) AS n`,
    );
    await relay(test);
    expect(await target(test, 'SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 6 }]);

    const result = await rollBack(test);

    expect(result.proceed).toBe(true);
    expect(await target(test, 'SELECT id FROM orders')).toEqual([]);
  });

  it('brings nothing back afterwards, and copies everything anew when the tenant is exposed again', async () => {
    const test = await exposed();
    await test.legacy.query(`INSERT INTO orders VALUES (1, 'acme', 'a1'), (2, 'acme', 'a2')`);
    await relay(test);
    await test.legacy.query(`CREATE TABLE kept AS SELECT * FROM crossfade.outbox`);
    await rollBack(test);

    await test.legacy.query(
      `UPDATE crossfade.outbox SET state = 'pending', payload = '{"id": 1, "tenant_id": "acme"}' WHERE state = 'published'; UPDATE orders SET reference = 'later' WHERE id = 1`,
    );
    await relay(test);
    expect(await target(test, 'SELECT id FROM orders')).toEqual([]);

    await turnOn(test.deps, 'forward', { tenant: 'acme', stage: 'dualwrite', copied: false, why: 'again' });
    const migration = await test.load();
    await repairKeys(migration, tableNamed(migration, 'orders'), 'forward', ['[1]', '[2]'], 'copy');
    expect(await target(test, 'SELECT id, reference FROM orders ORDER BY id')).toEqual([
      { id: '1', reference: 'later' },
      { id: '2', reference: 'a2' },
    ]);
  });

  it('ends events that wait to be retried or were set aside, and a claim check that comes later does nothing', async () => {
    const test = await exposed();
    await test.target.query('ALTER TABLE notes ADD CONSTRAINT short CHECK (length(body) < 5)');
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', NULL, 'too long'), (2, 'acme', NULL, 'ok')`);
    await relay(test);
    await test.legacy.query(`UPDATE crossfade.outbox SET state = 'retry' WHERE row_key = '[2]'`);
    const { rows } = await test.legacy.query(`SELECT seq, state FROM crossfade.outbox ORDER BY seq`);
    expect(rows.map(({ state }) => state)).toEqual(['parked', 'retry']);

    const result = await rollBack(test);
    const late = { direction: 'forward', seq: rows[1].seq, correlationId: null, reason: '' } as const;
    const outcome = await retryEvent(await test.load(), late, 1, 0);

    expect(result.proceed).toBe(true);
    expect(outcome).toEqual({ kind: 'done' });
    const states = await test.legacy.query('SELECT DISTINCT state FROM crossfade.outbox');
    expect(states.rows).toEqual([{ state: 'suppressed' }]);
    expect(await target(test, 'SELECT id FROM notes')).toEqual([]);
  });
});

describe('rows that were on the target before Crossfade', () => {
  const BEFORE = `
    INSERT INTO rates VALUES ('OLD', 'before');
    INSERT INTO orders VALUES (1, 'acme', 'before-1'), (2, 'acme', 'before-2'), (9, 'acme', 'never touched');
    INSERT INTO lines VALUES (1, 1, '{"before": null}'), (2, 1, NULL);`;

  it('are restored: changed ones, removed ones with their children, and those that were not touched stay', async () => {
    const test = await exposed(BEFORE);
    const before = await target(test, `${ALL.replace(/ORDER BY.*/, '')} ORDER BY 1, 2`);
    await test.legacy.query(
      `INSERT INTO orders VALUES (1, 'acme', 'new'), (2, 'acme', 'new-2'), (5, 'acme', 'before-1'); INSERT INTO lines VALUES (1, 1, '[]'), (1, 2, '2')`,
    );
    await relay(test);
    await test.legacy.query(`INSERT INTO lines VALUES (2, 1, '1')`);
    await relay(test);
    await test.legacy.query('DELETE FROM orders WHERE id = 2');
    await relay(test);
    expect(await target(test, 'SELECT id, reference FROM orders ORDER BY id')).toEqual([
      { id: '1', reference: 'new' },
      { id: '5', reference: 'before-1' },
      { id: '9', reference: 'never touched' },
    ]);

    const result = await rollBack(test);

    expect(result.reasons).toEqual([]);
    expect(await target(test, ALL)).toEqual(before);
  });

  it('are restored again after another exposure, and are forgotten when nobody is exposed any more', async () => {
    const test = await exposed(BEFORE);
    await test.legacy.query(`INSERT INTO orders VALUES (1, 'acme', 'new')`);
    await relay(test);
    await rollBack(test);
    await turnOn(test.deps, 'forward', { tenant: 'acme', stage: 'dualwrite', copied: false, why: 'again' });
    await test.legacy.query(`UPDATE orders SET reference = 'newer' WHERE id = 1`);
    await relay(test);
    expect(await target(test, 'SELECT reference FROM orders WHERE id = 1')).toEqual([{ reference: 'newer' }]);

    const result = await rollBack(test, { ...SCOPE, scope: ['acme', 'globex'] });

    expect(result.reasons).toEqual([]);
    expect(await target(test, 'SELECT reference FROM orders WHERE id = 1')).toEqual([{ reference: 'before-1' }]);
    expect(await target(test, 'SELECT code FROM rates')).toEqual([{ code: 'OLD' }]);
    expect(await target(test, 'SELECT 1 FROM crossfade.before_image')).toEqual([]);
    await expect(test.target.query(`UPDATE orders SET reference = 'application' WHERE id = 9`)).resolves.toBeDefined();
  });

  it('are not confused with rows of Crossfade’s own when capture is installed a second time', async () => {
    const test = await exposed(BEFORE);
    await test.legacy.query(`INSERT INTO orders VALUES (7, 'acme', 'ours')`);
    await relay(test);
    for (const tenant of ['acme', 'globex', '*']) await turnOff(test.deps, 'forward', tenant, 'by flag');

    await runToEnd(test.deps, install, aRun());

    const images = await target(
      test,
      `SELECT row_key FROM crossfade.before_image WHERE table_name = 'orders' ORDER BY 1`,
    );
    expect(images.map(({ row_key }) => row_key)).toEqual(['[1]', '[2]', '[9]']);
  });
});

describe('rows that somebody else wrote', () => {
  it('are refused and named, and the tenant stays barred until they are settled', async () => {
    const test = await exposed();
    await test.legacy.query(`INSERT INTO orders VALUES (1, 'acme', 'a1'), (2, 'acme', 'a2')`);
    await relay(test);
    await test.target.query(
      `INSERT INTO crossfade.foreign_write (table_name, row_key, op, role_name, application_name) VALUES ('orders', '[2]', 'U', 'rogue', 'psql')`,
    );

    const refused = await rollBack(test);

    expect(refused.proceed).toBe(false);
    expect(refused.reasons.join('\n')).toMatch(
      /orders \[2\] of acme: written by somebody else \(role rogue application psql/,
    );
    expect(await target(test, 'SELECT id FROM orders')).toEqual([{ id: '2' }]);
    const wish = await test.deps.flags.read();
    if (wish === undefined) throw new Error('memory flags can be read');
    await test.deps.flags.publish(
      { ...wish.flags, dual_write: { ...wish.flags.dual_write, tenants: ['acme', 'globex'], except: [] } },
      wish.version,
      'somebody is impatient',
    );
    const carried = await carryOutWish(await test.load());
    expect(carried.turnedOn).toEqual([]);
    expect(carried.refused.join()).toMatch(/acme is being rolled back/);

    await test.target.query('UPDATE crossfade.foreign_write SET closed_at = now()');
    expect((await rollBack(test)).reasons).toEqual([]);
    expect(await target(test, 'SELECT id FROM orders')).toEqual([]);
  });

  it('are known even when every trigger was switched off', async () => {
    const test = await exposed();
    await test.legacy.query(`INSERT INTO orders VALUES (1, 'acme', 'a1'), (2, 'acme', 'a2')`);
    await relay(test);
    await writeAsForeigner(
      test,
      'orders',
      `UPDATE orders SET reference = 'rogue' WHERE id = 1; INSERT INTO orders VALUES (3, 'acme', 'never seen')`,
    );

    const refused = await rollBack(test);

    expect(refused.proceed).toBe(false);
    expect(refused.reasons.join('\n')).toMatch(/orders \[1\] of acme: written by somebody else/);
    expect(refused.reasons.join('\n')).toMatch(/orders \[3\] of acme: Crossfade never wrote it/);
    expect(await target(test, 'SELECT id FROM orders ORDER BY id')).toEqual([{ id: '1' }, { id: '3' }]);
  });
});

describe('a way back that is interrupted', () => {
  it('ends the same when it is started again after a crash at any statement', async () => {
    const test = await exposed(`INSERT INTO orders VALUES (1, 'acme', 'before-1');`);
    const ends: unknown[] = [];
    for (let survives = 0, crashed = true; crashed; survives += 5) {
      await turnOn(test.deps, 'forward', { tenant: 'acme', stage: 'dualwrite', copied: false, why: 'again' });
      await test.legacy.query(
        `DELETE FROM orders; INSERT INTO orders VALUES (1, 'acme', 'x'), (2, 'acme', 'y'), (3, 'globex', 'z'); INSERT INTO lines VALUES (1, 1, '1'), (2, 1, '2'), (3, 1, '3')`,
      );
      await relay(test);

      const crash = crashingAfter(test, survives);
      crashed = await rollBack(crash).then(
        () => false,
        () => true,
      );
      const result = await rollBack(test);

      expect(result.reasons).toEqual([]);
      ends.push(
        await target(
          test,
          `SELECT id, reference FROM orders o UNION ALL SELECT order_id * 100 + line, NULL FROM lines ORDER BY 1`,
        ),
      );
    }

    expect(ends.length).toBeGreaterThan(5);
    const expected = [
      { id: '1', reference: 'before-1' },
      { id: '3', reference: 'z' },
      { id: '301', reference: null },
    ];
    expect(ends).toEqual(ends.map(() => expected));
  });

  it('goes on without flags that cannot be read, and bars the tenant until the wish is withdrawn', async () => {
    const test = await exposed();
    await test.legacy.query(`INSERT INTO orders VALUES (1, 'acme', 'a1')`);
    await relay(test);
    const flags = test.deps.flags as MemoryFlags;
    flags.setDeploying(true);

    for (const step of [closeTenants, drainTenants, eraseTenants])
      await runToEnd(test.deps, step, SCOPE, () => relay(test));
    const waits = await verifyErased(test.deps, SCOPE, null);
    flags.setDeploying(false);
    const done = await verifyErased(test.deps, SCOPE, null);

    expect(await target(test, 'SELECT id FROM orders')).toEqual([]);
    expect(waits).toMatchObject({ again: true });
    expect(waits.notes.join()).toMatch(/in flight.*barred/);
    expect(done).toMatchObject({ proceed: true, again: false });
    expect((await flags.read())?.flags.dual_write.tenants).toEqual(['globex']);
    expect((await carryOutWish(await test.load())).turnedOn).toEqual([]);
  });
});

describe('a dry run of the way back', () => {
  it('lists what would go, what would be restored and what would be left, and changes nothing', async () => {
    const test = await exposed(`INSERT INTO orders VALUES (1, 'acme', 'before-1');`);
    await test.legacy.query(`
      INSERT INTO orders VALUES (1, 'acme', 'x'), (2, 'acme', 'y'), (3, 'acme', 'z'), (4, 'globex', 'w');
      INSERT INTO lines VALUES (2, 1, '1'); INSERT INTO notes VALUES (1, 'globex', 3, 'n')`);
    await relay(test);
    const before = await target(test, ALL);

    const notes: string[] = [];
    for (const step of [closeTenants, drainTenants, eraseTenants, verifyErased])
      notes.push(...(await runToEnd(test.deps, step, { ...SCOPE, dryRun: true })).notes);

    expect(notes).toContain('orders: would erase 1 row of acme');
    expect(notes).toContain('lines: would erase 1 row of acme');
    expect(notes).toContain('orders: would restore 1 row of acme');
    expect(notes).toContain('orders [3] of acme: rows of public.notes that stay refer to it');
    expect(await target(test, ALL)).toEqual(before);
    expect((await test.legacy.query(`SELECT is_on FROM crossfade.tenant_state WHERE tenant = 'acme'`)).rows).toEqual([
      { is_on: true },
    ]);
  });
});

/** The same migration, whose sessions fail for good after so many statements. */
function crashingAfter(test: TestMigration, statements: number): TestMigration {
  let left = statements;
  const spend = () => {
    if (left-- <= 0) throw new Error('crash');
  };
  const wrap = (store: SqlStore): SqlStore => ({
    query: async (statement) => {
      spend();
      return store.query(statement);
    },
    transaction: (work, options) =>
      store.transaction(async (session) => {
        const result = await work({
          query: async (statement) => {
            spend();
            return session.query(statement);
          },
        });
        spend();
        return result;
      }, options),
    close: async () => {},
  });
  const { databases } = test.deps;
  const deps = {
    ...test.deps,
    databases: { ...databases, open: (...which: Parameters<typeof databases.open>) => wrap(databases.open(...which)) },
  };
  return { ...test, deps };
}
