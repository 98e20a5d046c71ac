/** History is copied under live writes, a killed run goes on, what cannot be copied refuses, and only an equal copy counts. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../lib/adapters/memory/clock.ts';
import { BACKFILL_CONTROL, readPace } from '../../lib/application/backfill/control.ts';
import type { TableProgress } from '../../lib/application/backfill/progress.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { backfillMachine } from '../../lib/application/machines/backfill/machine.ts';
import { tenantStates, turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import type { StepResult } from '../../lib/contracts/machine-io.ts';
import { SqlError } from '../../lib/ports/sql.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilDone } from '../support/relay-until-idle.ts';
import { aRun } from '../support/run.ts';
import { SHOP_SQL } from '../support/shop.ts';

const PLAN = `
tenants: { column: tenant_id }
reconcile: { chunkRows: 50, splitRows: 10, recheckAfter: 60ms }
relay: { poll: 50ms }
backfill: { batchRows: 20, batchesPerSecond: 10000, backoff: { first: 1ms, max: 2ms } }
tables:
  lines: { tenant: { parent: orders, on: { order_id: id } } }
  orders: { updatedAtColumn: updated_at }
  currencies: { tenant: none }
  people: {}
`;

const SQL = `${SHOP_SQL}
CREATE TABLE public.people (id integer PRIMARY KEY, tenant_id text NOT NULL, boss integer REFERENCES public.people, mail text);
`;
const ROWS = `
INSERT INTO public.orders (id, tenant_id, reference, amount, note, payload, tags, currency)
  SELECT i, CASE WHEN i % 3 = 0 THEN 'globex' ELSE 'acme' END, 'r' || i, i / 7.0, NULLIF(i % 5, 0)::text, jsonb_build_object('i', i), ARRAY[i::text, NULL], 'EUR' FROM generate_series(1, 150) AS i;
INSERT INTO public.lines SELECT o.id, l, l * 2 FROM public.orders AS o, generate_series(1, 2) AS l;
INSERT INTO public.people SELECT i, 'acme', NULL, 'm' || i FROM generate_series(1, 60) AS i;
UPDATE public.people SET boss = 61 - id WHERE id <= 30;
`;
/** Shared rows are the same in both stores because both ran SHOP_SQL; a stray one is not. */
const STRAYS = `INSERT INTO public.currencies VALUES ('XXX', 'rogue'); INSERT INTO public.orders (id, tenant_id) VALUES (9000, 'acme'), (9001, 'globex');
INSERT INTO public.lines VALUES (9000, 1, 1);`;

let shop: TestMigration;

beforeAll(async () => {
  shop = await aMigration({ plan: PLAN, legacySql: SQL });
  await shop.target.query(STRAYS);
  await shop.legacy.query(ROWS);
  await installSchemas(shop.deps);
  const migration = await shop.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
});

afterAll(() => shop?.close());

