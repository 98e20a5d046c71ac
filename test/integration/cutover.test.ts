import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createMemoryFlags, type MemoryFlags } from '../../lib/adapters/memory/flags.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { cutoverMachine } from '../../lib/application/machines/cutover/machine.ts';
import { returnReads, verifyReads } from '../../lib/application/machines/cutover/return-reads.ts';
import { carryOutReadWish } from '../../lib/application/reads/carry-out-read-wish.ts';
import { setStage } from '../../lib/application/tenants/exposure.ts';
import type { StepResult } from '../../lib/contracts/machine-io.ts';
import type { TestMigration } from '../support/migration.ts';
import { aReadableMigration } from '../support/reads.ts';
import { aRun } from '../support/run.ts';

let system: TestMigration;
let clock: VirtualClock;
let flags: MemoryFlags;
let deps: Deps;

const RUN = aRun({ machine: 'cutover', scope: ['acme', 'globex'] });
const MINUTE = 60_000;

beforeAll(async () => {
  clock = createVirtualClock({ autoAdvance: true });
  system = await aReadableMigration(
    'reads: { canaryWeight: 0.1, canaryFor: 2m, soak: 10m, parity: { concurrency: 4, for: 1s } }\nreconcile: { recheckAfter: 600ms }',
    { clock },
  );
});

afterAll(async () => {
  await system.close();
});

beforeEach(async () => {
  flags = createMemoryFlags();
  deps = { ...system.deps, flags };
  await setStage(deps, 'forward', ['acme', 'globex', '*'], 'dualwrite', 0, 'test');
  // What other tests counted lies in an earlier minute.
  await clock.advance(MINUTE);
});

function step(name: string, data: unknown = null, run = RUN): Promise<StepResult> {
  const found = cutoverMachine.steps[name];
  if (found === undefined) throw new RangeError(`there is no step ${name}`);
  return found(deps, run, data);
}

function count(counts: Readonly<Record<string, number>>): Promise<void> {
  return deps.documents.add('reads', clock.now().toISOString().slice(0, 16), counts);
}

async function stages(): Promise<Record<string, string>> {
  const documents = await deps.documents.list('tenant');
  return Object.fromEntries(documents.map(({ id, value }) => [id, `${value.stage} ${value.readPercent}`]));
}

const failedGates = (result: StepResult) => result.gates.filter((gate) => !gate.pass).map(({ gate }) => gate);

describe('check-parity', () => {
  it('passes when both stores answer alike', async () => {
    const result = await step('check-parity');

    expect(result).toMatchObject({ proceed: true, again: false });
    expect(result.gates.map(({ gate, value }) => [gate, value])).toEqual([
      ['read-noise', 0],
      ['read-parity', 0],
      ['reads-unanswered', 0],
    ]);
    expect(result.notes[0]).toMatch(/^[1-9]\d+ synthetic reads/);
  });

  it('refuses a row that differs, one that is missing and one that is extra, and names their columns', async () => {
    await system.target.query(
      `UPDATE orders SET note = '' WHERE id = 1; DELETE FROM lines WHERE order_id = 2; INSERT INTO currencies VALUES ('XXX', 'x')`,
    );

    const result = await step('check-parity');

    await system.target.query(
      `UPDATE orders SET note = NULL WHERE id = 1; INSERT INTO lines SELECT md5(id || part)::uuid, id, part, 1 FROM orders WHERE id = 2; DELETE FROM currencies WHERE code = 'XXX'`,
    );
    expect(result.proceed).toBe(false);
    expect(failedGates(result)).toEqual(['read-parity']);
    expect(result.reasons.join('\n')).toContain('orders [1, "B"]: note');
    expect(result.reasons.join('\n')).toMatch(/lines \[".*"\]: \(row\)/);
    expect(result.reasons.join('\n')).toContain('currencies ["XXX"]: (row)');
  });

  it('does not count a row that the relay has yet to deliver', async () => {
    await system.target.query(`UPDATE orders SET note = 'old' WHERE id = 1`);
    await system.legacy.query(
      `INSERT INTO crossfade.outbox (seq, epoch, xid, idempotency_key, table_name, row_key, op, new_tenant) VALUES (7, 1, pg_current_xact_id(), 'k', 'orders', '[1, "B"]', 'U', 'globex')`,
    );

    const result = await step('check-parity');

    await system.target.query(`UPDATE orders SET note = NULL WHERE id = 1`);
    await system.legacy.query('DELETE FROM crossfade.outbox');
    expect(result.proceed).toBe(true);
    expect(result.notes[0]).not.toContain(' 0 on their way');
  });
});

