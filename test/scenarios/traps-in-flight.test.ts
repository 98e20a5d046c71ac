/** What looks like drift and is none, and what would hide behind that: each case made by hand on real servers (design §4). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Migration } from '../../lib/application/migration.ts';
import { type Comparison, planComparison } from '../../lib/application/reconcile/comparison.ts';
import { type PendingRow, type RoundResult, settleRound } from '../../lib/application/reconcile/settle-round.ts';
import { settle, startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `
CREATE TABLE owners (id integer PRIMARY KEY, tenant_id text NOT NULL, name text);
CREATE TABLE pets (id integer PRIMARY KEY, owner_id integer NOT NULL, name text);
CREATE TABLE toys (id integer PRIMARY KEY, pet_id integer NOT NULL, name text)`;
const PLAN = `
tenants: { column: tenant_id }
dualWrite: { lagLimit: 60s }
tables: { owners: {}, pets: { tenant: { parent: owners, on: { owner_id: id } } }, toys: { tenant: { parent: pets, on: { pet_id: id } } } }
`;

let test: TestMigration;
let migration: Migration;
let comparison: Comparison;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await startConverging(test, ['acme', 'globex']);
  migration = await test.load();
});

afterAll(() => test?.close());

beforeEach(async () => {
  await test.legacy.query(
    `UPDATE crossfade.tenant_state SET is_on = true; UPDATE crossfade.control SET direction = 'forward'`,
  );
  await test.target.query('DELETE FROM crossfade.repair_queue');
  await test.legacy.query(`DELETE FROM toys; DELETE FROM pets; DELETE FROM owners; DELETE FROM crossfade.outbox`);
  await plant('DELETE FROM toys; DELETE FROM pets; DELETE FROM owners');
  await test.legacy.query(
    `INSERT INTO owners VALUES (1, 'acme', 'Ann'), (2, 'umbrella', 'Bo'); INSERT INTO pets VALUES (10, 1, 'Rex')`,
  );
  await settle(test);
  comparison = await planComparison(migration, 'forward', {
    mode: 'checksum',
    form: 'fast',
    tenants: ['*', 'acme', 'globex'],
    tables: [],
  });
});

/** By a superuser who takes the applier's name: past the fence, and without a version. */
async function plant(sql: string): Promise<void> {
  await test.target.query(`SET SESSION AUTHORIZATION "${test.roles.apply}"`);
  await test.target.query(sql);
  await test.target.query('RESET SESSION AUTHORIZATION');
}

/** Two rounds over one row, with something between them. */
async function settleTwice(table: string, rowKey: string, between = async () => {}): Promise<RoundResult> {
  const first = await settleRound(migration, comparison, [{ table, rowKey, before: null }], 1);
  expect(first.drift).toEqual([]);
  await between();
  return settleRound(migration, comparison, first.pending, 2);
}

const NOTHING = { pending: [], drift: [], converged: {}, inFlight: {}, waiting: [], setAside: [] };
const waitsFor = (table: string, rowKey: string) => ({
  inFlight: { [table]: 1 },
  waiting: [{ table, rowKey, tenant: 'acme' }],
});
const keysOf = (rows: readonly Pick<PendingRow, 'table' | 'rowKey'>[]) =>
  rows.map((row) => `${row.table} ${row.rowKey}`);

