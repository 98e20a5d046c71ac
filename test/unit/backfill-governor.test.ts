/** One governor for all workers of a copy: its rate binds, its stops hold, and retries back off; all by a virtual clock. */
import { describe, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '../../lib/adapters/memory/clock.ts';
import { BACKFILL_CONTROL, type BackfillControl, readPace } from '../../lib/application/backfill/control.ts';
import { createGovernor, type Governor } from '../../lib/application/backfill/governor.ts';
import { readCopyPage } from '../../lib/application/backfill/read-page.ts';
import { withRetries } from '../../lib/application/backfill/with-retries.ts';
import type { Deps } from '../../lib/application/deps.ts';
import type { Migration } from '../../lib/application/migration.ts';
import type { MigratedTable } from '../../lib/domain/table.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import { type Databases, SqlError, type SqlStore } from '../../lib/ports/sql.ts';
import type { Statement } from '../../lib/sql/statement.ts';
import { memoryDeps, planText } from '../support/memory-deps.ts';

const BACKFILL =
  '{ batchesPerSecond: 10, batchRows: 100, backoff: { first: 1s, factor: 4, max: 60s, jitterPercent: 0 } }';

/** A target that says what the test wants of its load. */
interface World {
  readonly deps: Deps;
  readonly clock: VirtualClock;
  readonly load: { lagMs: number; reachable: boolean };
}

function aWorld(backfill = BACKFILL): World {
  const clock = createVirtualClock({ autoAdvance: true });
  const load = { lagMs: 0, reachable: true };
  const answer = (statement: Statement): readonly unknown[] => {
    if (!load.reachable) throw new SqlError('the target does not answer', { kind: 'unavailable' });
    return statement.text.includes('pg_current_wal_lsn')
      ? [{ bytes: 0, at_ms: clock.now().getTime() }]
      : [
          {
            replicas: 1,
            replicas_seen: 1,
            replay_lag_ms: load.lagMs,
            connections_percent: 10,
            vacuums: 0,
            vacuums_seen: 0,
            vacuums_here: 0,
            dead_percent: null,
            aurora: false,
          },
        ];
  };
  const plan = loadPlan(planText(`tenants: none\nbackfill: ${backfill}\ntables: { orders: {} }\n`), 'test.yaml');
  return { deps: memoryDeps(plan, databasesOf(answer), clock), clock, load };
}

function databasesOf(answer: (statement: Statement) => readonly unknown[]): Databases {
  const store: SqlStore = {
    // Rows are what the caller claims about its own SQL.
    query: async <Row>(statement: Statement) => answer(statement) as readonly Row[],
    transaction: (work) => work(store),
    close: async () => {},
  };
  return { open: () => store, pageBytes: 700_000, close: async () => {} };
}

const control = ({ deps }: World, state: BackfillControl) =>
  deps.documents.put('progress', BACKFILL_CONTROL, { work: BACKFILL_CONTROL, state: { ...state }, at: '' }, 'any');

const within = ({ clock }: World, ms: number) => clock.now().getTime() + ms;

/** `workers` take batches until the governor stops them; when each began. */
async function takeBatches(world: World, governor: Governor, workers: number, batchMs = 0): Promise<readonly number[]> {
  const starts: number[] = [];
  const work = async () => {
    while ((await governor.permit()) === null) {
      starts.push(world.clock.now().getTime());
      if (batchMs > 0) await world.clock.sleep(batchMs);
      await governor.finished({ rows: 100, ms: batchMs });
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return starts;
}

/** Most batches that began within any second. */
function busiestSecond(starts: readonly number[]): number {
  return Math.max(...starts.map((from) => starts.filter((start) => start >= from && start < from + 1000).length));
}

describe('the rate', () => {
  it('binds over all workers: ten a second are ten a second for one worker and for eight', async () => {
    for (const workers of [1, 8]) {
      const world = aWorld();
      const governor = await createGovernor(world.deps, [], within(world, 20_000));

      const starts = await takeBatches(world, governor, workers);

      expect(starts.length).toBeGreaterThanOrEqual(199);
      expect(starts.length).toBeLessThanOrEqual(201);
      expect(busiestSecond(starts)).toBeLessThanOrEqual(10);
      expect(governor.stop).toBe('time');
    }
  });

  it('does not catch up in a burst after a pause, and goes on in the next call where this one ended', async () => {
    const world = aWorld();
    const first = await createGovernor(world.deps, [], within(world, 1_000));
    const starts = [...(await takeBatches(world, first, 2))];
    await first.save();
    const next = await createGovernor(world.deps, [], within(world, 6_000));
    await world.clock.sleep(5_000);

    starts.push(...(await takeBatches(world, next, 2)));

    expect(busiestSecond(starts)).toBeLessThanOrEqual(10);
  });

  it('is tuned while it runs', async () => {
    const world = aWorld();
    const governor = await createGovernor(world.deps, [], within(world, 20_000));
    const from = world.clock.now().getTime();
    const starts: number[] = [];
    while ((await governor.permit()) === null) {
      starts.push(world.clock.now().getTime() - from);
      if (starts.length === 50) await control(world, { tuned: { by: 'alice', at: '', why: '', batchesPerSecond: 2 } });
    }

    expect(starts.filter((start) => start < 5_000)).toHaveLength(50);
    expect(starts.filter((start) => start >= 10_000).length).toBeLessThanOrEqual(21);
    expect(governor.rate()).toEqual({ batchesPerSecond: 2, batchRows: 100 });
  });
});

describe('stops', () => {
  it.each(['paused', 'halted'] as const)(
    'ends its call within a second when the migration is %s, so that the machine can say so',
    async (mark) => {
      const world = aWorld();
      const governor = await createGovernor(world.deps, [], within(world, 20_000));
      const starts: number[] = [];
      while ((await governor.permit()) === null) {
        starts.push(world.clock.now().getTime());
        const by = { by: 'alice', at: '', why: 'drift' };
        if (starts.length === 25) await world.deps.documents.put('control', 'control', { [mark]: by }, 'any');
      }

      expect(starts.length).toBeLessThanOrEqual(36);
      expect(governor.stop).toBe('time');
    },
  );

  it('holds while it is paused, without a batch', async () => {
    const world = aWorld();
    await control(world, { paused: { by: 'alice', at: '', why: 'load' } });
    const governor = await createGovernor(world.deps, [], within(world, 20_000));

    expect(await takeBatches(world, governor, 4)).toEqual([]);
    expect(governor.stop).toBe('paused');
  });

  it('ends at the window’s end by the window’s own clock, and says when it opens again', async () => {
    const world = aWorld(BACKFILL.replace('{', '{ offPeak: "12:00-13:01 Europe/Berlin",'));
    world.clock.set(new Date('2026-01-05T11:59:00.000Z'));
    const governor = await createGovernor(world.deps, [], within(world, 600_000));

    const starts = await takeBatches(world, governor, 2);
    await governor.save();

    expect(governor.stop).toBe('window');
    expect(Math.max(...starts)).toBeLessThan(Date.parse('2026-01-05T12:01:00.000Z'));
    expect((await readPace(world.deps.documents))?.opensAt).toBe('2026-01-06T11:00:00.000Z');
  });
});

describe('the target', () => {
  it('slows the copy to a pause while its replicas lag, and gets its rate back step by step; the reason is written down', async () => {
    const world = aWorld();
    const governor = await createGovernor(world.deps, [], within(world, 200_000));
    const from = world.clock.now().getTime();
    const starts: number[] = [];
    const work = takeBatches(world, governor, 2).then((all) => starts.push(...all));
    world.load.lagMs = 30_000;
    while (world.clock.now().getTime() < from + 60_000) await new Promise((resolve) => setImmediate(resolve));
    const reason = governor.describe();
    const paused = (await readPace(world.deps.documents))?.throttle.level;
    world.load.lagMs = 0;
    await work;

    expect(reason).toContain('paused since');
    expect(reason).toContain('replicas lag by 30000 ms, limit 10000');
    expect(paused).toBe(4);
    const between = (a: number, b: number) =>
      starts.filter((start) => start >= from + a * 1000 && start < from + b * 1000).length;
    expect(between(20, 60)).toBe(0);
    expect(between(62, 130)).toBeLessThan(680);
    expect(between(180, 190)).toBeGreaterThanOrEqual(95);
    expect(governor.describe()).toBeNull();
  });

  it('goes at half the rate while its load cannot be read, and gives it time in proportion to its batches', async () => {
    const world = aWorld();
    world.load.reachable = false;
    const governor = await createGovernor(world.deps, [], within(world, 20_000));

    const starts = await takeBatches(world, governor, 1);

    expect(starts.length).toBeLessThanOrEqual(101);
    expect(governor.describe()).toContain('cannot be read');
  });
});

describe('retries', () => {
  it('waits 1 s, 4 s and 16 s, then gives up: exponential backoff three times', async () => {
    const { deps, clock } = aWorld();
    const from = clock.now().getTime();
    const attempts: number[] = [];

    const work = withRetries(deps, 'a batch', async () => {
      attempts.push((clock.now().getTime() - from) / 1000);
      throw new SqlError('deadlock', { kind: 'transient' });
    });

    await expect(work).rejects.toThrow('deadlock');
    expect(attempts).toEqual([0, 1, 5, 21]);
  });
});

describe('a page that cannot be carried', () => {
  const table: MigratedTable = {
    name: 'orders',
    schema: 'public',
    relation: 'orders',
    key: [{ name: 'id', type: 'integer' }],
    tenant: { kind: 'none' },
    capture: 'trigger',
    legacyColumns: [],
    targetColumns: [],
    forward: [{ column: 'id', type: 'integer', expression: 'id', insertOnly: false }],
    reverse: [],
    targetOwned: [],
    oneWay: [],
    critical: [],
    updatedAt: null,
    references: [],
  };

  it('is halved until it can be, and a row that never can is named and passed by', async () => {
    const asked: number[] = [];
    const answer = ({ text, values }: Statement): readonly unknown[] => {
      if (!text.includes('pg_current_snapshot')) return [{ row_key: '[8]' }];
      const [after, , limit] = values as [string | null, null, number];
      asked.push(limit);
      if (after === '[7]' || limit > 30) throw new SqlError('the Data API refused the size', { kind: 'limit' });
      const row = { snapshot: '1:1:', epoch: 1, authority: '1', standby: false, tenant: '*', row: '{}' };
      return [{ ...row, row_key: '[7]', more: false }];
    };
    const { deps } = aWorld();
    const migration: Migration = {
      deps: { ...deps, databases: databasesOf(answer) },
      tables: [table],
      byName: new Map([['orders', table]]),
    };

    const halved = await readCopyPage(migration, table, ['*'], { after: null, through: '[99]' }, 100);
    const passed = await readCopyPage(migration, table, ['*'], { after: '[7]', through: '[99]' }, 4);

    expect(asked).toEqual([100, 50, 25, 4, 2, 1]);
    expect(halved).toMatchObject({ last: '[7]', more: true, failed: [] });
    expect(passed).toMatchObject({ last: '[8]', more: true, failed: [{ rowKey: '[8]' }] });
    expect(passed.failed[0]?.reason).toContain('64 KB');
  });
});
