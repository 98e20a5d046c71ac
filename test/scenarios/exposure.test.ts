/** From the wish to what is in effect: carried out in order, under a version, and never by a flag that nobody can read. */
import { afterEach, describe, expect, it } from 'vitest';
import type { MemoryFlags } from '../../lib/adapters/memory/flags.ts';
import { copy } from '../../lib/application/backfill/copy.ts';
import { planCopy } from '../../lib/application/backfill/plan-copy.ts';
import { verifyCopy } from '../../lib/application/backfill/verify-copy.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { backfillMachine } from '../../lib/application/machines/backfill/machine.ts';
import { expose } from '../../lib/application/machines/dual-write/expose.ts';
import { carryOutWish, ERASURE_PREFIX } from '../../lib/application/tenants/carry-out-wish.ts';
import { copyTurnedOn, EXPOSURE_MODE } from '../../lib/application/tenants/copy-turned-on.ts';
import { tenantStates } from '../../lib/application/tenants/exposure.ts';
import type { Flag } from '../../lib/domain/flags.ts';
import { FlagsConflict } from '../../lib/ports/flags.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';
import { aRun, runToEnd } from '../support/run.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
const TENANTS = ['acme', 'globex', 'initech', 'umbrella'];
const PLAN = `
tenants:
  column: tenant_id
  known:
    acme: { region: eu }
    globex: { region: us, services: [billing] }
    initech: {}
    umbrella: {}
services: { billing: { tables: [notes] } }
tables: { notes: }
relay: { shards: 1 }
dualWrite: { steps: [50, 100], stepFor: 1s }
`;

const open: TestMigration[] = [];
afterEach(async () => {
  for (const test of open.splice(0)) await test.close();
});

async function installed(): Promise<TestMigration> {
  const test = await aMigration({ plan: PLAN, legacySql: SQL });
  open.push(test);
  await installSchemas(test.deps);
  const migration = await test.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  return test;
}

async function wish(test: TestMigration, change: Partial<Flag>): Promise<number> {
  const read = await test.deps.flags.read();
  if (read === undefined) throw new Error('memory flags can be read');
  const flag = { ...read.flags.dual_write, enabled: true, ...change };
  return (await test.deps.flags.publish({ ...read.flags, dual_write: flag }, read.version, 'test')).version;
}

const relay = (test: TestMigration) => relayUntilIdle(test.deps, 'forward', 250);
const onNow = async (test: TestMigration) =>
  (await tenantStates(test.deps, 'forward')).filter((state) => state.is_on).map((state) => state.tenant);
const idsOf = async (test: TestMigration, store: 'legacy' | 'target') =>
  (await test[store].query('SELECT id::int, tenant_id, body FROM notes ORDER BY id')).rows;

describe('the wish', () => {
  it('is not what the relay goes by: only what is in effect counts', async () => {
    const test = await installed();
    await wish(test, { tenants: ['acme'] });
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'wished, not carried out')`);
    await relay(test);
    expect(await idsOf(test, 'target')).toEqual([]);

    await carryOutWish(await test.load());
    await wish(test, { enabled: false });
    await test.legacy.query(`INSERT INTO notes VALUES (2, 'acme', 'in effect, not wished any more')`);
    await relay(test);

    expect((await idsOf(test, 'target')).map(({ id }) => id)).toEqual([2]);
  });

  it('grows with its percentage, tenant by tenant, and nobody drops out', async () => {
    const test = await installed();
    const seen: string[][] = [];

    for (const percent of [25, 60, 100]) {
      await wish(test, { percent });
      await carryOutWish(await test.load());
      seen.push(await onNow(test));
    }

    expect(seen[1]).toEqual(expect.arrayContaining(seen[0] ?? []));
    expect(seen[2]?.filter((tenant) => tenant !== '*')).toEqual(TENANTS.filter((tenant) => seen[2]?.includes(tenant)));
    expect(seen[2]).toEqual(expect.arrayContaining(['*', ...TENANTS]));
  });

  it('chooses tenants by the region and the services that the plan gives them', async () => {
    const test = await installed();
    await wish(test, { regions: ['eu'], services: ['billing'] });

    const carried = await carryOutWish(await test.load());

    expect(carried.turnedOn).toEqual(['acme', 'globex']);
  });

  it('changes nothing while it cannot be read: unknown is not off', async () => {
    const test = await installed();
    await wish(test, { tenants: ['acme'] });
    await carryOutWish(await test.load());
    const before = await tenantStates(test.deps, 'forward');
    (test.deps.flags as MemoryFlags).setReadable(false);

    const carried = await carryOutWish(await test.load());
    const machine = await expose(test.deps, aRun({ scope: ['globex'] }), null);
    await test.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'delivered all the same')`);
    await relay(test);

    expect(carried).toMatchObject({ flagsVersion: null, turnedOn: [], turnedOff: [] });
    expect(machine).toMatchObject({ again: true });
    expect(await tenantStates(test.deps, 'forward')).toEqual(before);
    expect(await idsOf(test, 'target')).toHaveLength(1);
  });

  it('is refused from a version that somebody else has overtaken', async () => {
    const test = await installed();
    const read = await test.deps.flags.read();
    if (read === undefined) throw new Error('memory flags can be read');
    await wish(test, { percent: 10 });

    await expect(test.deps.flags.publish(read.flags, read.version, 'late')).rejects.toBeInstanceOf(FlagsConflict);
  });

  it('leaves its version in the tenant’s state, its document and the record of decisions', async () => {
    const test = await installed();
    const version = await wish(test, { tenants: ['acme'] });

    await carryOutWish(await test.load());

    const state = (await tenantStates(test.deps, 'forward')).find(({ tenant }) => tenant === 'acme');
    expect(state).toMatchObject({ flags_version: version, generation: 1, why: `flags version ${version}` });
    expect((await test.deps.documents.get('tenant', 'acme'))?.value).toMatchObject({ on: true, flagsVersion: version });
    const decisions = (await test.deps.documents.list('evidence')).map(({ value }) => value);
    expect(decisions).toMatchObject([
      { kind: 'decision', note: `flags version ${version}: turned on acme (generation 1), turned off nobody` },
    ]);
  });

  it('exposes nobody while rows that tenants share are being rolled back', async () => {
    const test = await installed();
    await wish(test, { tenants: ['acme'] });
    const id = `${ERASURE_PREFIX}*`;
    await test.deps.documents.put('progress', id, { work: id, state: {}, at: '2026-01-05T12:00:00.000Z' }, 'any');

    const carried = await carryOutWish(await test.load());

    expect(carried.turnedOn).toEqual([]);
    expect(carried.refused.join()).toMatch(/rows that tenants share are being rolled back/);
    expect(await onNow(test)).toEqual([]);
  });
});

