/** Scopes of cycles on real databases: windows that go on from one another, due tables, limits, samples, named keys, long lists. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { reconcileMachine } from '../../lib/application/machines/reconcile/machine.ts';
import { compareHere } from '../../lib/application/reconcile/compare-here.ts';
import type { ChunkItem } from '../../lib/application/reconcile/cycle-store.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { freshShop, openShop, writePastTheFence } from '../support/shop.ts';

const PLAN = `
tenants: { column: tenant_id }
reconcile:
  { cycle: 1h, fullEvery: 3h, window: 1h, chunkRows: 10, splitRows: 3, chunksPerBatch: 2, recheckAfter: 5s, haltDriftPercent: 100, gate: { for: 3h, minimumRows: 100 } }
tables:
  currencies: { tenant: none }
  orders: { updatedAtColumn: updated_at }
  lines: { tenant: { parent: orders, on: { order_id: id } }, every: 10m }
`;
const ROWS = `
CREATE INDEX orders_updated ON public.orders (updated_at);
INSERT INTO public.orders (id, tenant_id, reference, amount, note, updated_at)
  SELECT i, 'acme', 'r' || i, i, '', '2026-01-01' FROM generate_series(1, 40) AS i;
INSERT INTO public.lines SELECT o.id, l, l FROM public.orders AS o, generate_series(1, 2) AS l;
`;
const ALL = 122;
const LINES = 80;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;

beforeAll(async () => {
  shop = await openShop(PLAN, ROWS, ['acme']);
});

afterAll(() => shop?.close());

beforeEach(async () => {
  ({ clock, deps } = await freshShop(shop, new Date()));
});

/** A write of the application, whose event the relay has delivered. */
async function write(sql: string): Promise<void> {
  await shop.legacy.query(sql);
  await shop.legacy.query(`UPDATE crossfade.outbox SET state = 'published', touched_at = clock_timestamp()`);
}

async function queueRepair(table: string, rowKey: string): Promise<void> {
  await shop.target.query(
    `INSERT INTO crossfade.repair_queue (table_name, row_key, reason) VALUES ('${table}', '${rowKey}', 'test')`,
  );
}

async function step(name: string, run: Run, data: unknown): Promise<StepResult> {
  const work = reconcileMachine.steps[name];
  if (work === undefined) throw new Error(`no step ${name}`);
  for (;;) {
    const result: StepResult = await work(deps, run, data);
    if (!result.again) return result;
    await clock.sleep(result.waitSeconds * 1000);
    data = result.data;
  }
}

async function itemsOf(planned: StepResult): Promise<readonly ChunkItem[]> {
  const { chunks } = planned.data as { chunks: { Key: string } };
  return JSON.parse((await deps.objects.get(chunks.Key)) ?? '[]') as ChunkItem[];
}

function aCycleRun(overrides: Partial<Run> = {}): Run {
  return aRun({ machine: 'reconcile', startedAt: clock.now().toISOString(), ...overrides });
}

async function cycle(overrides: Partial<Run> = {}) {
  const run = aCycleRun(overrides);
  const planned = await step('plan-chunks', run, null);
  if (!planned.proceed)
    return { refused: planned.reasons, notes: [], logged: undefined, items: [], outcome: 'refused' };
  const items = await itemsOf(planned);
  for (const item of items) await step('compare-chunks', run, { items: [item] });
  const settled = await step('settle', run, planned.data);
  const repaired = await step('repair', run, settled.data);
  const recorded = await step('record', run, repaired.data);
  const logged = (await deps.documents.get('cycle', run.startedAt))?.value;
  const { outcome } = recorded.data as { outcome: string };
  return { refused: [], notes: [...planned.notes, ...recorded.notes], logged, items, outcome };
}

const due = () => cycle({ scopeKind: 'due', requestedBy: 'schedule' });
const found = async () =>
  (await deps.documents.list('drift')).filter(({ value }) => value.repairedAt === undefined).map(({ id }) => id);