beforeEach(async () => {
  // Each test copies acme anew: off ends its generation, on begins the next one.
  await turnOff(shop.deps, 'forward', 'acme', 'test');
  for (const tenant of ['*', 'acme'])
    await turnOn(shop.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

const run = aRun({ machine: 'backfill' });

/** Runs the machine's steps as its flow does, and stops at a refusal. */
async function backfill(deps: Deps, runs = run): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  let data: unknown = null;
  for (const name of ['plan-copy', 'copy', 'verify-copy']) {
    for (;;) {
      const step = backfillMachine.steps[name];
      if (step === undefined) throw new Error(`no step ${name}`);
      const result = await step(deps, runs, data);
      results.push(result);
      data = result.data;
      if (!result.proceed) return results;
      if (!result.again) break;
    }
  }
  return results;
}

async function step(name: string, data: unknown): Promise<StepResult> {
  const work = backfillMachine.steps[name];
  if (work === undefined) throw new Error(`no step ${name}`);
  for (let given = data; ; ) {
    const result = await work(shop.deps, run, given);
    if (!result.again || result.waitSeconds > 0) return result;
    given = result.data;
  }
}

const acmeToCopy = async () =>
  (await tenantStates(shop.deps, 'forward'))
    .filter(({ tenant }) => tenant !== 'globex')
    .map(({ tenant, generation }) => ({ tenant, generation }));
const noteOf = async (id: number) =>
  (await shop.target.query('SELECT note FROM orders WHERE id = $1', [id])).rows[0]?.note;

/** The same migration under other numbers of the plan's section. */
function withBackfill(numbers: Partial<Deps['plan']['backfill']>): Deps {
  const { plan } = shop.deps;
  return { ...shop.deps, plan: { ...plan, backfill: { ...plan.backfill, ...numbers } } };
}

const both = async (sql: string) => ({
  legacy: (await shop.legacy.query(sql)).rows,
  target: (await shop.target.query(sql)).rows,
});
const progressOf = async (table: string) =>
  (await shop.deps.documents.get('progress', `backfill/${table}`))?.value.state as unknown as TableProgress | undefined;

/** A database that fails when the test says so: `count` statements of the backfill role pass first. */
function failingAfter(deps: Deps, count: number, error: Error, times = 1, only = ''): Deps {
  let left = count;
  let failures = times;
  return {
    ...deps,
    databases: {
      ...deps.databases,
      open: (store, purpose) => {
        const session = deps.databases.open(store, purpose);
        if (purpose !== 'backfill') return session;
        return {
          ...session,
          query: (statement) => {
            if (!statement.text.includes(only)) return session.query(statement);
            left -= 1;
            if (left < 0 && failures > 0) {
              failures -= 1;
              return Promise.reject(error);
            }
            return session.query(statement);
          },
        };
      },
    },
  };
}

describe('backfill', () => {
  it('copies every table of the scope, removes what legacy does not have, and then counts the tenants as copied', async () => {
    const results = await backfill(shop.deps);

    expect(results.at(-1)?.gates).toMatchObject([{ gate: 'backfill-digest-equal', pass: true, value: 0 }]);
    for (const sql of [
      `SELECT o::text FROM orders o WHERE tenant_id = 'acme' ORDER BY id`,
      `SELECT l::text FROM lines l JOIN orders o ON o.id = order_id WHERE tenant_id = 'acme' ORDER BY order_id, line`,
      'SELECT p::text FROM people p ORDER BY id',
      'SELECT c::text FROM currencies c ORDER BY code',
    ]) {
      const { legacy, target } = await both(sql);
      expect(target).toEqual(legacy);
    }
    // Another tenant's rows are nobody's business here, strays among them.
    expect((await both(`SELECT id FROM orders WHERE tenant_id = 'globex'`)).target).toEqual([{ id: '9001' }]);
    expect((await tenantStates(shop.deps, 'forward')).filter((state) => state.copied).map((s) => s.tenant)).toEqual([
      '*',
      'acme',
    ]);
    expect((await shop.deps.documents.get('tenant', 'acme'))?.value.copied).toBe(true);
  });

  it('has nothing to do the second time', async () => {
    await backfill(shop.deps);
    const before = await both('SELECT count(*) FROM crossfade.applied_log');

    const results = await backfill(shop.deps);

    expect(results[0]?.notes).toEqual(['every tenant of the scope is copied already']);
    expect((await both('SELECT count(*) FROM crossfade.applied_log')).target).toEqual(before.target);
  });

  it('goes on after the last page that was applied when a run was killed, and copies no row twice', async () => {
    const killed = failingAfter(withBackfill({ concurrency: 1 }), 3, new Error('the function was killed'));
    await expect(backfill(killed)).rejects.toThrow('killed');
    const halfway = await progressOf('orders');
    expect(halfway).toMatchObject({ done: false });
    const { target: before } = await both('SELECT max(id) AS id FROM crossfade.applied_log');

    const results = await backfill(shop.deps);

    expect(results.at(-1)?.gates[0]?.pass).toBe(true);
    const { rows } = await shop.target.query(
      `SELECT row_key FROM crossfade.applied_log WHERE table_name = 'orders' AND id > $1 ORDER BY row_key::json ->> 0`,
      [before[0].id],
    );
    expect(rows.length).toBe(100 - (halfway?.rows ?? 0));
    expect(halfway?.rows).toBeGreaterThan(0);
  });

  it('finishes what a killed run had begun, and no row of it anew, though another tenant came on meanwhile', async () => {
    const killed = failingAfter(withBackfill({ concurrency: 1 }), 3, new Error('the function was killed'));
    await expect(backfill(killed)).rejects.toThrow('killed');
    const halfway = await progressOf('orders');
    await turnOn(shop.deps, 'forward', { tenant: 'globex', stage: 'dualwrite', copied: false, why: 'test' });
    const both = aRun({ machine: 'backfill', scope: ['acme', 'globex'] });

    const first = await backfill(shop.deps, both);
    const finished = await progressOf('orders');
    const second = await backfill(shop.deps, both);

    expect(first[0]?.notes.join()).toContain('finishes what an earlier run began; globex wait for the next run');
    expect(first.at(-1)?.gates.map(({ gate, pass }) => [gate, pass])).toEqual([
      ['backfill-digest-equal', true],
      ['tenants-left', false],
    ]);
    expect(first.at(-1)?.reasons.join()).toContain('globex are not copied yet; run: npx crossfade start backfill');
    expect(second.at(-1)?.gates.map(({ gate, pass }) => [gate, pass])).toEqual([['backfill-digest-equal', true]]);
    expect(first[0]?.notes.join()).toContain(`orders: goes on after ${halfway?.rows} rows of an earlier run`);
    expect(finished).toMatchObject({ rows: 100, swept: true });
    expect(second[0]?.notes[0]).toBe('copies 4 tables of globex');
    const states = await tenantStates(shop.deps, 'forward');
    expect(states.filter(({ tenant }) => tenant !== '*').map(({ tenant, copied }) => [tenant, copied])).toEqual([
      ['acme', true],
      ['globex', true],
    ]);
    await turnOff(shop.deps, 'forward', 'globex', 'test');
  });

  it('misses nothing where several workers were killed at once, and writes no equal row anew', async () => {
    const several = withBackfill({ concurrency: 4, batchRows: 5 });
    const killed = failingAfter(several, 9, new Error('the function was killed'), 1, 'backfill-orders-');
    await expect(backfill(killed)).rejects.toThrow('killed');
    const halfway = await progressOf('orders');
    const places = async () =>
      new Map(
        (await shop.target.query(`SELECT id, ctid::text AS place FROM orders WHERE tenant_id = 'acme'`)).rows.map(
          (row: { id: string; place: string }) => [row.id, row.place],
        ),
      );
    const before = await places();

    const results = await backfill(several);

    expect(results.at(-1)?.gates[0]?.pass).toBe(true);
    expect(halfway?.rows ?? 0).toBeLessThan(100);
    const after = await places();
    const moved = [...before].filter(([id, place]) => after.has(id) && after.get(id) !== place);
    expect(moved).toEqual([]);
  });

  it('is paused and tuned while it runs, and says both in its notes and its pace', async () => {
    const { documents } = shop.deps;
    const mark = { by: 'alice', at: '2026-01-05T12:00:00.000Z', why: 'nightly load' };
    await documents.put(
      'progress',
      BACKFILL_CONTROL,
      { work: BACKFILL_CONTROL, state: { paused: mark }, at: mark.at },
      'any',
    );
    const planned = await backfillMachine.steps['plan-copy']?.(shop.deps, run, null);

    const paused = await backfillMachine.steps.copy?.(shop.deps, run, planned?.data);

    expect(paused).toMatchObject({ again: true, waitSeconds: 60 });
    expect(paused?.notes.at(-1)).toBe(
      'paused by alice since 2026-01-05T12:00:00.000Z: nightly load; run: npx crossfade backfill resume',
    );
    expect((await readPace(documents))?.stop).toBe('paused');

    const tuned = { ...mark, batchesPerSecond: 5_000, batchRows: 7 };
    await documents.put('progress', BACKFILL_CONTROL, { work: BACKFILL_CONTROL, state: { tuned }, at: mark.at }, 'any');
    const results = await backfill(shop.deps);
    await documents.remove('progress', BACKFILL_CONTROL);

    expect(results.at(-1)?.gates[0]?.pass).toBe(true);
    expect(results[1]?.notes).toContain('5000 batches a second of 7 rows: at most 35000 rows a second');
    expect((await progressOf('orders'))?.batches).toBe(Math.ceil(99 / 7));
  });

  it('keeps to the pause also where the proof at its end has rows to read afresh', async () => {
    await step('plan-copy', null);
    const copied = await step('copy', { tenants: await acmeToCopy() });
    await shop.target.query(`SET SESSION AUTHORIZATION "${shop.roles.apply}"`);
    await shop.target.query(`UPDATE orders SET note = 'rogue' WHERE id = 1`);
    await shop.target.query('RESET SESSION AUTHORIZATION');
    const { documents, clock } = shop.deps;
    const at = clock.now().toISOString();
    const paused = { by: 'alice', at, why: 'the target is busy' };
    await documents.put('progress', BACKFILL_CONTROL, { work: BACKFILL_CONTROL, state: { paused }, at }, 'any');

    const waiting = await step('verify-copy', copied.data);
    const left = await noteOf(1);
    await documents.remove('progress', BACKFILL_CONTROL);
    const verified = await step('verify-copy', copied.data);

    expect(waiting).toMatchObject({ again: true, waitSeconds: 60 });
    expect(waiting.notes.join()).toContain('paused by alice');
    expect([left, verified.proceed, await noteOf(1)]).toEqual(['rogue', true, '1']);
  });

  it('does not overwrite or resurrect what was written while it read', async () => {
    let hasWritten = false;
    const busy: Deps = {
      ...shop.deps,
      databases: {
        ...shop.deps.databases,
        open: (store, purpose) => {
          const session = shop.deps.databases.open(store, purpose);
          if (purpose !== 'backfill') return session;
          return {
            ...session,
            query: async (statement) => {
              // Between the read of a page and its apply.
              if (!hasWritten && statement.text.includes('backfill-orders-0')) {
                hasWritten = true;
                await shop.legacy.query(
                  `DELETE FROM orders WHERE id = 2; UPDATE orders SET note = 'late' WHERE id = 4`,
                );
              }
              return session.query(statement);
            },
          };
        },
      },
    };

    const results = await backfill(busy);

    // Their events are undelivered: in flight, which is not a difference.
    expect(results.at(-1)?.gates[0]?.pass).toBe(true);
    expect(results.at(-1)?.notes[0]).toContain('in flight');
    await relayUntilDone(shop);
    const { target } = await both('SELECT id, note FROM orders WHERE id IN (2, 4)');
    expect(target).toEqual([{ id: '4', note: 'late' }]);
  });

  it('tries a batch again after a failure that passes, as often as the plan says and no more', async () => {
    const passing = new SqlError('deadlock', { kind: 'transient', sqlState: '40P01' });

    const results = await backfill(failingAfter(shop.deps, 2, passing, 3));
    expect(results.at(-1)?.gates[0]?.pass).toBe(true);

    await turnOff(shop.deps, 'forward', 'acme', 'test');
    await turnOn(shop.deps, 'forward', { tenant: 'acme', stage: 'dualwrite', copied: false, why: 'test' });
    const down = new SqlError('the store is down', { kind: 'unavailable' });
    await expect(backfill(failingAfter(shop.deps, 2, down, 1_000))).rejects.toThrow('the store is down');
  });

  it('tries one row again that a lock of the target refuses, and does not count it as failed', async () => {
    const waits: number[] = [];
    const { databases, clock } = shop.deps;
    let refusals = 0;
    // Statements that write row 4 meet a lock until its third wait; the page is halved until the row stands alone.
    const locked: Deps = {
      ...withBackfill({ concurrency: 1, retries: 3, backoff: { first: 8, factor: 2, max: 1_000, jitterPercent: 0 } }),
      clock: {
        ...clock,
        sleep: async (ms) => {
          if (ms >= 8) waits.push(ms);
        },
      },
      databases: {
        ...databases,
        open: (store, purpose) => {
          const session = databases.open(store, purpose);
          if (purpose !== 'backfill') return session;
          return {
            ...session,
            query: (statement) => {
              const isRow = statement.values.some((value) => typeof value === 'string' && /"r4"|\\"r4\\"/.test(value));
              if (!isRow || waits.length >= 3) return session.query(statement);
              refusals += 1;
              return Promise.reject(
                new SqlError('canceling statement due to lock timeout', { kind: 'transient', sqlState: '55P03' }),
              );
            },
          };
        },
      },
    };

    const results = await backfill(locked);

    expect(results.at(-1)?.gates[0]?.pass).toBe(true);
    expect(refusals).toBeGreaterThan(3);
    expect(waits.slice(0, 3)).toEqual([8, 16, 32]);
    expect(await progressOf('orders')).toMatchObject({ failures: 0, failed: [], done: true });
  });

  it('reports a unique violation that versions cannot decide, and does not count the tenant as copied', async () => {
    await shop.target.query('CREATE UNIQUE INDEX people_mail ON people (lower(mail))');
    await shop.legacy.query(`UPDATE people SET mail = 'M5' WHERE id = 6`);
    // The relay is out of this test: an event on its way would make the difference one in flight.
    await shop.legacy.query(`UPDATE crossfade.outbox SET state = 'published' WHERE state = 'pending'`);
    // On a busy server no two reads share a snapshot: each repair is newer than the row that it collides with.
    const busy = setInterval(() => void shop.legacy.query('SELECT pg_current_xact_id()'), 2);

    const results = await backfill(shop.deps).finally(() => clearInterval(busy));

    const last = results.at(-1);
    expect(last?.proceed).toBe(false);
    expect(last?.reasons.join('\n')).toMatch(/people \[[56]\] could not be written: .*people_mail/);
    expect((await tenantStates(shop.deps, 'forward')).find((state) => state.tenant === 'acme')?.copied).toBe(false);

    // Mended in legacy, the next run copies only what is missing and passes.
    await shop.legacy.query(`UPDATE people SET mail = 'm6' WHERE id = 6`);
    expect((await backfill(shop.deps)).at(-1)?.gates[0]?.pass).toBe(true);
    await shop.target.query('DROP INDEX people_mail');
  });

  it('changes nothing in a dry run, and says what a run would take', async () => {
    await turnOff(shop.deps, 'forward', 'acme', 'test');
    const before = await both('SELECT count(*) FROM orders UNION ALL SELECT count(*) FROM crossfade.applied_log');

    const results = await backfill(shop.deps, { ...run, dryRun: true });

    expect(results[0]?.notes.at(-1)).toMatch(
      /^dry run: \d+ rows in \d+ batches of 20, at least 1 s at 10000 batches a second/,
    );
    expect(await both('SELECT count(*) FROM orders UNION ALL SELECT count(*) FROM crossfade.applied_log')).toEqual(
      before,
    );
    expect(results.every((result) => result.proceed)).toBe(true);
  });

  it('refuses a tenant that is not exposed', async () => {
    await turnOff(shop.deps, 'forward', 'acme', 'test');

    const results = await backfill(shop.deps);

    expect(results[0]?.reasons).toEqual(['not exposed: acme; run: npx crossfade start dual-write']);
  });

  it('waits for its window', async () => {
    const clock = createVirtualClock({ start: new Date('2026-01-05T12:00:00Z'), autoAdvance: true });
    const slow = {
      ...shop.deps.plan,
      backfill: {
        ...shop.deps.plan.backfill,
        batchesPerSecond: 2,
        offPeak: { fromMinute: 1320, toMinute: 360, zone: 'UTC' },
      },
    };
    const deps: Deps = { ...shop.deps, clock, plan: slow };
    const planned = await backfillMachine.steps['plan-copy']?.(deps, run, null);

    const closed = await backfillMachine.steps.copy?.(deps, run, planned?.data);
    expect(closed).toMatchObject({ again: true, waitSeconds: 300 });
    expect(closed?.notes.at(-1)).toBe('outside the off-peak window; opens at 2026-01-05T22:00:00.000Z (UTC)');

    clock.set(new Date('2026-01-05T23:00:00Z'));
    const copied = await backfillMachine.steps.copy?.(deps, run, planned?.data);
    expect(copied?.notes.join()).not.toContain('off-peak');
  });

  it.each([0.5, 2, 50])('begins no batch earlier than %f a second allows, and wastes no time between', async (rate) => {
    const clock = createVirtualClock({ start: new Date('2026-01-05T12:00:00Z'), autoAdvance: true });
    const { deps, batchesAt } = timed({ ...withBackfill({ batchesPerSecond: rate, concurrency: 1 }), clock });
    const began = clock.now().getTime();

    await backfill(deps);

    const gaps = batchesAt.slice(1).map((at, index) => at - (batchesAt[index] ?? at));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000 / rate - 1);
    // 5 + 10 + 3 pages of acme.
    expect(batchesAt.length).toBeGreaterThanOrEqual(18);
    // As many sweeps, and an empty page at the end of each table.
    const slots = 2 * batchesAt.length + 8;
    expect(clock.now().getTime() - began).toBeLessThanOrEqual((1_000 * slots) / rate + 1_000);
  });

  it('shares one rate among its workers, by the clock of the wall too', async () => {
    const rate = 40;
    const { deps, batchesAt } = timed(withBackfill({ batchesPerSecond: rate, concurrency: 4 }));

    await backfill(deps);

    const tookMs = (batchesAt.at(-1) ?? 0) - (batchesAt[0] ?? 0);
    // A worker may be late with a slot that it took: each of the others has one.
    expect(tookMs).toBeGreaterThanOrEqual((1_000 * (batchesAt.length - 1 - 4)) / rate);
    expect(batchesAt.length).toBeGreaterThanOrEqual(18);
  });

  /** When each batch was written. */
  function timed(deps: Deps): { readonly deps: Deps; readonly batchesAt: readonly number[] } {
    const batchesAt: number[] = [];
    const open: Deps['databases']['open'] = (store, purpose) => {
      const session = deps.databases.open(store, purpose);
      return {
        ...session,
        query: (statement) => {
          if (statement.text.startsWith('/* crossfade batch')) batchesAt.push(deps.clock.now().getTime());
          return session.query(statement);
        },
      };
    };
    return { deps: { ...deps, databases: { ...deps.databases, open } }, batchesAt };
  }
});
