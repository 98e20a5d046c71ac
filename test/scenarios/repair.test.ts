/** A repair as it is reviewed: planned, decided, carried out and taken back, on real databases. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { noteForeignDrift } from '../../lib/application/incidents/note-foreign-drift.ts';
import { askApproval } from '../../lib/application/machines/approval.ts';
import { reconcileMachine } from '../../lib/application/machines/reconcile/machine.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import { updateRepair } from '../../lib/application/repair/repair-store.ts';
import { undoRepair } from '../../lib/application/repair/undo-repair.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import type { RepairDocument } from '../../lib/contracts/documents.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';
import { type RepairArtefact, type RepairJob, repairKey } from '../../lib/contracts/repair.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { freshShop, openShop, shopRows, writePastTheFence } from '../support/shop.ts';

const PLAN = `
tenants: { column: tenant_id }
reconcile: { recheckAfter: 5s, repair: { automatic: false, capRows: 5 } }
tables:
  currencies: { tenant: none }
  orders: { updatedAtColumn: updated_at }
  lines: { tenant: { parent: orders, on: { order_id: id } } }
`;
const PLANTED = `
UPDATE orders SET note = 'rogue', amount = 99.5 WHERE id = 5;
DELETE FROM lines WHERE order_id = 7 AND line = 2;
INSERT INTO lines VALUES (8, 99, 1);
`;
const PLANTED_KEYS = [
  ['orders', '[5]', 'acme', 'different'],
  ['lines', '[7, 2]', 'acme', 'missing'],
  ['lines', '[8, 99]', 'acme', 'extra'],
] as const;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;
let runs = 0;

beforeAll(async () => {
  shop = await openShop(PLAN, shopRows(50, 40));
});

afterAll(() => shop?.close());

beforeEach(async () => {
  ({ clock, deps } = await freshShop(shop));
  await shop.target.query('DELETE FROM crossfade.repair_queue');
});

/** What a rogue writer does past the fence, and what a cycle has said of it. */
async function plant(sql: string, keys: readonly (readonly [string, string, string, string])[]): Promise<void> {
  await writePastTheFence(shop, sql);
  const at = clock.now().toISOString();
  for (const [table, rowKey, tenant, kind] of keys) {
    const known = { table, rowKey, tenant, kind: kind as 'missing', columns: [], foundAt: at, cycle: at };
    await deps.documents.put('drift', `${table}#${rowKey}`, known, 'any');
  }
}

function aJob(repairJob: RepairJob, overrides: Partial<Run> = {}): Run {
  runs += 1;
  const execution = `arn:aws:states:us-east-1:000000000000:execution:crossfade-test-reconcile:repair-${runs}`;
  return aRun({ machine: 'reconcile', execution, startedAt: clock.now().toISOString(), repairJob, ...overrides });
}

async function step(name: string, run: Run, data: unknown): Promise<StepResult> {
  const work = reconcileMachine.steps[name];
  if (work === undefined) throw new Error(`no step ${name}`);
  for (;;) {
    const result = await work(deps, run, data);
    if (!result.again) return result;
    await clock.sleep(result.waitSeconds * 1000);
    data = result.data;
  }
}

async function plan(tables: readonly string[] = [], tenants: readonly string[] = []): Promise<RepairDocument> {
  const run = aJob({ do: 'plan', cycle: null, tenants }, { tables });
  const planned = await step('needs-approval', run, null);
  if (!planned.proceed) throw new Error(planned.reasons.join());
  const recorded = await step('record', run, (await step('repair', run, null)).data);
  const { repair } = recorded.data as { repair: string };
  return documentOf(repair);
}

async function documentOf(id: string): Promise<RepairDocument> {
  const stored = await deps.documents.get('repair', id);
  if (stored === undefined) throw new Error(`no repair ${id}`);
  return stored.value;
}

async function artefactOf(id: string): Promise<RepairArtefact> {
  return JSON.parse((await deps.objects.get(repairKey(id))) ?? '') as RepairArtefact;
}

