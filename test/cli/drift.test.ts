import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DriftShowPayload, DriftStatusPayload } from '../../lib/application/operate/drift.ts';
import type { DriftExplainPayload } from '../../lib/application/operate/explain-drift.ts';
import { aCycle, aDifference, aTenant, NOON } from './support/records.ts';
import { answerWith, DIFFERING, ROW, STEP } from './support/trace-answers.ts';
import { createWorld } from './support/world.ts';

async function worldWithDrift() {
  const world = createWorld();
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  await world.documents.put('drift', 'orders#{"id":7}', aDifference(), 'absent');
  await world.documents.put(
    'drift',
    'orders#{"id":8}',
    aDifference({ rowKey: '{"id":8}', kind: 'missing', columns: [], tenant: 'globex' }),
    'absent',
  );
  await world.documents.put(
    'drift',
    'orders#{"id":9}',
    aDifference({ rowKey: '{"id":9}', repairedAt: NOON }),
    'absent',
  );
  return world;
}

test('shows open differences by key and column, and exits 4', async () => {
  const world = await worldWithDrift();

  const exit = await world.run('drift', 'show');

  expect(exit).toBe(4);
  expect(world.stdout).toContain('2 open differences');
  expect(world.stdout).toMatch(/orders +\{"id":7\} +acme +different +amount/);
  expect(world.stdout).not.toContain('{"id":9}');
  expect(world.stdout).toContain(`next: npx crossfade drift explain orders '{"id":7}'`);
});

test('filters by table and tenant, and exits 0 when nothing is left', async () => {
  const world = await worldWithDrift();

  const one = await world.json<{ total: number }>('drift', 'show', '--tenant', 'globex');
  const none = await world.json<{ total: number }>('drift', 'show', '--table', 'customers');

  expect(one).toMatchObject({ exit: 4, payload: { total: 1 } });
  expect(none).toMatchObject({ exit: 0, payload: { total: 0 } });
});

test('explains one difference and names its repair', async () => {
  const world = await worldWithDrift();

  const exit = await world.run('drift', 'explain', 'orders', '{"id":8}');

  expect(exit).toBe(4);
  expect(world.stdout).toContain('legacy has the row, the target does not');
  expect(world.stdout).toContain('next: npx crossfade reconcile --table=orders --repair');
});

test('a key without a difference is wrong usage', async () => {
  const world = await worldWithDrift();

  const exit = await world.run('drift', 'explain', 'orders', '{"id":1}');

  expect(exit).toBe(2);
  expect(world.stderr).toContain('no difference on record for orders {"id":1}');
});

test('the clock says what it has, what it needs and why the gate refuses', async () => {
  const world = createWorld();
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  const table = {
    table: 'orders',
    rows: 200_000,
    chunks: 40,
    differingChunks: 0,
    drift: { missing: 0, extra: 0, different: 0 },
    inFlight: 2,
    unsettled: 0,
    repaired: 0,
    leftOut: 5,
  };
  await world.documents.put('cycle', NOON, aCycle({ tables: [table] }), 'absent');
  await world.clock.advance(7_200_000);

  const exit = await world.run('drift', 'status');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/clock +clean for 2h of 3d below 0.001 %, 1 cycle$/m);
  expect(world.stdout).toContain('- the clock has run 2h of 72h');
  expect(world.stdout).toMatch(/orders +200000 +0 \/ 0 \/ 0 +0 +2 +0 +5/);
});

test('a difference that is open keeps the exit code at 4', async () => {
  const world = await worldWithDrift();

  const exit = await world.run('drift', 'status');

  expect(exit).toBe(4);
  expect(world.stdout).toContain('next: npx crossfade drift show');
});

const HOUR = 3_600_000;

