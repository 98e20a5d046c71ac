/** The way back of everything: what Crossfade made in two real stores goes by an approved list, and nothing else goes with it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '../../lib/application/deps.ts';
import { baselineMachine } from '../../lib/application/machines/baseline/machine.ts';
import { install } from '../../lib/application/machines/dual-write/install.ts';
import { rollbackMachine } from '../../lib/application/machines/rollback/machine.ts';
import { runStep } from '../../lib/application/machines/run-step.ts';
import type { MachineDefinition } from '../../lib/application/machines/step.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import { retryEvent } from '../../lib/application/relay/retry-event.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { mirrorTenants, turnOn } from '../../lib/application/tenants/exposure.ts';
import type { MachineInput, MachineOutput, Run, StepEvent, StepResult } from '../../lib/contracts/machine-io.ts';
import { aCycle } from '../cli/support/records.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilDone } from '../support/relay-until-idle.ts';
import { aRun, runToEnd } from '../support/run.ts';
import { SHOP_PLAN, SHOP_SQL } from '../support/shop.ts';

const TENANTS = ['acme', 'umbrella'];
const TAKE_BACK = ['close-tenants', 'drain-tenants', 'erase-tenants', 'verify-erased'];
const ROWS = `INSERT INTO orders (id, tenant_id, note) VALUES (1, 'acme', 'one'), (2, 'umbrella', 'two'); INSERT INTO lines VALUES (1, 1, 5)`;
/** Whatever a store has under Crossfade's names. */
const LEFT = `
SELECT 'schema' AS what FROM pg_namespace WHERE nspname = 'crossfade'
UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE 'crossfade%'
UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'crossfade%' ORDER BY 1`;

let shop: TestMigration;
let deps: Deps;
let runs = 0;

beforeEach(async () => {
  shop = await aMigration({
    plan: `${SHOP_PLAN}relay: { shards: 1 }\n`,
    legacySql: SHOP_SQL,
    targetSql: SHOP_SQL.replace(/INSERT.*;/, ''),
  });
  deps = shop.deps;
  await expose();
});
afterEach(() => shop.close());