describe('a row whose event was set aside', () => {
  it.each(['parked', 'dead'])(
    'is reported as %s, with the reason of its event, and is neither drift nor clean',
    async (state) => {
      await test.legacy.query(`UPDATE owners SET name = 'Anne' WHERE id = 1`);
      await test.legacy.query(
        `UPDATE crossfade.outbox SET state = '${state}', reason = 'it can never succeed: 22P02' WHERE state = 'pending'`,
      );

      const result = await settleTwice('owners', '[1]');

      expect(result).toEqual({
        ...NOTHING,
        ...waitsFor('owners', '[1]'),
        setAside: [
          {
            table: 'owners',
            rowKey: '[1]',
            tenant: 'acme',
            kind: 'different',
            state,
            reason: 'it can never succeed: 22P02',
          },
        ],
      });
    },
  );

  it('is in flight while a newer event of it is on its way', async () => {
    await test.legacy.query(`UPDATE owners SET name = 'Anne' WHERE id = 1`);
    await test.legacy.query(`UPDATE crossfade.outbox SET state = 'parked' WHERE state = 'pending'`);
    await test.legacy.query(`UPDATE owners SET name = 'Annie' WHERE id = 1`);

    expect(await settleTwice('owners', '[1]')).toEqual({ ...NOTHING, ...waitsFor('owners', '[1]') });
  });

  it('is drift all the same when the target holds something newer than that event', async () => {
    await test.legacy.query(`UPDATE owners SET name = 'Anne' WHERE id = 1`);
    await test.legacy.query(`UPDATE crossfade.outbox SET state = 'parked' WHERE state = 'pending'`);
    await test.legacy.query(`UPDATE owners SET name = 'Annie' WHERE id = 1`);
    await deliverPending();
    expect(await settleTwice('owners', '[1]')).toEqual(NOTHING);
    await plant(`UPDATE owners SET name = 'rogue' WHERE id = 1`);

    const result = await settleTwice('owners', '[1]');

    expect(result.drift).toEqual([
      { table: 'owners', rowKey: '[1]', tenant: 'acme', kind: 'different', columns: ['name'] },
    ]);
    expect(result.setAside).toEqual([]);
  });
});

describe('a row that is queued for a fresh read', () => {
  it('is in flight while it is young, and drift when the repair has not come for longer than dual-write allows', async () => {
    await plant(`UPDATE owners SET name = NULL WHERE id = 1`);
    await test.target.query(
      `INSERT INTO crossfade.repair_queue (table_name, row_key, reason) VALUES ('owners', '[1]', 'its value was taken')`,
    );

    expect(await settleTwice('owners', '[1]')).toEqual({ ...NOTHING, ...waitsFor('owners', '[1]') });
    await test.target.query(`UPDATE crossfade.repair_queue SET since = since - interval '61 seconds'`);
    expect(keysOf((await settleTwice('owners', '[1]')).drift)).toEqual(['owners [1]']);
  });
});

describe('a row that follows a parent to another tenant', () => {
  beforeEach(async () => {
    // Written while the move was under way, and captured under the tenant of before: its own event was suppressed.
    await test.legacy.query(`INSERT INTO pets VALUES (20, 2, 'Tom'); INSERT INTO toys VALUES (200, 20, 'ball')`);
    await test.legacy.query(`UPDATE crossfade.outbox SET state = 'suppressed' WHERE state = 'pending'`);
    await test.legacy.query(`UPDATE owners SET tenant_id = 'acme' WHERE id = 2`);
    await test.legacy.query(
      `UPDATE crossfade.outbox SET state = 'suppressed' WHERE state = 'pending' AND table_name <> 'owners'`,
    );
  });

  it('is in flight for as long as the move of its parent is, however deep it hangs', async () => {
    expect(await settleTwice('pets', '[20]')).toEqual({ ...NOTHING, ...waitsFor('pets', '[20]') });
    expect(await settleTwice('toys', '[200]')).toEqual({ ...NOTHING, ...waitsFor('toys', '[200]') });

    await settle(test);

    expect(await settleTwice('toys', '[200]')).toEqual(NOTHING);
  });

  it('is in flight too when it was deleted behind the move, and is in the target alone', async () => {
    await settle(test);
    await test.legacy.query(`UPDATE owners SET tenant_id = 'umbrella' WHERE id = 2`);
    await test.legacy.query('DELETE FROM toys WHERE id = 200');
    await test.legacy.query(
      `UPDATE crossfade.outbox SET state = 'suppressed' WHERE state = 'pending' AND table_name <> 'owners'`,
    );

    expect(await settleTwice('toys', '[200]')).toEqual({ ...NOTHING, ...waitsFor('toys', '[200]') });

    await settle(test);

    expect(await settleTwice('toys', '[200]')).toEqual(NOTHING);
  });

  it('is drift when it is in the target alone and the source never deleted it: no move explains that either', async () => {
    await settle(test);
    await test.legacy.query(`UPDATE owners SET tenant_id = 'umbrella' WHERE id = 2`);
    await plant(`INSERT INTO toys VALUES (666, 20, 'rogue')`);

    expect(keysOf((await settleTwice('toys', '[666]')).drift)).toEqual(['toys [666]']);
  });

  it('says so when the move of its parent was set aside', async () => {
    await test.legacy.query(
      `UPDATE crossfade.outbox SET state = 'dead', reason = 'out of tries' WHERE state = 'pending'`,
    );

    const { drift, setAside } = await settleTwice('toys', '[200]');

    expect(drift).toEqual([]);
    expect(setAside).toMatchObject([{ table: 'toys', kind: 'missing', state: 'dead', reason: 'out of tries' }]);
  });

  it('is drift when it differs in what it holds: no move explains that', async () => {
    await settle(test);
    await test.legacy.query(`UPDATE owners SET tenant_id = 'globex' WHERE id = 2`);
    await test.legacy.query(`DELETE FROM crossfade.outbox WHERE table_name <> 'owners'`);
    await plant(`UPDATE pets SET name = 'rogue' WHERE id = 20`);

    expect(keysOf((await settleTwice('pets', '[20]')).drift)).toEqual(['pets [20]']);
  });
});

