/** Days of cycles through the record step, in virtual time: what the gate, `drift status`, the alert and the report say of them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { MemoryMetrics } from '../../lib/adapters/memory/metrics.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { driftGate, readCycleLog } from '../../lib/application/gates/drift-gate.ts';
import { type Cycle, type Settling, saveCycle, saveSettling } from '../../lib/application/reconcile/cycle-store.ts';
import { openCycle } from '../../lib/application/reconcile/open-cycle.ts';
import { record } from '../../lib/application/reconcile/record.ts';
import { endDrift, recordCycle, recordDrift } from '../../lib/application/reconcile/record-cycle.ts';
import type { DriftRow } from '../../lib/application/reconcile/settle-round.ts';
import { REPORT_KEY } from '../../lib/contracts/object-prefixes.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import type { Databases } from '../../lib/ports/sql.ts';
import { memoryDeps, planText } from '../support/memory-deps.ts';
import { aRun } from '../support/run.ts';

const HOUR = 3_600_000;
const PLAN = `
tenants: { column: tenant_id }
reconcile:
  { cycle: 1h, fullEvery: 1h, missedCycle: restart, haltDriftPercent: 1, gate: { for: 72h, minimumRows: 100000 }, alert: { driftPercent: 0.01, cycles: 5 } }
tables:
  currencies: { tenant: none }
  orders: {}
`;
const ROWS = { currencies: 180, orders: 2_000_000 };
const TENANTS = { '*': 180, acme: 1_990_000, globex: 10_000 };
/** Nothing here reads a store. */
const NO_DATABASES: Databases = {
  pageBytes: 0,
  open: () => {
    throw new Error('the record step reads no store');
  },
  close: async () => undefined,
};

let clock: VirtualClock;
let deps: Deps;
let metrics: MemoryMetrics;
let told: string[];

beforeEach(async () => {
  clock = createVirtualClock({ start: new Date('2026-01-05T00:00:00Z'), autoAdvance: true });
  told = [];
  const made = memoryDeps(loadPlan(planText(PLAN), 'test.yaml'), NO_DATABASES, clock);
  deps = { ...made, log: { ...made.log, error: (message: string) => told.push(message) } };
  metrics = made.metrics as MemoryMetrics;
  for (const tenant of Object.keys(TENANTS))
    await deps.documents.put(
      'tenant',
      tenant,
      {
        tenant,
        stage: 'dualwrite',
        generation: 1,
        on: true,
        copied: true,
        readPercent: 0,
        since: '',
        why: '',
        flagsVersion: 1,
      },
      'absent',
    );
});

const differing = (count: number, of: Partial<DriftRow> = {}): readonly DriftRow[] =>
  Array.from({ length: count }, (_, n) => ({
    table: 'orders',
    rowKey: `[${n}]`,
    tenant: 'acme',
    kind: 'different' as const,
    columns: ['amount'],
    ...of,
  }));

interface Made {
  readonly drift?: readonly DriftRow[];
  readonly scopeKind?: Cycle['scopeKind'];
  readonly missing?: number;
}

/** As the machine does it: settle records, then `record` ends the cycle. One every hour. */
async function aCycle({ drift = [], scopeKind = 'full', missing = 0 }: Made = {}) {
  const startedAt = clock.now().toISOString();
  const run = aRun({ machine: 'reconcile', execution: `execution-${startedAt}`, startedAt });
  const tables = ['currencies', 'orders'] as const;
  const compared = tables.map((table) => ({ table, tenants: null, fingerprint: { form: 'exact', columns: 'all' } }));
  const comparison = {
    direction: 'forward',
    mode: 'checksum',
    tenants: Object.keys(TENANTS),
    leftOut: [],
    tables: compared,
  };
  // Only what the log is made of.
  const cycle = {
    id: startedAt,
    startedAt,
    dryRun: false,
    scopeKind,
    comparison,
    chunks: 9,
    subject: 's',
  } as unknown as Cycle;
  const settling: Settling = {
    pending: [],
    drift,
    inFlight: {},
    setAside: [],
    dropped: {},
    tables: tables.map((table) => ({ table, rows: ROWS[table], chunks: 4, differingChunks: 0, leftOut: 0 })),
    tenants: TENANTS,
    missing,
    errors: [],
  };
  await saveCycle(deps.objects, cycle, []);
  await saveSettling(deps.objects, cycle, settling);
  await openCycle(deps, run, cycle);
  await recordDrift(deps, cycle, drift);
  await recordCycle(deps, run, cycle, settling, {});
  await clock.advance(60_000);
  const result = await record(deps, run, { cycle: cycle.id });
  await clock.advance(HOUR - 60_000);
  return result;
}