/** The machine's flow behind the approval. */
async function carryOut(id: string, run: Run = aJob({ do: 'run', repair: id })) {
  const asked = await step('needs-approval', run, null);
  if (!asked.proceed) return { outcome: 'refused', reasons: asked.reasons, notes: [] };
  const repaired = await step('repair', run, null);
  const recorded = await step('record', run, repaired.data);
  return {
    outcome: recorded.proceed ? (recorded.data as { outcome: string }).outcome : 'refused',
    reasons: recorded.reasons,
    notes: repaired.notes,
  };
}

const linesOf = async (order: number) =>
  (await shop.target.query('SELECT line FROM lines WHERE order_id = $1 ORDER BY line', [order])).rows.map(
    ({ line }) => line,
  );
const noteOf = async (id: number) =>
  (await shop.target.query('SELECT note FROM orders WHERE id = $1', [id])).rows[0]?.note;
const referencesOf = async (...ids: readonly number[]) =>
  (await shop.target.query('SELECT reference FROM orders WHERE id = ANY ($1) ORDER BY id', [ids])).rows.map(
    ({ reference }) => reference,
  );
const queued = async () => (await shop.target.query('SELECT table_name, row_key FROM crossfade.repair_queue')).rows;
const writesUnder = async (id: string) =>
  (
    await shop.target.query('SELECT count(*)::integer AS n FROM crossfade.applied_log WHERE correlation_id = $1', [
      `repair-${id}`,
    ])
  ).rows[0].n;

describe('a plan', () => {
  it('says of each row what is done, which columns differ, and why legacy wins; and holds no values', async () => {
    await plant(PLANTED, PLANTED_KEYS);

    const { id, rows, tables, tenants, decisions, state } = await plan();

    expect({ rows, tables, tenants, state }).toEqual({
      rows: 3,
      tables: { orders: { insert: 0, update: 1, delete: 0 }, lines: { insert: 1, update: 0, delete: 1 } },
      tenants: { acme: 3 },
      state: 'planned',
    });
    expect(decisions).toEqual([
      { table: 'orders', column: 'amount', winner: 'legacy', reason: 'timestamps-collide', rows: 1 },
      { table: 'orders', column: 'note', winner: 'legacy', reason: 'timestamps-collide', rows: 1 },
    ]);
    const { planned } = await artefactOf(id);
    expect(planned.map(({ table, rowKey, action }) => [table, rowKey, action])).toEqual([
      ['lines', '[7, 2]', 'insert'],
      ['lines', '[8, 99]', 'delete'],
      ['orders', '[5]', 'update'],
    ]);
    expect(await deps.objects.get(repairKey(id))).not.toMatch(/rogue|99\.5/);
  });

  it('writes nothing to a table', async () => {
    await plant(PLANTED, PLANTED_KEYS);

    await plan();

    expect([await noteOf(5), await linesOf(7), await linesOf(8)]).toEqual(['rogue', [1], [1, 2, 99]]);
  });

  it('takes one table or one tenant, and says when there is nothing to plan', async () => {
    await plant(PLANTED, PLANTED_KEYS);

    expect((await plan(['orders'])).rows).toBe(1);
    await expect(plan([], ['umbrella'])).rejects.toThrow('no difference is open in that scope');
  });

  it('leaves out what has become equal and what has an event on its way', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    await shop.target.query(
      `SET session_replication_role = replica; DELETE FROM lines WHERE line = 99; RESET session_replication_role`,
    );
    await shop.legacy.query(`UPDATE orders SET note = '' WHERE id = 5`);

    const { rows, leftOut } = await plan();

    expect({ rows, leftOut }).toEqual({
      rows: 1,
      leftOut: { converged: 1, 'in-flight': 1, 'not-compared': 0, beyond: 0 },
    });
  });
});