/** Installs, exposes both tenants and carries rows over. */
async function expose(): Promise<void> {
  await runToEnd(deps, install, aRun());
  for (const tenant of ['*', ...TENANTS])
    await turnOn(deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
  await mirrorTenants(deps, 'forward');
  const migration = await shop.load();
  await repairKeys(migration, tableNamed(migration, 'currencies'), 'forward', ['["EUR"]', '["USD"]'], 'first-copy');
  await shop.legacy.query(ROWS);
  await relay();
}

const relay = () => relayUntilDone({ ...shop, deps });

async function call(event: StepEvent, machine: MachineDefinition = rollbackMachine): Promise<StepResult> {
  let data: unknown = event.data ?? null;
  for (let round = 0; round < 100; round++) {
    // Every step but finish answers so.
    const result = (await runStep(machine, deps, { ...event, data })) as StepResult;
    if (!result.again) return result;
    data = result.data;
    if (TAKE_BACK.includes(event.step)) await relay();
  }
  throw new Error(`${event.step} answered "again" a hundred times`);
}

async function begin(input: Partial<MachineInput> = {}, machine: MachineDefinition = rollbackMachine) {
  runs += 1;
  const execution = `arn:aws:states:us-east-1:000000000000:execution:crossfade-test-${machine.machine}:back-${runs}`;
  const startedAt = deps.clock.now().toISOString();
  const from = machine.machine === 'rollback' ? 'schema' : undefined;
  const begun = await call(
    { step: 'begin', begin: { input: { plan: 'test', from, requestedBy: 'alice', ...input }, execution, startedAt } },
    machine,
  );
  if (begun.run == null) throw new Error('begin answers with its run');
  return { ...begun, run: begun.run };
}

/** As the state machine goes, up to the question. */
async function askedOf(run: Run): Promise<StepResult> {
  const survey = await call({ step: 'survey-schema', run });
  if (!survey.proceed) return survey;
  const takeBack = (survey.data as { takeBack: boolean }).takeBack;
  for (const step of takeBack ? TAKE_BACK : []) {
    const result = await call({ step, run });
    if (!result.proceed) return result;
  }
  const listed = await call({ step: 'list-schema', run });
  if (listed.proceed && !run.dryRun && (listed.data as { objects: number }).objects > 0)
    await call({ step: 'request-approval', run, taskToken: 'secret' });
  return listed;
}

async function decide(run: Run, approved = true): Promise<void> {
  for (const { id, value } of await deps.documents.list('approval'))
    if (value.execution === run.execution && value.decision === undefined)
      await deps.documents.put(
        'approval',
        id,
        { ...value, decision: { approved, by: 'bob', at: 'now', comment: '' } },
        'any',
      );
}

async function finish(run: Run): Promise<MachineOutput> {
  // `finish` answers so.
  return (await runStep(rollbackMachine, deps, { step: 'finish', run, outcome: 'rolled-back' })) as MachineOutput;
}

/** From the start to the end of one run that somebody approves. */
async function rollBackAll(): Promise<StepResult> {
  const { run } = await begin();
  const listed = await askedOf(run);
  if (!listed.proceed) return listed;
  await decide(run);
  if ((listed.data as { objects: number }).objects > 0) {
    const dropped = await call({ step: 'drop-schema', run });
    if (!dropped.proceed) return dropped;
  }
  const verified = await call({ step: 'verify-schema', run });
  await finish(run);
  return verified;
}

async function left(): Promise<Readonly<Record<'legacy' | 'target', readonly string[]>>> {
  const of = async (store: 'legacy' | 'target') => (await shop[store].query(LEFT)).rows.map(({ what }) => String(what));
  return { legacy: await of('legacy'), target: await of('target') };
}

const rowsOf = async (store: 'legacy' | 'target') =>
  (await shop[store].query('SELECT id::int, note FROM orders ORDER BY 1')).rows;

/** Dies in front of a store's DROP SCHEMA. */
function dyingBetween(whole: Deps, at: 'legacy' | 'target' = 'target'): Deps {
  return {
    ...whole,
    databases: {
      ...whole.databases,
      open: (store, purpose) => {
        const session = whole.databases.open(store, purpose);
        if (store !== at) return session;
        return {
          ...session,
          transaction: (work, options) =>
            session.transaction(
              (inner) =>
                work({
                  query: (statement) =>
                    statement.text.startsWith('DROP SCHEMA')
                      ? Promise.reject(new Error('killed'))
                      : inner.query(statement),
                }),
              options,
            ),
        };
      },
    },
  };
}

describe('the way back of the schema', () => {
  it('leaves nothing of Crossfade in either store, and every row of the application in legacy', async () => {
    await shop.target.query(
      `CREATE TABLE public.of_the_team (id int PRIMARY KEY); INSERT INTO public.of_the_team VALUES (1)`,
    );
    await deps.documents.put('cycle', '2026-01-05T12:00:00.000Z', aCycle(), 'any');

    const verified = await rollBackAll();

    expect(verified).toMatchObject({ proceed: true, gates: [{ gate: 'schema-gone', pass: true, value: 0 }] });
    expect(await left()).toEqual({ legacy: [], target: [] });
    expect(await rowsOf('legacy')).toEqual([
      { id: 1, note: 'one' },
      { id: 2, note: 'two' },
    ]);
    expect(await rowsOf('target')).toEqual([]);
    expect((await shop.target.query('SELECT id FROM public.of_the_team')).rows).toEqual([{ id: 1 }]);
    for (const kind of ['tenant', 'cycle', 'drift'] as const) expect(await deps.documents.list(kind)).toEqual([]);
    expect((await deps.documents.list('progress')).map(({ id }) => id)).toEqual(['plan']);
  });

  it('asks for an approval that counts the objects and carries the hash of their list', async () => {
    const { run } = await begin();

    const listed = await askedOf(run);

    const [approval] = await deps.documents.list('approval');
    expect(approval?.value.question).toMatch(
      /^Drop what Crossfade made, \d+ objects in legacy and \d+ objects in target\? Read the list: npx crossfade runs back-\d+/,
    );
    expect(approval?.value.evidenceHash).toMatch(/^[0-9a-f]{64}$/);
    expect(listed.notes).toEqual(
      expect.arrayContaining([
        'legacy: schema crossfade',
        'legacy: table crossfade.outbox',
        'target: table crossfade.row_version',
        'target: function crossfade.refuse_write()',
        'legacy: sequence crossfade.outbox_seq',
      ]),
    );
  });

  it('names to the approver the tables whose applications call a function that goes', async () => {
    await shop.close();
    const plan = SHOP_PLAN.replace(
      '{ updatedAtColumn: updated_at }',
      '{ updatedAtColumn: updated_at, capture: client }',
    );
    shop = await aMigration({ plan, legacySql: SHOP_SQL });
    deps = shop.deps;
    await runToEnd(deps, install, aRun());
    const { run } = await begin();

    const listed = await askedOf(run);
    await decide(run);
    await call({ step: 'drop-schema', run });

    const [approval] = await deps.documents.list('approval');
    expect(approval?.value.question).toContain("still call the client library's capture fail (orders)");
    expect(listed.notes).toContain(
      'legacy: function crossfade.captured_public_orders(crossfade_rows json, old_tenant text)',
    );
    expect(await left()).toEqual({ legacy: [], target: [] });
  });

  it('says in a dry run what would go, asks nobody, and changes nothing', async () => {
    const before = await left();
    const { run } = await begin({ dryRun: true });

    const listed = await askedOf(run);
    const verified = await call({ step: 'verify-schema', run });

    expect(verified.proceed).toBe(true);
    expect(listed.notes).toEqual(
      expect.arrayContaining([
        'legacy: trigger crossfade_capture on public.orders',
        'target: trigger crossfade_fence on public.orders',
        'target: index public.crossfade_key_currencies of currencies',
      ]),
    );
    expect((await finish(run)).next).toBe('npx crossfade rollback schema --plan test');
    expect(await deps.documents.list('approval')).toEqual([]);
    expect(await left()).toEqual(before);
    expect(await rowsOf('target')).toHaveLength(2);
  });

  it('can begin anew afterwards: schemas compare, capture installs, tenants are exposed and rows arrive', async () => {
    await rollBackAll();
    const { run } = await begin({}, baselineMachine);

    const compared = await call({ step: 'compare-schemas', run }, baselineMachine);
    await shop.legacy.query('DELETE FROM lines; DELETE FROM orders');
    await expose();

    expect(compared.proceed).toBe(true);
    expect(await rowsOf('target')).toEqual([
      { id: 1, note: 'one' },
      { id: 2, note: 'two' },
    ]);
  });

  it('has every machine passed anew by everybody, and lets the stacks be destroyed', async () => {
    const passed = { acme: 'then', gone: 'then' };
    for (const machine of ['baseline', 'dual-write', 'reconcile'] as const)
      await deps.documents.put('machine', machine, { passed }, 'any');
    const protection: boolean[] = [];
    deps = { ...deps, protection: { set: async (on) => void protection.push(on) } };

    await rollBackAll();

    for (const machine of ['baseline', 'dual-write', 'reconcile'])
      expect((await deps.documents.get('machine', machine))?.value.passed).toEqual({});
    expect(protection).toEqual([false]);
  });

  it('turns off a tenant that is on and owns no row any more', async () => {
    await shop.legacy.query(`DELETE FROM orders WHERE tenant_id = 'umbrella'`);

    const { run } = await begin();

    expect(run.scope).toEqual(['acme', 'umbrella']);
  });

  it('finds triggers by what they call, and indexes of the keys, also on tables that the plan does not name any more', async () => {
    await shop.target.query(`
      CREATE TABLE public.former (id int PRIMARY KEY);
      CREATE TRIGGER called_otherwise BEFORE TRUNCATE ON public.former FOR EACH STATEMENT EXECUTE FUNCTION crossfade.refuse_truncate();
      CREATE TABLE public.parted (id int, code text) PARTITION BY RANGE (id);
      CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (9);
      CREATE TRIGGER crossfade_cascade AFTER DELETE ON public.parted FOR EACH ROW EXECUTE FUNCTION crossfade.guard_cascade('parted', '[]', 'nid');
      CREATE INDEX crossfade_key_parted ON public.parted (code COLLATE "C");
      INSERT INTO public.parted VALUES (1, 'one')`);

    const verified = await rollBackAll();

    expect(verified.proceed).toBe(true);
    expect((await left()).target).toEqual([]);
    expect((await shop.target.query(`SELECT FROM pg_trigger WHERE tgname = 'called_otherwise'`)).rows).toEqual([]);
    expect((await shop.target.query('SELECT id FROM public.parted_1')).rows).toEqual([{ id: 1 }]);
  });

  it('ends a relay that is at work when the schema goes, and no later one starts', async () => {
    const relayed = runRelay(deps, 'forward', { until: new Date(Date.now() + 600_000) });

    await rollBackAll();

    expect(await relayed).toMatchObject({ delivered: expect.any(Number) });
    expect(await runRelay(deps, 'forward', { until: new Date(Date.now() + 600_000) })).toEqual({
      delivered: 0,
      batches: 0,
    });
    const leftOver = { direction: 'forward', seq: '1', correlationId: null, reason: 'refused' } as const;
    expect(await retryEvent(await shop.load(), leftOver, 1, 0)).toEqual({ kind: 'done' });
  });

  it('finds nothing the second time, asks nobody and passes', async () => {
    await rollBackAll();
    const asked = (await deps.documents.list('approval')).length;

    const again = await rollBackAll();

    expect(again.proceed).toBe(true);
    expect(await deps.documents.list('approval')).toHaveLength(asked);
  });
});

describe('a schema that is not to go', () => {
  it('stays while something foreign hangs on it, and each such thing is named', async () => {
    await shop.legacy.query(`
      CREATE VIEW public.waiting AS SELECT seq FROM crossfade.outbox;
      CREATE TABLE public.numbered (id bigint DEFAULT nextval('crossfade.outbox_seq'));
      CREATE TABLE crossfade.notes_of_the_team (id int);
      CREATE TYPE crossfade.colour AS ENUM ('red');
      CREATE PUBLICATION of_the_team FOR TABLE crossfade.outbox`);
    const { run } = await begin();

    const listed = await askedOf(run);

    expect(listed.proceed).toBe(false);
    expect(listed.gates.find(({ gate }) => gate === 'foreign-objects')).toMatchObject({ pass: false, value: 5 });
    expect(listed.reasons).toEqual(
      expect.arrayContaining([
        'legacy: rule _RETURN on view public.waiting',
        'legacy: default value for column id of table public.numbered',
        'legacy: table crossfade.notes_of_the_team',
        'legacy: type crossfade.colour',
        'legacy: publication of table crossfade.outbox in publication of_the_team',
      ]),
    );
    expect(await deps.documents.list('approval')).toEqual([]);
    expect((await left()).legacy).toContain('schema');
  });

  it('stays when its list has changed since it was approved, and may be installed on as before', async () => {
    const { run } = await begin();
    await askedOf(run);
    await decide(run);
    await shop.legacy.query(
      `CREATE TRIGGER crossfade_fence BEFORE INSERT ON public.lines FOR EACH STATEMENT EXECUTE FUNCTION crossfade.refuse_write()`,
    );

    const dropped = await call({ step: 'drop-schema', run });

    expect(dropped).toMatchObject({ proceed: false });
    expect(dropped.reasons[0]).toBe('legacy has trigger crossfade_fence on public.lines, which was not on the list');
    expect(await left()).toMatchObject({ legacy: expect.arrayContaining(['schema']), target: ['schema'] });
    expect((await runToEnd(deps, install, aRun())).proceed).toBe(true);
  });

  it('stays when something was hung on it since it was approved', async () => {
    const { run } = await begin();
    await askedOf(run);
    await decide(run);
    await shop.target.query('CREATE VIEW public.applied AS SELECT id FROM crossfade.applied_log');

    const dropped = await call({ step: 'drop-schema', run });

    expect(dropped.proceed).toBe(false);
    expect(dropped.reasons[0]).toBe("target has rule _RETURN on view public.applied, which is not Crossfade's");
    expect(await left()).toEqual({ legacy: ['schema'], target: ['schema'] });
  });

  it('stays while somebody has been turned on since', async () => {
    const { run } = await begin();
    await askedOf(run);
    await decide(run);
    await turnOn(deps, 'forward', { tenant: 'acme', stage: 'dualwrite', copied: false, why: 'test' });

    const dropped = await call({ step: 'drop-schema', run });

    expect(dropped.reasons[0]).toBe('tenant acme is on in legacy');
    expect(await left()).toEqual({ legacy: ['schema'], target: ['schema'] });
  });

  it('stays until that very list is approved, and its tenants are taken back all the same', async () => {
    await deps.documents.put('machine', 'dual-write', { passed: { acme: 'then', umbrella: 'then' } }, 'any');
    const { run } = await begin();
    await askedOf(run);

    const unapproved = await call({ step: 'drop-schema', run });
    await decide(run, false);
    const declined = await call({ step: 'drop-schema', run });

    expect((await deps.documents.get('machine', 'dual-write'))?.value.passed).toEqual({});
    for (const { reasons } of [unapproved, declined]) expect(reasons[0]).toMatch(/nobody has approved this list/);
    expect(await left()).toEqual({ legacy: ['schema'], target: ['schema'] });
  });

  it('stays behind a switchover, with the journal as evidence', async () => {
    const entry = {
      n: 2,
      authoritative: 'target',
      direction: 'reverse',
      at: '2026-01-01T00:00:00.000Z',
      by: 'alice',
      why: 'test',
      execution: null,
    } as const;
    await deps.documents.put('journal', '000000000002', entry, 'absent');
    const { run } = await begin();

    const survey = await call({ step: 'survey-schema', run });

    expect(survey).toMatchObject({
      proceed: false,
      gates: [{ gate: 'legacy-authoritative', pass: false, value: 'target', source: 'journal' }],
    });
    expect(survey.reasons.at(-1)).toMatch(/run: npx crossfade rollback switchover$/);
  });

  it('is not rolled back for some tenants', async () => {
    const begun = await begin({ scope: ['acme'] });

    expect(begun.proceed).toBe(false);
    expect(begun.reasons[0]).toMatch(/takes no "scope"/);
  });
});

describe('a removal that died between the stores', () => {
  async function dieBetween(): Promise<Run> {
    const { run } = await begin();
    await askedOf(run);
    await decide(run);
    const whole = deps;
    deps = dyingBetween(whole);
    await expect(call({ step: 'drop-schema', run })).rejects.toThrow('killed');
    deps = whole;
    expect(await left()).toEqual({ legacy: [], target: ['schema'] });
    return run;
  }

  it('goes on in the same run with what is left of the list', async () => {
    const run = await dieBetween();

    const dropped = await call({ step: 'drop-schema', run });
    const verified = await call({ step: 'verify-schema', run });

    expect([dropped.proceed, verified.proceed]).toEqual([true, true]);
    expect(await left()).toEqual({ legacy: [], target: [] });
  });

  it('goes on in another run, whose approval is for what is left', async () => {
    const dead = await dieBetween();
    await runStep(rollbackMachine, deps, { step: 'fail', run: dead, error: { Error: 'killed' } });

    const verified = await rollBackAll();

    expect(verified.proceed).toBe(true);
    const last = (await deps.documents.list('approval')).map(({ value }) => value.question).toSorted()[0];
    expect(last).toMatch(/^Drop what Crossfade made, 0 objects in legacy and \d+ objects in target\? Read/);
    expect(await left()).toEqual({ legacy: [], target: [] });
  });

  it('bars nothing when it died before it dropped anything, and the next list is declined', async () => {
    const { run: dead } = await begin();
    await askedOf(dead);
    await decide(dead);
    const whole = deps;
    deps = dyingBetween(whole, 'legacy');
    await expect(call({ step: 'drop-schema', run: dead })).rejects.toThrow('killed');
    deps = whole;
    await runStep(rollbackMachine, deps, { step: 'fail', run: dead, error: { Error: 'killed' } });
    const { run } = await begin();

    await askedOf(run);
    await decide(run, false);

    expect(await left()).toEqual({ legacy: ['schema'], target: ['schema'] });
    expect((await runToEnd(deps, install, aRun())).proceed).toBe(true);
  });

  it('lets nothing be installed meanwhile, and no relay run into what is gone', async () => {
    await dieBetween();

    const installed = await install(deps, aRun(), null);
    const relayed = await runRelay(deps, 'forward', { until: new Date(Date.now() + 60_000) });

    expect(installed.reasons[0]).toMatch(/run: npx crossfade rollback schema$/);
    expect(relayed).toEqual({ delivered: 0, batches: 0 });
  });
});

it('goes as well when somebody dropped one schema by hand, and tells the approver what may be left', async () => {
  await shop.target.query('DROP SCHEMA crossfade CASCADE');

  const verified = await rollBackAll();

  const [approval] = await deps.documents.list('approval');
  expect(approval?.value.question).toContain('rows that Crossfade wrote may be left in the target');
  expect(verified.proceed).toBe(true);
  expect(await left()).toEqual({ legacy: [], target: [] });
});