async function cycles(count: number, made: Made = {}): Promise<void> {
  for (let n = 0; n < count; n++) await aCycle(made);
}

const gate = (scope: readonly string[] = ['acme', 'globex']) =>
  driftGate(deps, aRun({ machine: 'cutover', scope }), async () => undefined);

describe('the gate', () => {
  it('opens after 72 hours of clean cycles, and closes when they stop', async () => {
    await cycles(71);
    const early = await gate();
    await cycles(1);

    expect(early.pass).toBe(false);
    expect(await gate()).toMatchObject({ pass: true, value: 0, reasons: [] });
    await clock.advance(3 * HOUR);
    expect((await gate()).pass).toBe(false);
  });

  it('counts a row that drifts in every cycle once, also when it was repaired in between', async () => {
    const row = differing(3);
    for (let n = 0; n < 73; n++) {
      await aCycle({ drift: row });
      await endDrift(deps, row);
    }

    const decision = await gate(['acme']);
    expect(decision.pass).toBe(true);
    expect(decision.value).toBeCloseTo(0.00015, 6);
  });

  it('starts again for the scope of a small tenant that a large one would hide, and for no other', async () => {
    await cycles(60);
    await aCycle({ drift: differing(1, { tenant: 'globex' }) });
    await cycles(20);

    expect((await gate(['acme'])).pass).toBe(true);
    const both = await gate(['acme', 'globex']);
    expect(both.pass).toBe(false);
    expect(both.reasons).toEqual([expect.stringMatching(/^tenant globex: the clock has run 20h of 72h/)]);
  });

  it('starts again for a row of a small table', async () => {
    await cycles(60);
    await aCycle({ drift: differing(1, { table: 'currencies', tenant: '*' }) });
    await cycles(20);

    expect((await gate(['acme'])).reasons).toEqual([
      expect.stringMatching(/^table currencies: /),
      expect.stringMatching(/^shared rows: /),
    ]);
  });

  it('starts again after a cycle that left chunks unread', async () => {
    await cycles(60);
    await aCycle({ missing: 1 });
    await cycles(20);

    expect((await gate()).reasons[0]).toContain('the clock has run 20h of 72h');
  });

  it('is not moved by samples, whatever they do not find', async () => {
    await cycles(10);
    await cycles(70, { scopeKind: 'sample' });

    expect((await gate()).reasons[0]).toContain('no cycle has ended well');
  });
});

