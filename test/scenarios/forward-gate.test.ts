/** The forward gate of dual-write: judged for the tenants of its scope, by what is in the outbox, and by what a person has explained. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { begin } from '../../lib/application/machines/begin.ts';
import { dualWriteMachine } from '../../lib/application/machines/dual-write/machine.ts';
import { watch } from '../../lib/application/machines/dual-write/watch.ts';
import { finish } from '../../lib/application/machines/finish.ts';
import { runId } from '../../lib/application/machines/run-record.ts';
import { viewRun } from '../../lib/application/operate/run-view.ts';
import { drainDirection } from '../../lib/application/switch/drain.ts';
import { turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import type { StepResult } from '../../lib/contracts/machine-io.ts';
import { outboxHealth } from '../../lib/sql/relay/outbox-health.ts';
import { redriveEvents } from '../../lib/sql/relay/redrive-events.ts';
import { setAside } from '../../lib/sql/relay/set-aside.ts';
import { deliveryOf } from '../../lib/sql/tenants/delivery-of.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';

const SQL = `CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text); INSERT INTO notes VALUES (1, 'acme'), (2, 'globex')`;
const PLAN = `
tenants: { column: tenant_id, known: { acme: { region: eu }, globex: { region: us } } }
tables: { notes: }
dualWrite: { drainWindow: 60s, lagLimit: 5s }
`;

let notes: TestMigration;

beforeAll(async () => {
  notes = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(notes.deps);
  const migration = await notes.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
});

afterAll(() => notes?.close());

beforeEach(async () => {
  await notes.legacy.query('DELETE FROM crossfade.outbox');
  await notes.target.query('DELETE FROM crossfade.repair_queue');
  for (const tenant of ['*', 'acme', 'globex'])
    await turnOn(notes.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

/** An event of `tenant`, captured so many seconds ago. */
async function event(tenant: string, state: string, secondsAgo: number): Promise<string> {
  const { rows } = await notes.legacy.query(
    `INSERT INTO crossfade.outbox (epoch, xid, idempotency_key, table_name, row_key, op, new_tenant, state, reason, captured_at)
     VALUES (1, pg_current_xact_id(), gen_random_uuid()::text, 'notes', '[1]', 'U', $1, $2, 'too long', clock_timestamp() - $3 * interval '1 second') RETURNING seq`,
    [tenant, state, secondsAgo],
  );
  return rows[0].seq;
}

/** At the end of its patience, so that it answers. */
function judge(scope: readonly string[], deps: Deps = notes.deps): Promise<StepResult> {
  return watch(deps, aRun({ scope }), { since: deps.clock.now().getTime() - 10 * deps.plan.dualWrite.drainWindow });
}

const refused = (result: StepResult) => result.gates.filter((gate) => !gate.pass).map((gate) => gate.gate);

