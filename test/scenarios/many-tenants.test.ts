/** What a migration of 20 000 tenants keeps on record of a cycle: documents end at 400 KB, and the clocks still know whom each cycle covered. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { readCycleLog } from '../../lib/application/gates/drift-gate.ts';
import { clocksRule } from '../../lib/application/gates/judge-log.ts';
import { type Cycle, type Settling, saveCycle } from '../../lib/application/reconcile/cycle-store.ts';
import { openCycle } from '../../lib/application/reconcile/open-cycle.ts';
import { recordCycle } from '../../lib/application/reconcile/record-cycle.ts';
import { judgeClocks } from '../../lib/domain/drift-clocks.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import type { Databases } from '../../lib/ports/sql.ts';
import { memoryDeps, planText } from '../support/memory-deps.ts';
import { aRun } from '../support/run.ts';

const HOUR = 3_600_000;
const PLAN = `
tenants: { column: tenant_id }
reconcile: { cycle: 1h, fullEvery: 1h, missedCycle: restart, gate: { for: 3h, minimumRows: 1000 } }
tables: { orders: {} }
`;
/** As long as a uuid. */
const TENANTS = Array.from({ length: 20_000 }, (_, n) => `${'0'.repeat(8)}-0000-4000-8000-${`${n}`.padStart(12, '0')}`);
const DYNAMODB_BYTES = 400_000;
const NO_DATABASES: Databases = {
  pageBytes: 0,
  open: () => {
    throw new Error('nothing here reads a store');
  },
  close: async () => undefined,
};

let clock: VirtualClock;
let deps: Deps;

beforeEach(() => {
  clock = createVirtualClock({ start: new Date('2026-01-05T00:00:00Z'), autoAdvance: true });
  deps = memoryDeps(loadPlan(planText(PLAN), 'test.yaml'), NO_DATABASES, clock);
});

async function openOne(tenants: readonly string[]): Promise<Cycle> {
  const startedAt = clock.now().toISOString();
  const tables = [{ table: 'orders', fingerprint: { form: 'exact', columns: 3 }, tenants }];
  const cycle = {
    id: startedAt,
    startedAt,
    dryRun: false,
    scopeKind: 'full',
    comparison: { direction: 'forward', mode: 'checksum', tenants, leftOut: [], tables },
    chunks: 1,
    subject: 's',
    // What of a fingerprint nobody looks at here.
  } as unknown as Cycle;
  await saveCycle(deps.objects, cycle, []);
  await openCycle(deps, aRun({ execution: 'a:gone' }), cycle);
  return cycle;
}

async function recordOne(tenants: readonly string[], overrides: Partial<Settling> = {}): Promise<void> {
  const cycle = await openOne(tenants);
  const settling: Settling = {
    pending: [],
    drift: [],
    inFlight: {},
    setAside: [],
    dropped: {},
    tables: [{ table: 'orders', rows: 100_000, chunks: 20, differingChunks: 0, leftOut: 0 }],
    tenants: Object.fromEntries(tenants.map((tenant) => [tenant, 5])),
    missing: 0,
    errors: [],
    ...overrides,
  };
  await recordCycle(deps, aRun(), cycle, settling, {});
  await deps.documents.remove('progress', 'reconcile/open');
}

const sizes = async () =>
  [...(await deps.documents.list('cycle')), ...(await deps.documents.list('progress'))].map(
    ({ value }) => JSON.stringify(value).length,
  );
const judge = async () =>
  judgeClocks(await readCycleLog(deps, clock.now()), clocksRule(deps.plan), TENANTS, clock.now());

describe('a cycle of 20 000 tenants', () => {
  it('fits into its documents while it is open, and when it is recorded', async () => {
    await recordOne(TENANTS);
    await openOne(TENANTS);

    expect((await sizes()).every((size) => size < DYNAMODB_BYTES / 2)).toBe(true);
    expect(await sizes()).toHaveLength(2);
  });

  it('covers every one of them, and makes the clock of each run', async () => {
    for (let hour = 0; hour < 4; hour++) {
      await recordOne(TENANTS);
      await clock.sleep(HOUR);
    }

    const { pass, reasons, tenants } = await judge();

    expect(reasons).toEqual([]);
    expect([pass, tenants.length]).toEqual([true, TENANTS.length]);
  });

  it('does not cover a tenant that it left out', async () => {
    for (let hour = 0; hour < 4; hour++) {
      await recordOne(TENANTS.slice(1));
      await clock.sleep(HOUR);
    }

    const { pass, reasons } = await judge();

    expect(pass).toBe(false);
    expect(reasons[0]).toContain('no cycle on record covers the scope');
  });

  it('counts as failed for all of them when its execution is gone', async () => {
    for (let hour = 0; hour < 4; hour++) {
      await recordOne(TENANTS);
      await clock.sleep(HOUR);
    }
    const { startedAt } = await openOne(TENANTS);

    const log = await readCycleLog(deps, clock.now());

    expect(log.at(-1)).toMatchObject({ startedAt, failed: true });
    expect(log.at(-1)?.tenants).toHaveLength(TENANTS.length);
    expect((await judge()).reasons[0]).toContain(`the cycle of ${startedAt} failed`);
  });

  it('is kept in one list for all cycles of the same tenants', async () => {
    await recordOne(TENANTS);
    await clock.sleep(HOUR);
    await recordOne(TENANTS);

    const lists = (await deps.documents.list('cycle')).map(({ value }) => value.tenantsList);

    expect(new Set(lists).size).toBe(1);
    expect(lists[0]).toMatch(/^cycles\/tenants\//);
  });
});