describe('the record of a cycle', () => {
  it('says what was covered, how long it took and whose the drift was', async () => {
    await aCycle({ drift: [...differing(2), ...differing(1, { tenant: 'globex', rowKey: '[9]' })], missing: 2 });

    const [stored] = await deps.documents.list('cycle');

    expect(stored?.value).toMatchObject({
      coveragePercent: 80,
      durationMs: 60_000,
      complete: false,
      report: REPORT_KEY,
    });
    expect(stored?.value.byTenant).toEqual({
      acme: { rows: 1_990_000, drift: 2 },
      globex: { rows: 10_000, drift: 1 },
      '*': { rows: 180, drift: 0 },
    });
    expect(stored?.value.upperBoundPercent).toBeGreaterThan(stored?.value.driftPercent ?? 100);
  });

  it('stays small with thousands of tenants, and keeps the drifted ones', async () => {
    const many = differing(5_000).map((row, n) => ({ ...row, tenant: `tenant-${n}` }));

    await aCycle({ drift: many });

    const [stored] = await deps.documents.list('cycle');
    expect(JSON.stringify(stored?.value).length).toBeLessThan(400_000);
    expect(stored?.value.tenantsUnlisted).toBe(4_500);
  });

  it('has the whole list of tenants in the bucket, where the clocks of a scope find theirs', async () => {
    const many = differing(600).map((row, n) => ({ ...row, tenant: `tenant-${n}` }));
    await aCycle({ drift: many });

    const [read] = await readCycleLog(deps, clock.now());

    expect(Object.keys(read?.byTenant ?? {})).toHaveLength(603);
    expect(read?.byTenant?.globex).toEqual({ rows: 10_000, drift: 0 });
    expect(read?.tenantsUnlisted).toBeUndefined();
  });

  it('tells CloudWatch of each cycle and of each table', async () => {
    await cycles(3);

    const last = (name: string, table?: string) =>
      metrics.all.findLast((each) => each.name === name && each.dimensions.table === table)?.value;
    expect(last('driftClockHours')).toBeCloseTo(2 + 1 / 60, 5);
    expect(last('cycleCoverage')).toBe(100);
    expect(last('cycleDuration')).toBe(60_000);
    expect(last('tableRowsCompared', 'orders')).toBe(2_000_000);
    expect(last('tableDriftPercent', 'currencies')).toBe(0);
    expect(last('tableClockHours', 'currencies')).toBeCloseTo(2 + 1 / 60, 5);
  });

  it('leaves the report in the bucket, and says where', async () => {
    const result = await aCycle({ drift: differing(1) });

    expect(result).toMatchObject({ data: { report: REPORT_KEY } });
    expect(await deps.objects.get(REPORT_KEY)).toContain('Drift of test');
  });

  it('is not lost when the report cannot be written', async () => {
    const { put } = deps.objects;
    deps = {
      ...deps,
      objects: {
        ...deps.objects,
        put: async (key, ...rest) => (key === REPORT_KEY ? Promise.reject(new Error('no')) : put(key, ...rest)),
      },
    };

    const result = await aCycle();

    expect(result).toMatchObject({ data: { outcome: 'passed', report: null } });
    expect(await deps.documents.list('cycle')).toHaveLength(1);
  });

  it('remembers the cycles that saw a row differ, and how it ended', async () => {
    const row = differing(1);
    await aCycle({ drift: row });
    await aCycle({ drift: row });
    await cycles(1);

    const [stored] = await deps.documents.list('drift');

    expect(stored?.value.seen?.map(({ cycle }) => cycle)).toEqual([
      '2026-01-05T00:00:00.000Z',
      '2026-01-05T01:00:00.000Z',
    ]);
    expect(stored?.value).toMatchObject({ foundAt: '2026-01-05T00:00:00.000Z', endedBy: 'converged' });
  });
});

describe('the alert', () => {
  const above = { drift: differing(300) };
  const alerts = () => told.filter((message) => message.startsWith('drift has been above'));

  it('is told once an episode, and its metric lasts as long as it does', async () => {
    await cycles(4, above);
    expect(alerts()).toEqual([]);

    await cycles(3, above);
    expect(alerts()).toEqual(['drift has been above 0.01 % for 5 cycles: all tables together, orders']);
    expect(metrics.all.findLast(({ name }) => name === 'driftAlerts')?.value).toBe(2);

    await cycles(1);
    await cycles(5, above);
    expect(alerts()).toHaveLength(2);
  });

  it('is told of a small table by itself', async () => {
    await cycles(5, { drift: differing(1, { table: 'currencies', tenant: '*' }) });

    expect(alerts()).toEqual(['drift has been above 0.01 % for 5 cycles: currencies']);
  });
});

describe('the halt', () => {
  const halted = async () => (await deps.documents.get('control', 'control'))?.value.halted?.why;

  it('comes above the plan’s threshold', async () => {
    await aCycle({ drift: differing(20_000) });
    expect(await halted()).toBeUndefined();

    await aCycle({ drift: differing(20_002) });
    expect(await halted()).toContain('is above reconcile.haltDriftPercent 1 %');
  });
});