describe('analyze-target', () => {
  it('analyzes every table as the role of install', async () => {
    const result = await step('analyze-target');
    const { rows } = await system.target.query(
      `SELECT bool_and(analyze_count > 0) AS done FROM pg_stat_user_tables WHERE schemaname = 'public'`,
    );

    expect(result).toMatchObject({ proceed: true, gates: [{ gate: 'target-statistics', value: 3 }] });
    expect(rows).toEqual([{ done: true }]);
  });

  it('refuses when a table is not the role’s to analyze, though PostgreSQL only warns', async () => {
    // The owner of the database may analyze everything in it, and so may who has its role.
    const { rows } = await system.target.query('SELECT current_database() AS name');
    await system.target.query(`CREATE ROLE ${system.roles.read}_owner`);
    await system.target.query(`ALTER TABLE currencies OWNER TO ${system.roles.read}_owner`);
    await system.target.query(`ALTER DATABASE ${rows[0].name} OWNER TO ${system.roles.read}_owner`);

    const result = await step('analyze-target');

    await system.target.query(`ALTER DATABASE ${rows[0].name} OWNER TO postgres`);
    await system.target.query('ALTER TABLE currencies OWNER TO postgres');
    await system.target.query(`DROP ROLE ${system.roles.read}_owner`);
    expect(result.proceed).toBe(false);
    expect(result.reasons.join()).toContain('currencies was not analyzed');
  });
});

describe('the canary', () => {
  it('takes effect at its weight, is watched, raised, and soaked', async () => {
    const started = await step('start-canary');
    expect(started.proceed).toBe(true);
    expect(await stages()).toEqual({ '*': 'live 10', acme: 'live 10', globex: 'live 10' });
    expect((await flags.read())?.flags.target_reads).toMatchObject({
      enabled: true,
      percent: 10,
      tenants: ['acme', 'globex'],
    });

    const early = await step('watch-canary', started.data);
    expect(early).toMatchObject({ proceed: true, again: true });
    await count({ target: 50, legacy: 400 });
    await clock.advance(2 * MINUTE);
    expect(await step('watch-canary', early.data)).toMatchObject({ proceed: true, again: false });

    const raised = await step('raise-to-full');
    expect(await stages()).toEqual({ '*': 'live 100', acme: 'live 100', globex: 'live 100' });
    await count({ target: 500 });
    await clock.advance(10 * MINUTE);
    const soaked = await step('watch-full', raised.data);
    expect(soaked).toMatchObject({ proceed: true, again: false, reasons: [] });
    expect(soaked.gates.find(({ gate }) => gate === 'full-time')?.guide).toBe('24h');
  });

  it('ends at the first fallback, and the reads go back', async () => {
    const started = await step('start-canary');
    await count({ target: 50, legacy: 1, fallbacks: 1, fallbackTimeout: 1 });

    const watched = await step('watch-canary', started.data);
    const returned = await step('return-reads', watched.data);

    expect(watched.proceed).toBe(false);
    expect(failedGates(watched)).toContain('canary-fallbacks');
    expect(returned.proceed).toBe(true);
    expect(await stages()).toEqual({ '*': 'dualwrite 0', acme: 'dualwrite 0', globex: 'dualwrite 0' });
    expect((await flags.read())?.flags.target_reads).toMatchObject({ enabled: false, percent: 0, tenants: [] });
    expect((await verifyReads(deps, RUN, null)).proceed).toBe(true);
  });

  it('ends when the breaker opened, also where nobody counted it', async () => {
    const started = await step('start-canary');
    const breaker = await deps.documents.get('breaker', 'target-read');
    if (breaker === undefined) throw new Error('start-canary resets the breaker');
    await deps.documents.put('breaker', 'target-read', { ...breaker.value, openings: 1 }, 'any');

    const watched = await step('watch-canary', started.data);

    expect(failedGates(watched)).toContain('canary-breaker-openings');
  });

  it('ends when the flag takes the reads of a tenant back', async () => {
    const started = await step('start-canary');
    const wish = await flags.read();
    if (wish === undefined) throw new Error('the flags are readable');
    expect(await carryOutReadWish(deps)).toEqual([]);
    const target_reads = { ...wish.flags.target_reads, except: ['acme'] };
    await flags.publish({ ...wish.flags, target_reads }, wish.version, 'test');

    flags.setReadable(false);
    expect(await carryOutReadWish(deps)).toEqual([]);
    flags.setReadable(true);
    expect(await carryOutReadWish(deps)).toEqual(['acme']);

    expect(await stages()).toEqual({ '*': 'live 10', acme: 'dualwrite 0', globex: 'live 10' });
    expect((await step('watch-canary', started.data)).reasons).toEqual([
      'the reads of acme are no longer at their weight: somebody took them back',
    ]);
  });

  it('waits for reads, and refuses when none come', async () => {
    const started = await step('start-canary');

    await clock.advance(2 * MINUTE);
    expect(await step('watch-canary', started.data)).toMatchObject({ proceed: true, again: true });
    await clock.advance(2 * MINUTE);
    const late = await step('watch-canary', started.data);

    expect(late.proceed).toBe(false);
    expect(failedGates(late)).toEqual(['canary-reads']);
  });

  it('waits while the flags are being deployed', async () => {
    flags.setDeploying(true);
    expect(await step('start-canary')).toMatchObject({ again: true });
    expect((await stages()).acme).toBe('dualwrite 0');

    flags.setDeploying(false);
    expect(await step('start-canary')).toMatchObject({ again: false, proceed: true });
  });

  it('does not lower the weight of a tenant that is past it', async () => {
    await setStage(deps, 'forward', ['acme'], 'live', 100, 'test');

    await step('start-canary');

    expect(await stages()).toMatchObject({ acme: 'live 100', globex: 'live 10' });
  });

  it('is refused for a tenant that is not copied', async () => {
    const result = await step('start-canary', null, aRun({ machine: 'cutover', scope: ['acme', 'unknown'] }));

    expect(result.reasons).toEqual(['tenant unknown is not exposed; run: npx crossfade start dual-write']);
  });
});

