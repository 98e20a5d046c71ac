/** One queued row that can never be repaired holds up neither the other repairs nor delivery. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workRepairQueue } from '../../lib/application/relay/work-repair-queue.ts';
import { startConverging } from '../support/converging.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';

const PLAN = `
tenants: { column: tenant_id }
tables: { teams: { columns: { size: { from: '100 / size', oneWay: true } } }, players: }
relay: { suspend: 30s, poll: 20ms }
`;

let stores: TestMigration;

beforeAll(async () => {
  stores = await aMigration({
    plan: PLAN,
    legacySql: `
CREATE TABLE public.teams (id bigint PRIMARY KEY, tenant_id text NOT NULL, size integer);
CREATE TABLE public.players (id bigint PRIMARY KEY, tenant_id text NOT NULL, team_id bigint REFERENCES public.teams);`,
  });
  await startConverging(stores, ['acme']);
});

afterAll(() => stores?.close());

describe('the repair queue', () => {
  it('goes on past a parent that its mapping cannot read, and so does delivery', async () => {
    await stores.legacy.query(`INSERT INTO teams VALUES (1, 'acme', 0); INSERT INTO players VALUES (1, 'acme', 1)`);
    await relayUntilIdle(stores.deps, 'forward', 1_000);
    await stores.legacy.query(`INSERT INTO teams VALUES (2, 'acme', 10); INSERT INTO players VALUES (2, 'acme', 2)`);

    await relayUntilIdle(stores.deps, 'forward', 1_500);

    expect((await stores.target.query('SELECT id::int AS id FROM players')).rows).toEqual([{ id: 2 }]);
    expect(
      (await stores.target.query(`SELECT row_key, reason FROM crossfade.repair_queue WHERE table_name = 'teams'`)).rows,
    ).toEqual([{ row_key: '[1]', reason: expect.stringMatching(/^(it cannot be read: division by zero|wanted by)/) }]);
  });

  it('goes on past rows of a table that is not in the plan any more', async () => {
    await stores.legacy.query(`INSERT INTO teams VALUES (3, 'acme', 10)`);
    await stores.target.query(`DELETE FROM crossfade.repair_queue;
      INSERT INTO crossfade.repair_queue (table_name, row_key, reason) SELECT 'gone', '[' || n || ']', 'old' FROM generate_series(1, 600) AS n`);
    await stores.target.query(
      `INSERT INTO crossfade.repair_queue (table_name, row_key, reason) VALUES ('teams', '[3]', 'by the test')`,
    );

    const migration = await stores.load();
    for (let round = 0; round < 2; round++) await workRepairQueue(migration, 'forward');

    expect((await stores.target.query('SELECT id::int AS id FROM teams ORDER BY id')).rows).toEqual([
      { id: 2 },
      { id: 3 },
    ]);
  });
});
