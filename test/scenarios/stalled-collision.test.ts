/** A worker that stalls between a unique violation and its mend, while authority moves: it takes nothing from the store in force. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { deliver, toClaimed } from '../../lib/application/relay/deliver.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { type ClaimedRow, claimEvents } from '../../lib/sql/relay/claim-events.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = 'CREATE TABLE public.users (id bigint PRIMARY KEY, tenant_id text NOT NULL, login text UNIQUE)';
const PLAN = 'tenants: { column: tenant_id }\ntables: { users: }\nrelay: { shards: 1 }';

let users: TestMigration;

beforeAll(async () => {
  users = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(users.deps);
  const migration = await users.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme'])
    await turnOn(users.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => users?.close());

it('an acknowledged row of the target keeps its unique value after the switchover', async () => {
  await users.legacy.query(`INSERT INTO users VALUES (1, 'acme', 'ada')`);
  const request = { direction: 'forward', shard: 0, shards: 1, holder: 'stalled', leaseMs: 1_000, limit: 10 } as const;
  const source = users.deps.databases.open('legacy', 'relay');
  const claimed = toClaimed(
    await source.query<ClaimedRow>(claimEvents({ ...request, troubled: [], afterTenant: null })),
  );
  // An application's row, written on the target after authority moved; no version of it is known there.
  await users.target.query(
    `ALTER TABLE users DISABLE TRIGGER crossfade_fence; INSERT INTO users VALUES (2, 'acme', 'ada'); ALTER TABLE users ENABLE ALWAYS TRIGGER crossfade_fence`,
  );

  // The violation is met under the old authority; it is over before the holder is looked at.
  const { databases } = users.deps;
  const stalls = {
    ...databases,
    open: (...[store, purpose]: Parameters<typeof databases.open>) => {
      const session = databases.open(store, purpose);
      if (store !== 'target' || purpose !== 'apply') return session;
      const transaction: typeof session.transaction = async (work, options) => {
        await users.target.query(`UPDATE crossfade.control SET authority = authority + 1, direction = 'reverse'`);
        return session.transaction(work, options);
      };
      return { ...session, transaction };
    },
  };
  const migration = await users.load();
  await deliver({ ...migration, deps: { ...migration.deps, databases: stalls } }, 'forward', claimed, 'late');

  const { rows } = await users.target.query('SELECT id::int AS id, login FROM users');
  expect(rows).toEqual([{ id: 2, login: 'ada' }]);
});