describe('returning reads', () => {
  it('of one tenant leaves those of another, and the shared rows', async () => {
    await step('start-canary');
    const acme = aRun({ machine: 'rollback', scope: ['acme'], from: 'cutover' });

    await returnReads(deps, acme, null);

    expect(await stages()).toEqual({ '*': 'live 10', acme: 'dualwrite 0', globex: 'live 10' });
    expect((await flags.read())?.flags.target_reads.tenants).toEqual(['globex']);
    expect((await verifyReads(deps, acme, null)).proceed).toBe(true);
    expect((await verifyReads(deps, RUN, null)).reasons.join()).toContain('tenant globex: stage live for readers');
  });

  it('takes effect while the flags cannot be changed, and goes on trying', async () => {
    await step('start-canary');
    flags.setDeploying(true);

    expect(await step('return-reads')).toMatchObject({ again: true });
    expect((await stages()).acme).toBe('dualwrite 0');
  });

  it('is refused once write authority is with the target', async () => {
    await step('start-canary');
    await deps.documents.put(
      'journal',
      '000000000002',
      {
        n: 2,
        authoritative: 'target',
        direction: 'reverse',
        at: clock.now().toISOString(),
        by: 'test',
        why: 'test',
        execution: null,
      },
      'any',
    );

    const result = await step('return-reads');

    await deps.documents.remove('journal', '000000000002');
    expect(result.proceed).toBe(false);
    expect((await stages()).acme).toBe('live 10');
  });
});

describe('a dry run', () => {
  it('changes no stage, no flag and no statistics', async () => {
    const before = [await stages(), await flags.read()];
    const dry = aRun({ machine: 'cutover', scope: ['acme', 'globex'], dryRun: true });

    for (const name of Object.keys(cutoverMachine.steps))
      expect(await step(name, null, dry)).toMatchObject({ proceed: true, again: false });

    expect([await stages(), await flags.read()]).toEqual(before);
  });
});