describe('the machine that exposes', () => {
  it('takes a tenant in again that a way back had excepted', async () => {
    const test = await installed();
    await wish(test, { except: ['acme'] });

    const result = await runToEnd(test.deps, expose, aRun({ scope: ['acme', 'globex'] }));

    expect(result).toMatchObject({ proceed: true, again: false });
    expect(await onNow(test)).toEqual(expect.arrayContaining(['acme', 'globex']));
    expect((await test.deps.flags.read())?.flags.dual_write.except).toEqual([]);
  });
});

describe('a tenant that was suppressed', () => {
  it('is copied when a flag turns it on again: what was written, changed and deleted meanwhile', async () => {
    const test = await installed();
    await wish(test, { tenants: ['acme'] });
    await carryOutWish(await test.load());
    await test.legacy.query(
      `INSERT INTO notes VALUES (1, 'acme', 'kept'), (2, 'acme', 'to be changed'), (3, 'acme', 'to be deleted')`,
    );
    await relay(test);
    await wish(test, { tenants: [] });
    await carryOutWish(await test.load());
    await test.legacy.query(
      `UPDATE notes SET body = 'changed' WHERE id = 2; DELETE FROM notes WHERE id = 3; INSERT INTO notes VALUES (4, 'acme', 'new')`,
    );
    await relay(test);
    expect((await idsOf(test, 'target')).map(({ body }) => body)).toEqual(['kept', 'to be changed', 'to be deleted']);

    await wish(test, { tenants: ['acme'] });
    await carryOutWish(await test.load());
    const started = await copyTurnedOn(test.deps);
    const again = await copyTurnedOn(test.deps);
    const run = aRun({ machine: 'backfill', mode: EXPOSURE_MODE, scope: started });
    const gates = await backfillMachine.entry(test.deps, run);
    const planned = await planCopy(test.deps, run);
    const copied = await copy(test.deps, run, planned.data);
    const verified = await verifyCopy(test.deps, run, copied.data);

    expect(started).toEqual(['acme']);
    expect(again).toEqual([]);
    expect(gates).toEqual([]);
    expect(verified).toMatchObject({ proceed: true, again: false, reasons: [] });
    expect(await idsOf(test, 'target')).toEqual(await idsOf(test, 'legacy'));
    expect((await test.deps.documents.get('tenant', 'acme'))?.value).toMatchObject({ copied: true, generation: 2 });
    expect(await copyTurnedOn(test.deps)).toEqual([]);
  });

  it('is left to the operator between dual-write and backfill', async () => {
    const test = await installed();
    await wish(test, { tenants: ['acme'] });
    await carryOutWish(await test.load());
    const passed = { acme: '2026-01-05T12:00:00.000Z' };
    await test.deps.documents.put('machine', 'dual-write', { passed }, 'any');

    expect(await copyTurnedOn(test.deps)).toEqual([]);

    await test.deps.documents.put('machine', 'backfill', { passed }, 'any');
    expect(await copyTurnedOn(test.deps)).toEqual(['acme']);
  });
});