/** Hourly full passes over two tables from noon on; `drifted` says where rows drifted in the cycle of that hour. */
async function worldWithCycles(hours: number, drifted: Readonly<Record<number, 'orders' | 'currencies'>> = {}) {
  const world = createWorld();
  for (const tenant of ['acme', 'globex']) await world.documents.put('tenant', tenant, aTenant({ tenant }), 'absent');
  const none = { missing: 0, extra: 0, different: 0 };
  const tally = { chunks: 4, differingChunks: 0, inFlight: 0, unsettled: 0, repaired: 0, leftOut: 0 };
  for (let hour = 0; hour < hours; hour++) {
    const at = new Date(Date.parse(NOON) + hour * HOUR);
    const where = drifted[hour];
    const cycle = aCycle({
      startedAt: at.toISOString(),
      endedAt: new Date(at.getTime() + 30_000).toISOString(),
      tenants: ['*', 'acme', 'globex'],
      tables: [
        { ...tally, table: 'currencies', rows: 180, drift: { ...none, different: where === 'currencies' ? 1 : 0 } },
        { ...tally, table: 'orders', rows: 2_000_000, drift: { ...none, different: where === 'orders' ? 1 : 0 } },
      ],
      byTenant: { '*': { rows: 180, drift: 0 }, acme: { rows: 1_000_000, drift: where === undefined ? 0 : 1 } },
      rows: 2_000_180,
      drift: where === undefined ? 0 : 1,
      driftPercent: where === undefined ? 0 : 0.00005,
      coveragePercent: 100,
    });
    await world.documents.put('cycle', cycle.startedAt, cycle, 'absent');
  }
  await world.clock.advance(hours * HOUR);
  return world;
}