describe('the schedule', () => {
  it('compares everything first, then what changed since, then everything again', async () => {
    const scopes: string[] = [];
    for (let hour = 0; hour < 4; hour++) {
      const { logged } = await due();
      scopes.push(`${logged?.scopeKind} ${logged?.rows}`);
      await clock.sleep(HOUR);
    }

    expect(scopes).toEqual([`full ${ALL}`, 'window 0', 'window 0', `full ${ALL}`]);
  });

  it('goes on from a cycle in mode columns, which proves every column, and never from one in mode count, which says so', async () => {
    const { notes } = await cycle({ scopeKind: 'due', requestedBy: 'schedule', mode: 'count' });
    await clock.sleep(HOUR);
    const columns = { scopeKind: 'due', requestedBy: 'schedule', mode: 'columns' } as const;
    const first = await cycle(columns);
    await clock.sleep(HOUR);
    const second = await cycle(columns);

    expect(notes).toContain('mode count proves no row: it runs no drift clock and moves no window');
    expect([first.logged?.scopeKind, second.logged?.scopeKind]).toEqual(['full', 'window']);
  });

  it('finds in a window a lost write, and says what the window went on from', async () => {
    await due();
    await clock.sleep(HOUR);
    await write(`UPDATE orders SET note = 'new' WHERE id = 7`);

    const { logged, notes } = await due();

    expect(logged).toMatchObject({ scopeKind: 'window', drift: 1, complete: true });
    expect(await found()).toEqual(['orders#[7]']);
    expect(notes.join()).toContain('a window: what changed since the cycle of');
  });

  it('sees a write whose transaction was open when the cycle before took its snapshot', async () => {
    const { host, port, database, user, password } = shop.legacy;
    const writer = new pg.Client({ host, port, database, user, password });
    await writer.connect();
    await writer.query('BEGIN');
    await writer.query(`UPDATE orders SET note = 'slow' WHERE id = 9`);
    await due();
    await writer.query('COMMIT');
    await writer.end();
    await shop.legacy.query(`UPDATE crossfade.outbox SET state = 'published'`);
    await clock.sleep(HOUR);

    const { logged } = await due();

    expect(logged).toMatchObject({ scopeKind: 'window', drift: 1 });
    expect(await found()).toEqual(['orders#[9]']);
  });

  it('looks again at rows that waited for delivery when the cycle before began, however old their event is', async () => {
    await shop.legacy.query(`UPDATE orders SET note = 'waits' WHERE id = 11`);
    await shop.legacy.query(`UPDATE crossfade.outbox SET captured_at = captured_at - interval '5 days'`);
    await due();
    await shop.legacy.query(`UPDATE crossfade.outbox SET state = 'published'`);
    await clock.sleep(HOUR);

    const { logged } = await due();

    expect(logged).toMatchObject({ scopeKind: 'window', drift: 1 });
    expect(await found()).toEqual(['orders#[11]']);
  });

  it('looks again at rows that a queued repair hid from the cycle before, though no event of theirs is in the window', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 5`);
    await queueRepair('orders', '[5]');
    const before = await due();
    await shop.target.query('DELETE FROM crossfade.repair_queue');
    await clock.sleep(HOUR);

    const { logged } = await due();

    expect(before.logged).toMatchObject({ drift: 0, complete: true, tables: [{}, { inFlight: 1 }, {}] });
    expect(logged).toMatchObject({ scopeKind: 'window', drift: 1 });
    expect(await found()).toEqual(['orders#[5]']);
  });

  it('does not call a difference over that only waits for a repair in the next full pass', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 5`);
    await due();
    await clock.sleep(3 * HOUR);
    await queueRepair('orders', '[5]');

    const { logged } = await due();
    await shop.target.query('DELETE FROM crossfade.repair_queue');

    expect(logged).toMatchObject({ scopeKind: 'full', drift: 0, complete: true });
    expect(await found()).toEqual(['orders#[5]']);
  });

  it('does not call a difference over that a full pass by counting cannot see', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 5`);
    await due();
    await clock.sleep(MINUTE);

    const { logged } = await cycle({ mode: 'count' });

    expect(logged).toMatchObject({ scopeKind: 'full', mode: 'count', drift: 0 });
    expect(await found()).toEqual(['orders#[5]']);
  });

  it('finds by its indexed column a row that somebody wrote to the target alone', async () => {
    await due();
    await clock.sleep(HOUR);
    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue', updated_at = now() WHERE id = 3`);

    const { logged } = await due();

    expect(logged).toMatchObject({ scopeKind: 'window', drift: 1 });
    expect(await found()).toEqual(['orders#[3]']);
  });

  it('compares a busy table more often, and ends at once while nothing is due', async () => {
    await due();
    await clock.sleep(10 * MINUTE);

    const busy = await due();
    await clock.sleep(MINUTE);
    const nothing = await due();

    expect(busy.logged).toMatchObject({ scopeKind: 'window', tables: [{ table: 'lines' }] });
    expect(nothing.refused).toEqual(['no table is due yet; nothing was compared']);
    expect(await deps.documents.list('cycle')).toHaveLength(2);
  });

  it('compares everything when events may have been pruned, or the plan has changed, since the cycle before', async () => {
    await due();
    await clock.sleep(HOUR);
    deps = { ...deps, planHash: 'another' };

    const changed = await due();

    expect(changed.notes.join()).toContain('full instead of a window: the plan has changed');
    await clock.sleep(HOUR);
    await shop.legacy.query('UPDATE crossfade.source SET epoch = epoch + 1');
    const restored = await due();
    await shop.legacy.query('UPDATE crossfade.source SET epoch = epoch - 1');
    expect(restored.notes.join()).toContain('legacy was restored or failed over since');
  });

  it('compares everything when it could not see how long transactions ran at the cycle before', async () => {
    await shop.legacy.query(`REVOKE pg_monitor FROM "${shop.roles.compare}"`);
    await due();
    await shop.legacy.query(`GRANT pg_monitor TO "${shop.roles.compare}"`);
    await clock.sleep(HOUR);

    const { notes, logged } = await due();

    expect(logged?.scopeKind).toBe('full');
    expect(notes.join()).toContain('grant pg_monitor to the compare role');
  });
});