describe('carrying a plan out', () => {
  it('inserts, updates and deletes what was reviewed, and says so in the document and the evidence', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();

    const { outcome } = await carryOut(id);

    expect(outcome).toBe('passed');
    expect([await noteOf(5), await linesOf(7), await linesOf(8)]).toEqual(['', [1, 2], [1, 2]]);
    expect(await documentOf(id)).toMatchObject({ state: 'done', outcomes: { repaired: 3, converged: 0, failed: 0 } });
    expect((await deps.documents.list('drift')).every(({ value }) => value.endedBy === 'repair')).toBe(true);
    const notes = (await deps.documents.list('evidence')).map(({ value }) => value.note);
    expect(notes).toContainEqual(expect.stringContaining(`repair ${id}: 3 of 3 rows repaired`));
  });

  it('leaves a row alone that has got an undelivered event since it was planned', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    await shop.legacy.query(`UPDATE orders SET note = '' WHERE id = 5`);

    const { outcome, notes } = await carryOut(id);

    expect(outcome).toBe('differences');
    expect(await noteOf(5)).toBe('rogue');
    expect(notes.join()).toContain('orders [5]: an event of it has not been delivered');
    expect((await documentOf(id)).outcomes).toMatchObject({ repaired: 2, 'in-flight': 1 });
  });

  it('never takes back a write that comes between its look and its apply: the row is read afresh', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    const run = aJob({ do: 'run', repair: id });
    const racing: Deps = { ...deps, databases: racingWith(deps, `UPDATE orders SET note = 'newest' WHERE id = 5`) };

    await reconcileMachine.steps.repair?.(racing, run, null);

    expect(await noteOf(5)).toBe('newest');
    expect((await documentOf(id)).outcomes).toMatchObject({ changed: 0, failed: 0 });
    await shop.legacy.query(`UPDATE orders SET note = '' WHERE id = 5`);
  });

  it('skips a row that is not as it was reviewed, and takes it into the next plan', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    await plant(`UPDATE orders SET note = 'another' WHERE id = 5`, []);

    const { notes } = await carryOut(id);

    expect(notes.join()).toContain('orders [5]: changed since it was reviewed');
    expect(await noteOf(5)).toBe('another');
    const next = await plan();
    expect(next.rows).toBe(1);
    expect((await carryOut(next.id)).outcome).toBe('passed');
    expect(await noteOf(5)).toBe('');
  });

  it('does no work twice when it died in the middle and is started again', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    const dying = aJob({ do: 'run', repair: id });
    await step('needs-approval', dying, null);
    const failing: Deps = { ...deps, databases: killedBehindTheFirstApply(deps) };
    await expect(reconcileMachine.steps.repair?.(failing, dying, null)).rejects.toThrow('killed');
    const before = await writesUnder(id);

    const { outcome } = await carryOut(id);

    expect(before).toBeGreaterThan(0);
    expect(outcome).toBe('passed');
    expect(await writesUnder(id)).toBe(3);
    expect((await documentOf(id)).outcomes).toMatchObject({ repaired: 3, converged: 0 });
  });

  it('changes nothing in a dry run, and says what it would do', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();

    const { notes } = await carryOut(id, aJob({ do: 'run', repair: id }, { dryRun: true }));

    expect(notes[0]).toBe('would repair 3 of 3 rows');
    expect([await noteOf(5), (await documentOf(id)).state, await writesUnder(id)]).toEqual(['rogue', 'planned', 0]);
  });

  it('does not touch a row outside of the plan that holds a value it needs, and names it', async () => {
    const spoilt = `UPDATE orders SET reference = 'tmp' WHERE id = 5; UPDATE orders SET reference = 'r5' WHERE id = 45`;
    await plant(spoilt, [['orders', '[5]', 'acme', 'different']]);
    const { id } = await plan([], ['acme']);

    const { outcome, notes } = await carryOut(id);

    expect(outcome).toBe('differences');
    expect(notes.join()).toContain('orders [45] holds its value and is not written with it');
    expect(await referencesOf(5, 45)).toEqual(['tmp', 'r5']);
    expect(await queued()).toEqual([]);
  });

  it('passes a value between two rows of the plan', async () => {
    const swapped = `UPDATE orders SET reference = 'tmp' WHERE id = 6; UPDATE orders SET reference = 'r6' WHERE id = 5; UPDATE orders SET reference = 'r5' WHERE id = 6`;
    await plant(swapped, [
      ['orders', '[5]', 'acme', 'different'],
      ['orders', '[6]', 'acme', 'different'],
    ]);

    expect((await carryOut((await plan()).id)).outcome).toBe('passed');
    expect(await referencesOf(5, 6)).toEqual(['r5', 'r6']);
  });

  it('does not touch a row of the plan that was left because it had changed since', async () => {
    const spoilt = `UPDATE orders SET reference = 'tmp' WHERE id = 5; UPDATE orders SET reference = 'r5' WHERE id = 6`;
    await plant(spoilt, [
      ['orders', '[5]', 'acme', 'different'],
      ['orders', '[6]', 'acme', 'different'],
    ]);
    const { id } = await plan();
    await plant(`UPDATE orders SET note = 'another' WHERE id = 6`, []);

    await carryOut(id);

    expect(await referencesOf(5, 6)).toEqual(['tmp', 'r5']);
    expect(await queued()).toEqual([]);
  });

  it('brings no parent that is not in the plan, and says what is missing', async () => {
    await plant(`DELETE FROM lines WHERE order_id = 7; DELETE FROM orders WHERE id = 7`, [
      ['lines', '[7, 2]', 'acme', 'missing'],
    ]);
    const { id } = await plan(['lines']);

    const { notes } = await carryOut(id);

    expect(notes.join()).toContain('lines [7, 2]: cannot be repaired: lines_order_id_fkey: its parent');
    expect([await noteOf(7), await queued()]).toEqual([undefined, []]);
  });

  it('is refused when the migration’s plan has changed while it waited for its approval', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    const run = aJob({ do: 'run', repair: id });
    await step('needs-approval', run, null);
    deps = { ...deps, planHash: 'another plan' };

    const refused = await step('repair', run, null);

    expect(refused.reasons.join()).toContain('plan has changed since repair');
    expect([await noteOf(5), (await documentOf(id)).state]).toEqual(['rogue', 'planned']);
  });

  it('is refused when it is over, unknown, or has expired', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id, expiresAt } = await plan();
    const late = await plan();
    await carryOut(id);

    expect((await carryOut(id)).reasons.join()).toContain(`repair ${id} is done`);
    expect((await carryOut('nobody')).reasons.join()).toContain('there is no repair nobody');
    await clock.sleep(Date.parse(expiresAt) - clock.now().getTime() + 1_000);
    expect((await carryOut(late.id)).reasons.join()).toContain('expired at');
  });
});