describe('a row that differs in both reads', () => {
  it('is not drift when it went there and back meanwhile, each time behind the back of one read', async () => {
    await test.legacy.query(`UPDATE owners SET name = 'there' WHERE id = 1`);
    await deliverPending();
    await plant(`UPDATE owners SET name = 'Ann' WHERE id = 1`);
    const rows = [{ table: 'owners', rowKey: '[1]', before: null }];

    const first = await settleRound(migration, comparison, rows, 1);
    await test.legacy.query(
      `UPDATE owners SET name = 'back' WHERE id = 1; UPDATE owners SET name = 'there' WHERE id = 1`,
    );
    await deliverPending();
    await plant(`UPDATE owners SET name = 'Ann' WHERE id = 1`);
    const second = await settleRound(migration, comparison, first.pending, 2);

    expect(second.drift).toEqual([]);
    expect(keysOf(second.pending)).toEqual(['owners [1]']);
    expect(keysOf((await settleRound(migration, comparison, second.pending, 3)).drift)).toEqual(['owners [1]']);
  });

  it('is not drift when its tenant was turned off before the second read', async () => {
    const result = await settleMissing(async () => {
      await test.legacy.query(`UPDATE crossfade.tenant_state SET is_on = false WHERE tenant = 'acme'`);
    });

    expect(result.drift).toEqual([]);
    expect(keysOf(result.pending)).toEqual(['owners [1]']);
  });

  it('is not drift when authority has moved: the other outbox says now what is on its way', async () => {
    const result = await settleMissing(async () => {
      await test.legacy.query(`UPDATE crossfade.control SET direction = 'reverse'`);
    });

    expect(result.drift).toEqual([]);
    expect(keysOf(result.pending)).toEqual(['owners [1]']);
  });

  it('is drift when capture was bypassed: a write without an event is never on its way', async () => {
    await test.legacy.query(`UPDATE owners SET name = 'unseen' WHERE id = 1`);
    await test.legacy.query(`DELETE FROM crossfade.outbox WHERE state = 'pending'`);

    expect(keysOf((await settleTwice('owners', '[1]')).drift)).toEqual(['owners [1]']);
  });
});

async function settleMissing(between: () => Promise<void>): Promise<RoundResult> {
  await plant(`DELETE FROM owners WHERE id = 1`);
  return settleTwice('owners', '[1]', between);
}

/** By the relay, whatever was set aside. */
async function deliverPending(): Promise<void> {
  await test.legacy.query(`UPDATE crossfade.outbox SET state = 'kept' WHERE state = 'parked'`);
  await settle(test);
  await test.legacy.query(`UPDATE crossfade.outbox SET state = 'parked' WHERE state = 'kept'`);
}