describe('the forward gate of dual-write', () => {
  it('refuses while a repair has not succeeded for longer than the lag that is allowed, and says which and why', async () => {
    await notes.target.query(
      `INSERT INTO crossfade.repair_queue (table_name, row_key, reason, since) VALUES ('notes', '[1]', 'young', clock_timestamp()), ('notes', '[2]', 'too long for its column', clock_timestamp() - interval '1 minute')`,
    );

    const result = await judge(['acme', 'globex']);

    expect(refused(result)).toEqual(['repairs']);
    expect(result.reasons.join()).toContain('notes [2]: too long for its column');
    expect(result.reasons.join()).not.toContain('young');
  });

  it('refuses when capture was disabled meanwhile', async () => {
    await notes.legacy.query('ALTER TABLE notes DISABLE TRIGGER crossfade_capture');

    const result = await judge(['acme', 'globex']);
    await notes.legacy.query('ALTER TABLE notes ENABLE ALWAYS TRIGGER crossfade_capture');

    expect(refused(result)).toEqual(['no-incidents']);
  });

  it('passes when everybody of the scope is on and everything captured has been delivered', async () => {
    await event('acme', 'published', 20);

    const result = await judge(['acme', 'globex']);

    expect(result).toMatchObject({ proceed: true, reasons: [] });
    expect(result.gates.map(({ gate }) => gate)).toEqual([
      'exposure',
      'delivery-lag',
      'drain-rate',
      'set-aside',
      'repairs',
      'no-incidents',
    ]);
  });

  it('refuses while a tenant of the scope is off, and says who', async () => {
    await turnOff(notes.deps, 'forward', 'globex', 'test');

    const result = await judge(['acme', 'globex']);

    expect(refused(result)).toEqual(['exposure']);
    expect(result.reasons.join()).toContain('globex');
  });

  it('refuses when events leave the queue more slowly than they come', async () => {
    await event('acme', 'published', 20);
    await event('acme', 'pending', 20);

    const result = await judge(['acme']);

    expect(refused(result)).toEqual(['delivery-lag', 'drain-rate']);
    expect(result.gates.find(({ gate }) => gate === 'drain-rate')).toMatchObject({ value: 50, threshold: 100 });
  });

  it('is not held up by the events of a tenant that is not in its scope, but is by rows that tenants share', async () => {
    await event('globex', 'pending', 20);
    await event('globex', 'parked', 20);
    expect((await judge(['acme'])).proceed).toBe(true);

    await event('*', 'pending', 20);

    expect(refused(await judge(['acme']))).toEqual(['delivery-lag', 'drain-rate']);
  });

  it('refuses a parked event until a person has explained it; behind a fence it blocks all the same', async () => {
    const seq = await event('acme', 'parked', 20);
    const before = await judge(['acme']);
    const id = `explained/forward/${seq}`;
    const explain = async (at: string) => {
      const state = { direction: 'forward', seq, by: 'somebody', at, why: 'test data' };
      await notes.deps.documents.put('progress', id, { work: id, state, at }, 'any');
    };

    await explain('2020-01-05T12:00:00.000Z');
    const ofAnEarlierEpoch = await judge(['acme']);
    await explain(new Date().toISOString());
    const after = await judge(['acme']);
    const fenced = await drainDirection(notes.deps, aRun(), 'forward', null);

    expect(refused(before)).toEqual(['set-aside']);
    expect(before.reasons.join()).toContain(`parked notes [1] of acme (seq ${seq}): too long`);
    expect(refused(ofAnEarlierEpoch)).toEqual(['set-aside']);
    expect(after.proceed).toBe(true);
    expect(refused(fenced)).toEqual(['nothing-set-aside']);
  });
});

describe('a scope', () => {
  const started = (scope: readonly string[]) =>
    begin({ ...dualWriteMachine, entry: async () => [] }, notes.deps, {
      step: 'begin',
      begin: {
        input: { plan: 'test', scope, dryRun: true },
        execution: `run-of-${scope[0]}`,
        startedAt: '2026-01-05T12:00:00.000Z',
      },
    });

  it('may name a region, which stands for the tenants that the plan puts there', async () => {
    const result = await started(['region:eu']);

    expect(result.run?.scope).toEqual(['acme']);
  });

  it('stays what was asked for in the command that comes after a dry run', async () => {
    const { run } = await started(['region:eu']);
    if (run == null) throw new Error('begin answers with its run');

    const output = await finish(dualWriteMachine, notes.deps, run, { step: 'finish', run, outcome: 'passed' });

    expect(output.next).toBe('npx crossfade start dual-write --region eu --plan test');
    const stored = await notes.deps.documents.get('run', runId(run));
    expect(viewRun(stored?.value, undefined).next).toBe('start dual-write --region eu');
  });

  it('is refused when its tenants are more than Step Functions hand on, with what to do', async () => {
    const tenants = Array.from({ length: 3_000 }, (_, n) => `00000000-0000-4000-8000-${`${n}`.padStart(12, '0')}`);

    const result = await started(tenants);

    expect(result.proceed).toBe(false);
    expect(result.reasons.at(-1)).toMatch(/ids of 3000 tenants take 117001 bytes, .* name some of them/);
    expect(JSON.stringify(result.run).length).toBeLessThan(1_000);
  });

  it('is refused when nobody is in the region', async () => {
    const result = await started(['region:moon']);

    expect(result.proceed).toBe(false);
    expect(result.reasons).toContain('the plan puts no tenant into region moon');
  });
});

describe('what is asked of the outbox every few seconds', () => {
  it.each([
    ['its health', outboxHealth(60_000, 5_000)],
    ['delivery of some tenants', deliveryOf(['acme'], 60_000, 5_000)],
    ['lost retries', redriveEvents(['retry'], { untouchedForMs: 60_000 })],
    ['what was set aside', setAside(20)],
  ])('finds %s by an index, however many events have ended', async (_, { text, values }) => {
    await notes.legacy.query('BEGIN');
    // What no index can answer is scanned all the same.
    await notes.legacy.query('SET LOCAL enable_seqscan = off');
    const { rows } = await notes.legacy.query(`EXPLAIN ${text}`, [...values]);
    await notes.legacy.query('ROLLBACK');

    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(/outbox_(undelivered|captured|pending)/);
    expect(plan).not.toMatch(/Seq Scan on outbox/);
  });
});