test('fits into 80 columns and says what comes next, what is needed and what would start it again', async () => {
  const world = await worldWithCycles(30, { 10: 'orders' });

  await world.run('drift', 'status');

  for (const line of world.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(world.stdout).toMatch(/progress +█+░+ 41 %/);
  expect(world.stdout).toMatch(/earliest +2026-01-08 12:00:00Z, if all stays clean/);
  expect(world.stdout).toMatch(/last cycle +2026-01-06 17:00:00Z, checksum full, 30s, covers 100 %/);
  expect(world.stdout).toMatch(/next cycle +due 2026-01-06 18:00:00Z, missed after 2026-01-06 19:00:30Z/);
  expect(world.stdout).toContain('- a full pass with 21 drifted rows or more');
  expect(world.stdout).toMatch(/none that has begun by 2026-01-06 19:00:30Z, starts\s+it again/);
});

test('shows the clocks of tables and tenants, worst first, and all of them with --json', async () => {
  const world = await worldWithCycles(30, { 10: 'currencies' });

  const { payload } = await world.json<DriftStatusPayload>('drift', 'status');
  await world.run('drift', 'status');

  expect(payload.tenantClocks.map(({ subject, cleanMs }) => [subject, cleanMs / HOUR])).toEqual([
    ['acme', 30],
    ['*', 30],
    ['globex', 30],
  ]);
  expect(world.stdout).toMatch(/acme +runs +1d 6h +1000000 +1 +/);
  expect(world.stdout).toMatch(/shared rows +runs +1d 6h +180 +0 +1\.65 %/);
});

test('the tables of the deployed plan each have to pass', async () => {
  const world = await worldWithCycles(80, { 30: 'currencies' });
  const reconcile = {
    gate: { for: 72 * HOUR, driftPercent: 0.001, minimumRows: 100_000 },
    alert: { driftPercent: 0.01, cycles: 5 },
    cycle: HOUR,
    missedCycle: 'restart',
  };
  const plan = {
    reconcile,
    windows: {},
    approvals: {},
    tenants: { kind: 'none' },
    tables: { currencies: { every: null }, orders: { every: null } },
  };
  await world.documents.put('progress', 'plan', { work: 'plan', state: { hash: 'h', plan }, at: NOON }, 'absent');

  const { payload } = await world.json<DriftStatusPayload>('drift', 'status');

  expect(payload.clock.pass).toBe(false);
  expect(payload.tableClocks.map(({ subject, pass, cleanMs }) => [subject, pass, cleanMs / HOUR])).toEqual([
    ['currencies', false, 49],
    ['orders', true, 80],
  ]);
  expect(payload.clock.reasons).toEqual([expect.stringMatching(/^table currencies: the clock has run 49h of 72h/)]);
});

test('says that a cycle is missed', async () => {
  const world = await worldWithCycles(10);
  await world.clock.advance(3 * HOUR);

  await world.run('drift', 'status');

  expect(world.stdout).toMatch(/next cycle +was due 2026-01-05 22:00:00Z, and is missed/);
  expect(world.stdout).toContain('no cycle has ended well for 3h');
});

test('shows what became of differences, by cycle and page by page', async () => {
  const world = await worldWithDrift();
  const seen = [{ cycle: '2026-01-04T10:00:00.000Z', kind: 'missing' as const, columns: [] }];
  const gone = aDifference({ rowKey: '{"id":6}', repairedAt: NOON, endedBy: 'converged', seen });
  await world.documents.put('drift', 'orders#{"id":6}', gone, 'absent');

  const all = await world.json<DriftShowPayload>('drift', 'show', '--all');
  const first = await world.json<DriftShowPayload>('drift', 'show', '--all', '--limit', '3');
  const rest = await world.json<DriftShowPayload>('drift', 'show', '--all', '--after', first.payload.nextPage ?? '');
  const ofCycle = await world.json<DriftShowPayload>('drift', 'show', '--cycle', '2026-01-04T10');

  expect(all.payload.differences.map(({ rowKey, state }) => [rowKey, state])).toEqual([
    ['{"id":6}', 'gone'],
    ['{"id":7}', 'open'],
    ['{"id":8}', 'open'],
    ['{"id":9}', 'repaired'],
  ]);
  expect([...first.payload.differences, ...rest.payload.differences]).toEqual(all.payload.differences);
  expect(rest.payload.nextPage).toBeNull();
  expect(ofCycle).toMatchObject({ exit: 0, payload: { total: 1, open: 0 } });
});

test('tells the history of a row from capture to now, with the columns that differ, and never a value', async () => {
  const world = createWorld();
  const seen = [{ cycle: NOON, kind: 'different' as const, columns: ['amount'] }];
  await world.documents.put('tenant', 'acme', aTenant({ tenant: 'acme' }), 'absent');
  await world.documents.put('drift', 'orders#[7]', aDifference({ rowKey: '[7]', seen }), 'absent');
  answerWith(world, DIFFERING);

  const exit = await world.run('drift', 'explain', 'orders', '7');

  expect(exit).toBe(4);
  expect(world.stdout.replaceAll('\n', ' ')).toContain(
    'every event of the row has ended, and they differ in amount: drift that no delivery will mend',
  );
  for (const line of world.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(world.stdout).toMatch(/tenant +acme, dualwrite, on, copied, generation 1/);
  expect(world.stdout).toMatch(/cycles that saw it differ\n +2026-01-05 12:00:00Z {2}different: amount/);
  const order = ['legacy captured', 'target applied', 'legacy published', 'version in force event 1/41'];
  const places = order.map((words) => world.stdout.indexOf(words));
  expect(places).toEqual(places.toSorted((one, other) => one - other));
  expect(places[0]).toBeGreaterThan(0);
  expect(world.stdout).toContain('#41, correlation id web-1');
  expect(world.stdout).toContain('next: npx crossfade reconcile --table=orders --repair');
});

test.each([
  ['parked', 'event 41 of the row is parked', 4, 'redrive --dry-run'],
  ['pending', 'what differs is in flight, not drift', 4, 'status'],
] as const)('says what it waits for when its event is %s', async (what, words, expected, next) => {
  const world = createWorld();
  await world.documents.put('drift', 'orders#[7]', aDifference({ rowKey: '[7]' }), 'absent');
  answerWith(world, { ...DIFFERING, steps: [...DIFFERING.steps.slice(0, 1), { ...STEP, seq: '41', at: null, what }] });

  const exit = await world.run('drift', 'explain', 'orders', '[7]');

  expect(exit).toBe(expected);
  expect(world.stdout.replaceAll('\n', ' ')).toContain(words);
  expect(world.stdout).toContain(`next: npx crossfade ${next}`);
});

test('a row that no cycle found, and that is the same now, is told too, and exits 0', async () => {
  const world = createWorld();
  answerWith(world, { ...DIFFERING, rows: [{ ...ROW, digests: { legacy: 'a1', target: 'a1' }, same: true }] });

  const { exit, payload } = await world.json<DriftExplainPayload>('drift', 'explain', 'orders', '7');

  expect(exit).toBe(0);
  expect(payload).toMatchObject({ difference: null, differs: false, verdict: 'both stores hold the same now' });
});

test('tells what is on record when nobody answers, and names the gap', async () => {
  const world = await worldWithDrift();

  const waited = await world.json<DriftExplainPayload>('drift', 'explain', 'orders', '{"id":7}');
  const unasked = await world.json<DriftExplainPayload>('drift', 'explain', 'orders', '{"id":7}', '--no-wait');

  expect(waited.payload.gaps[0]).toContain('the relay has not answered within 90 s');
  expect(unasked.payload.gaps).toEqual(['the stores were not asked (--no-wait)']);
});

test('writes the report as one file', async () => {
  const world = await worldWithCycles(30, { 10: 'orders' });
  const out = join(await mkdtemp(join(tmpdir(), 'drift-')), 'drift.html');

  const exit = await world.run('drift', 'report', '--out', out);

  const page = await readFile(out, 'utf8');
  expect(exit).toBe(0);
  expect(world.stdout).toContain(`wrote ${out}`);
  expect(page).toContain('<svg');
  expect(page).not.toMatch(/(src|href)=/);
});

test('counts a cycle that its execution left behind as failed, as the gate does', async () => {
  const world = await worldWithCycles(30);
  const startedAt = world.clock.now().toISOString();
  const state = {
    cycle: startedAt,
    execution: 'gone',
    startedAt,
    tenants: ['*', 'acme', 'globex'],
    tables: [],
    scopeKind: 'full',
    mode: 'checksum',
  };
  await world.documents.put('progress', 'reconcile/open', { work: 'reconcile/open', state, at: startedAt }, 'absent');
  await world.clock.advance(1_800_000);

  const { payload } = await world.json<DriftStatusPayload>('drift', 'status');

  expect(payload.clock).toMatchObject({ cleanMs: 0, last: { startedAt, clean: false } });
  expect(payload.clock.reasons[0]).toContain(`the cycle of ${startedAt} failed`);
});

test('shows keys whole within 80 columns, with what follows beneath them', async () => {
  const world = createWorld();
  const rowKey = '["1b645389-2473-a467-d073-72d45eb05abc"]';
  const columns = ['email', 'delivery_address', 'risk_score', 'marketing_consent'];
  const wide = aDifference({ table: 'customer_addresses', rowKey, columns, tenant: 'a-tenant-of-some-length' });
  await world.documents.put('drift', `customer_addresses#${rowKey}`, wide, 'absent');

  await world.run('drift', 'show');

  const [answer = '', next = ''] = world.stdout.split('\nnext: ');
  for (const line of answer.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(answer).toContain(rowKey);
  expect(answer.replaceAll(/\n +/g, ' ')).toContain(`columns ${columns.join(', ')}; state open`);
  expect(next).toContain(`drift explain customer_addresses '${rowKey}'`);
});

test('a clock that stands still counts nothing, and a long list of reasons is cut', async () => {
  const world = createWorld();
  const tenants = ['acme', 'birch', 'cobalt', 'dune'];
  for (const tenant of tenants) await world.documents.put('tenant', tenant, aTenant({ tenant }), 'absent');
  const tally = { chunks: 1, differingChunks: 1, inFlight: 0, unsettled: 0, repaired: 0, leftOut: 0 };
  const tables = Array.from({ length: 8 }, (_, at) => ({
    ...tally,
    table: `orders_${at}`,
    rows: 100,
    drift: { missing: 0, extra: 0, different: 9 },
  }));
  const plan = {
    reconcile: {
      gate: { for: HOUR, driftPercent: 0.001, minimumRows: 100 },
      alert: { driftPercent: 0.01, cycles: 5 },
      cycle: HOUR,
      missedCycle: 'restart',
    },
    windows: {},
    approvals: {},
    tenants: { kind: 'none' },
    tables: Object.fromEntries(tables.map(({ table }) => [table, { every: null }])),
  };
  await world.documents.put('progress', 'plan', { work: 'plan', state: { hash: 'h', plan }, at: NOON }, 'absent');
  const byTenant = Object.fromEntries(tenants.map((tenant) => [tenant, { rows: 200, drift: 18 }]));
  const counts = { tenants, byTenant, rows: 800, drift: 72, driftPercent: 9, coveragePercent: 100 };
  await world.documents.put('cycle', NOON, aCycle({ tables, ...counts }), 'absent');
  await world.clock.advance(HOUR);

  await world.run('drift', 'status');

  expect(world.stdout).toMatch(/clock +stands still: the cycle of/);
  expect(world.stdout).toMatch(/orders_7 +stands still +- +- +- +-/);
  expect(world.stdout).toMatch(/and 2 more reasons \(--json has all of them\)/);
  for (const line of world.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
});
