/** The emergency stop: nothing is written to the target within seconds, by whomever, and everything goes on when it is taken off. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MemoryFlags } from '../../lib/adapters/memory/flags.ts';
import { copy } from '../../lib/application/backfill/copy.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { forgetHold } from '../../lib/application/relay/delivery-hold.ts';
import { type RelayReport, runRelay } from '../../lib/application/relay/relay.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { workRepairQueue } from '../../lib/application/relay/work-repair-queue.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import type { DocumentStore } from '../../lib/ports/documents.ts';
import { queueRepairs } from '../../lib/sql/repair/repair-queue.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
/** One shard: the sleep of an idle one would carry an imagined clock past the other's work. */
const PLAN = 'tenants: { column: tenant_id }\ntables: { notes: }\nrelay: { shards: 1, batchRows: 5 }';
const STOP = { by: 'somebody', at: '2026-01-05T12:00:00.000Z', why: 'target overloaded' };
/** Rows that wait: 80 batches, 20 s on the clock of `slowDeps`. */
const BACKLOG = 400;
/** What a batch takes on the clock of `slowDeps`, however fast the machine is. */
const BATCH_MS = 250;

let notes: TestMigration;

beforeAll(async () => {
  notes = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(notes.deps);
  const migration = await notes.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(notes.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => notes?.close());

beforeEach(async () => {
  await setStop(notes.deps, false);
  forgetHold(notes.deps);
  await notes.legacy.query('DELETE FROM notes; DELETE FROM crossfade.outbox');
  await notes.target.query(
    'ALTER TABLE notes DISABLE TRIGGER USER; DELETE FROM notes; ALTER TABLE notes ENABLE TRIGGER USER; DELETE FROM crossfade.repair_queue',
  );
});

const setStop = (deps: Pick<Deps, 'documents'>, isOn: boolean) =>
  deps.documents.put('control', 'control', isOn ? { deliveryHeld: STOP } : {}, 'any');
const rowsOnTarget = async () => Number((await notes.target.query('SELECT count(*) AS n FROM notes')).rows[0].n);
const statesOf = async () =>
  (await notes.legacy.query('SELECT state, count(*)::int AS n FROM crossfade.outbox GROUP BY 1 ORDER BY 1')).rows;

/** A clock that sleeps and `pass` move. */
function imaginedClock(lookMs: number) {
  let now = Date.parse('2026-01-05T12:00:00.000Z');
  const pass = (ms: number) => {
    now += ms;
  };
  const clock = {
    now: () => {
      pass(lookMs);
      return new Date(now);
    },
    sleep: async (ms: number) => pass(ms),
  };
  return { clock, pass };
}

/** Every look at the clock takes 5 ms, so that time passes while there is work, too. */
const tickingDeps = (deps: Deps): Deps => ({ ...deps, clock: imaginedClock(5).clock });

/** Runs the real relay over the backlog, and stops it after its third batch. */
async function stopMidway(
  base: Deps,
): Promise<{ report: RelayReport; stoppedAt: number; lastAt: number; left: number }> {
  await notes.legacy.query(`INSERT INTO notes SELECT n, 'acme', 'x' FROM generate_series(1, ${BACKLOG}) AS n`);
  const { clock, pass } = imaginedClock(0);
  let stoppedAt = 0;
  let lastAt = 0;
  let batches = 0;
  const metrics = {
    ...base.metrics,
    record: (...what: Parameters<typeof base.metrics.record>) => {
      if (what[0] === 'delivered') {
        pass(BATCH_MS);
        batches += 1;
        lastAt = clock.now().getTime();
        if (batches === 3) {
          stoppedAt = lastAt;
          void setStop(base, true);
        }
      }
      base.metrics.record(...what);
    },
  };
  const until = new Date(clock.now().getTime() + 12_000);
  const report = await runRelay({ ...base, clock, metrics }, 'forward', { until });
  return { report, stoppedAt, lastAt, left: BACKLOG - (await rowsOnTarget()) };
}

describe('the emergency stop', () => {
  it('holds a relay that is delivering within 5 s, in the middle of its backlog', async () => {
    const { stoppedAt, lastAt, left } = await stopMidway(notes.deps);

    expect(lastAt - stoppedAt).toBeLessThanOrEqual(5_000);
    expect(left).toBeGreaterThan(0);
    expect(await statesOf()).toContainEqual({ state: 'pending', n: left });
  });

  it('holds while a deployment of the flags is in flight, which a flag could not', async () => {
    const flags = notes.deps.flags as MemoryFlags;
    flags.setDeploying(true);

    const { stoppedAt, lastAt, left } = await stopMidway(notes.deps);
    flags.setDeploying(false);

    expect(lastAt - stoppedAt).toBeLessThanOrEqual(5_000);
    expect(left).toBeGreaterThan(0);
  });

  it('loses nothing: when it is taken off everything is delivered', async () => {
    await stopMidway(notes.deps);

    await setStop(notes.deps, false);
    await runRelay(tickingDeps(notes.deps), 'forward', { until: new Date('2026-01-05T12:01:00.000Z') });

    expect(await statesOf()).toEqual([{ state: 'published', n: BACKLOG }]);
    expect(await rowsOnTarget()).toBe(BACKLOG);
  });

  it('holds a retry: its event goes back to the relay, and no try is counted', async () => {
    await notes.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'x'); UPDATE crossfade.outbox SET state = 'retry'`);
    await setStop(notes.deps, true);
    const { rows } = await notes.legacy.query('SELECT seq FROM crossfade.outbox');

    const message = { direction: 'forward', seq: rows[0].seq, correlationId: null, reason: 'busy' } as const;
    const outcome = await retryEvent(await notes.load(), message, 3, 0);

    expect(outcome).toEqual({ kind: 'done' });
    expect(await statesOf()).toEqual([{ state: 'pending', n: 1 }]);
    expect(await rowsOnTarget()).toBe(0);
  });

  it('holds queued repairs and the copy of history', async () => {
    await notes.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'x')`);
    await notes.deps.databases.open('target', 'backfill').query(queueRepairs('notes', ['[1]'], 'test'));
    await setStop(notes.deps, true);

    await workRepairQueue(await notes.load(), 'forward');
    const copied = await copy(notes.deps, aRun({ machine: 'backfill' }), {
      tenants: [{ tenant: 'acme', generation: 1 }],
    });

    expect(await rowsOnTarget()).toBe(0);
    expect(copied).toMatchObject({ again: true, waitSeconds: 5 });
    expect(copied.notes.join()).toContain('delivery is held by somebody');
  });

  it('stays as it is while the control table cannot be read, and a relay that starts then waits', async () => {
    await notes.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'x')`);
    const documents: DocumentStore = {
      ...notes.deps.documents,
      get: () => Promise.reject(new Error('the control table cannot be reached')),
    };
    const deps = tickingDeps({ ...notes.deps, documents });

    await runRelay(deps, 'forward', { until: new Date(deps.clock.now().getTime() + 3_000) });
    const blind = await rowsOnTarget();
    const sighted = tickingDeps(notes.deps);
    await runRelay(sighted, 'forward', { until: new Date(sighted.clock.now().getTime() + 3_000) });

    expect(blind).toBe(0);
    expect(await rowsOnTarget()).toBe(1);
  });
});