describe('what an operator asks for', () => {
  it('a limit compares the window, partly: it is never clean for the clock, and what it finds counts', async () => {
    await write(`UPDATE orders SET note = 'limited' WHERE id BETWEEN 1 AND 30`);

    const { logged, items, notes } = await cycle({ limit: 20 });

    expect(logged).toMatchObject({ scopeKind: 'sample', rows: 20, drift: 20 });
    expect(logged?.beyondLimit).toEqual({ rows: 10, counted: 'at-least' });
    expect(notes).toContain('the limit left out at least 10 rows, which were not compared; raise it with --limit');
    expect(items).toHaveLength(1);
  });

  it('named rows, and no others', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = NULL WHERE id IN (3, 4)`);

    const { logged, outcome } = await cycle({ scopeKind: 'keys', tables: ['orders'], keys: ['[3]', '[5]', '[999]'] });

    expect(logged).toMatchObject({ scopeKind: 'keys', rows: 2, drift: 1 });
    expect(outcome).toBe('differences');
    expect(logged?.beyondLimit).toBeUndefined();
    expect(await found()).toEqual(['orders#[3]']);
  });

  it('named rows beyond a limit are counted', async () => {
    const keys = ['[3]', '[5]', '[6]'];

    const { logged } = await cycle({ scopeKind: 'keys', tables: ['orders'], keys, limit: 1 });

    expect(logged).toMatchObject({ rows: 1, beyondLimit: { rows: 2, counted: 'exactly' } });
  });

  it('a sample draws rows of both stores', async () => {
    await writePastTheFence(shop, 'DELETE FROM lines');

    const { logged } = await cycle({ scopeKind: 'sample', limit: 100, tables: ['lines'] });

    expect(logged).toMatchObject({ scopeKind: 'sample', rows: 50, drift: 50 });
  });

  it('a full pass of one table with a limit covers its beginning', async () => {
    await shop.legacy.query('ANALYZE lines');

    const { logged } = await cycle({ scopeKind: 'full', tables: ['lines'], limit: 20 });

    expect(logged).toMatchObject({ scopeKind: 'sample', rows: 20, drift: 0 });
    expect(logged?.beyondLimit).toEqual({ rows: LINES - 20, counted: 'estimated' });
  });

  it('differences end a dry run with differences too, NULL on either side', async () => {
    await writePastTheFence(shop, `UPDATE orders SET note = NULL WHERE id = 3`);
    await write(`UPDATE orders SET note = NULL WHERE id = 4`);

    const { outcome, logged } = await cycle({ dryRun: true, tables: ['orders'], scopeKind: 'full' });
    await shop.legacy.query(`UPDATE orders SET note = '' WHERE id = 4`);

    expect(outcome).toBe('differences');
    expect(logged).toBeUndefined();
  });
});

describe('a comparison in one process', () => {
  const here = (wish = {}) =>
    compareHere(deps, { tenants: [], mode: null, tables: [], limit: null, ...wish }, () => {});

  it('finds the same as a cycle, with the columns and without values, and records nothing', async () => {
    await writePastTheFence(
      shop,
      `UPDATE orders SET note = NULL WHERE id = 3; DELETE FROM lines WHERE order_id = 4 AND line = 1`,
    );

    const payload = await here();

    expect(payload).toMatchObject({ outcome: 'differences', rows: ALL, unsettled: 0, unread: 0 });
    expect(payload.drift).toEqual([
      { table: 'orders', rowKey: '[3]', tenant: 'acme', kind: 'different', columns: ['note'] },
      { table: 'lines', rowKey: '[4, 1]', tenant: 'acme', kind: 'missing', columns: [] },
    ]);
    expect(await deps.documents.list('cycle')).toEqual([]);
    expect(await deps.documents.list('progress')).toEqual([]);
  });

  it('passes over equal stores, and refuses what cannot be', async () => {
    expect((await here()).outcome).toBe('passed');
    expect(await here({ mode: 'guess' })).toMatchObject({ outcome: 'refused' });
  });
});

describe('a long list', () => {
  it('is made in several calls, and in the next execution when one dies', async () => {
    const run = aCycleRun();
    const whole = deps;
    // Every look at the clock costs three minutes: a call lists one part.
    let looks = 0;
    const now = () => new Date(clock.now().getTime() + 3 * MINUTE * looks++);
    deps = { ...deps, clock: { ...clock, now } };
    const first = await reconcileMachine.steps['plan-chunks']?.(deps, run, null);
    deps = whole;
    const next = aCycleRun({ execution: `${run.execution}-2` });
    const replanned = await step('plan-chunks', next, null);

    expect(first).toMatchObject({ again: true, data: { listing: true } });
    expect(replanned.notes).toContain(`goes on with the cycle of ${run.startedAt}`);
    const items = await itemsOf(replanned);
    expect(items.map(({ n }) => n)).toEqual(items.map((_, index) => index));
    expect(new Set(items.map(({ table }) => table)).size).toBe(3);
  });
});