describe('an approval', () => {
  const MANY = Array.from({ length: 6 }, (_, index) => ['orders', `[${index + 1}]`, 'acme', 'different'] as const);

  async function ask(id: string) {
    const run = aJob({ do: 'run', repair: id });
    const asked = await step('needs-approval', run, null);
    await askApproval(deps, run, 'token');
    const approval = (await deps.documents.list('approval')).at(-1);
    if (approval === undefined) throw new Error('nobody was asked');
    return { run, asked, approval };
  }

  async function decide({ id, value }: Awaited<ReturnType<typeof ask>>['approval'], approved: boolean) {
    const decision = { approved, by: 'bob', at: clock.now().toISOString(), comment: '' };
    await deps.documents.put('approval', id, { ...value, decision }, 'any');
  }

  it('is wanted above the cap, and its question says counts, tables, columns and how to read the plan', async () => {
    await plant(`UPDATE orders SET note = 'rogue' WHERE id <= 6`, MANY);
    const { id, hash } = await plan();

    const { asked, approval } = await ask(id);

    expect(asked.data).toEqual({ approvalRequired: true });
    expect(approval.value.question).toContain(
      '6 rows of target; orders 0 to insert, 6 to update, 0 to delete; columns orders.note',
    );
    expect(approval.value.question).toContain(`npx crossfade repair show ${id}`);
    expect(approval.value.evidenceHash).toBe(hash);
    expect((await documentOf(id)).state).toBe('awaiting-approval');
  });

  it('is wanted below the cap too where the approvals of the plan name reconcile', async () => {
    deps = { ...deps, plan: { ...deps.plan, approvals: { ...deps.plan.approvals, machines: ['reconcile'] } } };
    await plant(`UPDATE orders SET note = 'rogue' WHERE id = 1`, MANY.slice(0, 1));
    const { id } = await plan();

    const { run, asked, approval } = await ask(id);
    expect(asked.data).toEqual({ approvalRequired: true });
    const unasked = await step('repair', run, null);
    await decide(approval, true);
    const repaired = await step('repair', run, null);

    expect(unasked.notes).toEqual([`repair ${id} was not approved`]);
    expect(repaired.notes[0]).toBe('repaired 1 of 1 row');
  });

  it('lets the plan run that was shown, and records who decided', async () => {
    await plant(`UPDATE orders SET note = 'rogue' WHERE id <= 6`, MANY);
    const { id } = await plan();
    const { run, approval } = await ask(id);
    await decide(approval, true);

    const repaired = await step('repair', run, null);

    expect(repaired.notes[0]).toBe('repaired 6 of 6 rows');
    expect(await documentOf(id)).toMatchObject({ state: 'done', approval: { by: 'bob' } });
  });

  it('of another plan is none: an artefact that was changed is refused and nothing is written', async () => {
    await plant(`UPDATE orders SET note = 'rogue' WHERE id <= 6`, MANY);
    const { id } = await plan();
    const { run, approval } = await ask(id);
    await decide(approval, true);
    const artefact = await artefactOf(id);
    await deps.objects.put(repairKey(id), JSON.stringify({ ...artefact, planned: artefact.planned.slice(1) }));

    await expect(step('repair', run, null)).rejects.toThrow(`the plan of repair ${id} was changed since it was made`);

    expect(await writesUnder(id)).toBe(0);
    expect((await carryOut(id)).reasons.join()).toContain('was changed since it was made');
  });

  it('that is refused ends the repair', async () => {
    await plant(`UPDATE orders SET note = 'rogue' WHERE id <= 6`, MANY);
    const { id } = await plan();
    const { run, approval } = await ask(id);
    await decide(approval, false);

    const recorded = await step('record', run, null);

    expect(recorded.reasons).toEqual([`repair ${id} was not approved: it is refused`]);
    expect(await noteOf(1)).toBe('rogue');
  });
});

describe('undoing a repair', () => {
  const undo = async (repair: string, dryRun = false) =>
    undoRepair({ ...(await shop.load()), deps }, { repair, dryRun, by: 'alice', why: 'test' });

  it('puts every row back as it was, and the rows drift again', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    await carryOut(id);

    const answer = await undo(id);

    expect(answer).toMatchObject({ rows: [{ outcome: 'erased' }, { outcome: 'restored' }, { outcome: 'restored' }] });
    expect([await noteOf(5), await linesOf(7), await linesOf(8)]).toEqual(['rogue', [1], [1, 2, 99]]);
    expect(await documentOf(id)).toMatchObject({ state: 'undone', undone: { by: 'alice', rows: 3, left: 0 } });
    await plant('SELECT 1', PLANTED_KEYS);
    expect((await plan()).rows).toBe(3);
  });

  it('is taken for nobody else’s write when the rows drift again; a later one is', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    await carryOut(id);
    await undo(id);
    const migration = { ...(await shop.load()), deps };
    const drift = PLANTED_KEYS.map(([table, rowKey]) => ({ table, rowKey }));

    const undone = await noteForeignDrift(migration, 'forward', drift);
    await writePastTheFence(shop, `UPDATE orders SET note = 'again' WHERE id = 5`);
    const written = await noteForeignDrift(migration, 'forward', drift);
    await shop.target.query('DELETE FROM crossfade.foreign_write');

    expect([undone, written]).toEqual([0, 1]);
  });

  it('is refused while the repair is running', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    await carryOut(id);
    const current = { execution: 'a:running', startedAt: 'now', scope: [], dryRun: false };
    await deps.documents.put('machine', 'reconcile', { passed: {}, current }, 'any');
    await updateRepair(deps, id, { state: 'running', ranBy: current.execution });

    const answer = await undoRepair({ ...(await shop.load()), deps }, { repair: id, dryRun: false, by: 'a', why: 't' });

    expect(answer).toEqual({ refused: expect.stringContaining('is still running') });
    expect(await noteOf(5)).toBe('');
  });

  it('leaves a row that was written again since, and says so', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    await carryOut(id);
    const migration = await shop.load();
    await repairKeys(migration, tableNamed(migration, 'orders'), 'forward', ['[5]'], 'somebody-else');

    const answer = await undo(id);

    expect(answer).toMatchObject({
      rows: expect.arrayContaining([
        expect.objectContaining({ rowKey: '[5]', outcome: 'left', detail: 'it was written again since' }),
      ]),
    });
    expect(await noteOf(5)).toBe('');
  });

  it('leaves a column that the target owns as the target has filled it since', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    await carryOut(id);
    await writePastTheFence(shop, `UPDATE orders SET note = 'own' WHERE id = 5`);
    const migration = await shop.load();
    const tables = migration.tables.map((table) =>
      table.name === 'orders' ? { ...table, targetOwned: ['note'] } : table,
    );

    const answer = await undoRepair(
      { ...migration, deps, tables },
      { repair: id, dryRun: false, by: 'alice', why: 'test' },
    );

    expect(answer).toMatchObject({ rows: [{ outcome: 'erased' }, { outcome: 'restored' }, { outcome: 'restored' }] });
    const { rows } = await shop.target.query('SELECT note, amount::text FROM orders WHERE id = 5');
    expect(rows).toEqual([{ note: 'own', amount: '99.5' }]);
  });

  it('changes nothing in a dry run, nor a second time', async () => {
    await plant(PLANTED, PLANTED_KEYS);
    const { id } = await plan();
    await carryOut(id);

    await undo(id, true);
    expect(await noteOf(5)).toBe('');
    await undo(id);
    const again = await undo(id);

    expect(again).toMatchObject({ rows: [{ outcome: 'left' }, { outcome: 'left' }, { outcome: 'left' }] });
    expect(await undo('nobody')).toEqual({ refused: 'there is no repair nobody' });
  });
});

/** Dies between the apply of the first page and whatever would have told of it. */
function killedBehindTheFirstApply({ databases }: Deps): Deps['databases'] {
  return {
    ...databases,
    open: (store, purpose) => {
      const session = databases.open(store, purpose);
      const isNext = (text: string) => text.includes('SELECT DISTINCT row_key FROM crossfade.applied_log');
      return {
        ...session,
        query: (statement) => (isNext(statement.text) ? Promise.reject(new Error('killed')) : session.query(statement)),
      };
    },
  };
}

/** An application writes to legacy right behind the repair's look at the rows. */
function racingWith({ databases }: Deps, sql: string): Deps['databases'] {
  return {
    ...databases,
    open: (store, purpose) => {
      const session = databases.open(store, purpose);
      return {
        ...session,
        query: async (statement) => {
          const isNext =
            statement.text.includes('INSERT INTO crossfade.repair_image') && statement.values[0] === 'orders';
          if (isNext) await shop.legacy.query(sql);
          return session.query(statement);
        },
      };
    },
  };
}
