/** The copy while everything else goes on: writers, a relay, a kill at any moment; and what a real target says of its load. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BACKFILL_PACE } from '../../lib/application/backfill/control.ts';
import { copy } from '../../lib/application/backfill/copy.ts';
import { planCopy } from '../../lib/application/backfill/plan-copy.ts';
import type { TableProgress } from '../../lib/application/backfill/progress.ts';
import { createSignalReader } from '../../lib/application/backfill/read-signals.ts';
import { verifyCopy } from '../../lib/application/backfill/verify-copy.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import { turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import type { StepResult } from '../../lib/contracts/machine-io.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';
import { aRun } from '../support/run.ts';

const ROWS = 6_000;
const SQL = `
CREATE TABLE public.accounts (id integer PRIMARY KEY, tenant_id text NOT NULL, mail text UNIQUE, amount numeric);
CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text NOT NULL, account_id integer REFERENCES public.accounts, note text, data json);
CREATE TABLE public.tags (code text, tenant_id text NOT NULL, note text, PRIMARY KEY (code, tenant_id));
`;
const PLAN = `
tenants: { column: tenant_id }
relay: { poll: 20ms }
reconcile: { chunkRows: 1000, recheckAfter: 60ms }
backfill: { batchRows: 100, batchesPerSecond: 10000, backoff: { first: 1ms, max: 2ms } }
tables: { items: {}, accounts: {}, tags: {} }
`;
const FILL = `
INSERT INTO accounts SELECT i, 'acme', 'm' || i, 1.00 FROM generate_series(1, 500) AS i;
INSERT INTO items SELECT i, 'acme', 1 + i % 500, NULLIF(i % 3, 0)::text, json_build_object('i', i) FROM generate_series(1, ${ROWS}) AS i;
INSERT INTO tags SELECT md5(i::text), 'acme', 'n' FROM generate_series(1, 1000) AS i;
`;

let shop: TestMigration;
const run = aRun({ machine: 'backfill' });

beforeAll(async () => {
  shop = await aMigration({ plan: PLAN, legacySql: SQL });
  await shop.legacy.query(FILL);
  await installSchemas(shop.deps);
  const migration = await shop.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
});

afterAll(() => shop?.close());

async function copyAnew(deps: Deps): Promise<readonly StepResult[]> {
  await turnOff(shop.deps, 'forward', 'acme', 'test');
  for (const tenant of ['*', 'acme'])
    await turnOn(shop.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
  return goOn(deps);
}

async function goOn(deps: Deps): Promise<readonly StepResult[]> {
  const results = [await planCopy(deps, run)];
  for (const step of [copy, verifyCopy]) {
    for (;;) {
      const result = await step(deps, run, results.at(-1)?.data ?? results[0]?.data);
      results.push(result);
      if (!result.again) break;
    }
  }
  return results;
}

async function expectEqual(): Promise<void> {
  for (const table of ['accounts', 'items', 'tags']) {
    const sql = `SELECT count(*)::int AS rows, md5(string_agg(t::text, '|' ORDER BY t::text)) AS sum FROM ${table} AS t`;
    expect((await shop.target.query(sql)).rows).toEqual((await shop.legacy.query(sql)).rows);
  }
}

describe('a copy under live writes', () => {
  it('ends equal with several workers, a relay and writers that insert, change, move unique values and delete', async () => {
    const ends = new AbortController();
    const writer = (async () => {
      for (let i = 0; !ends.signal.aborted; i++) {
        const id = 1 + ((i * 37) % ROWS);
        await shop.legacy.query(`UPDATE items SET note = 'w${i}' WHERE id = ${id}`);
        if (i % 5 === 0) await shop.legacy.query(`DELETE FROM items WHERE id = ${1 + ((i * 91) % ROWS)}`);
        if (i % 7 === 0)
          await shop.legacy.query(`INSERT INTO items VALUES (${100_000 + i}, 'acme', ${1 + (i % 500)}, 'new', '{}')`);
        if (i % 11 === 0)
          await shop.legacy.query(
            `BEGIN; UPDATE accounts SET mail = 'x' WHERE id = 1; UPDATE accounts SET mail = 'm${1 + (i % 2)}' WHERE id = 2; UPDATE accounts SET mail = 'm${2 - (i % 2)}' WHERE id = 1; COMMIT`,
          );
      }
    })();
    const relay = (async () => {
      while (!ends.signal.aborted) await runRelay(shop.deps, 'forward', { until: new Date(Date.now() + 200) });
    })();

    const results = await copyAnew(shop.deps).finally(() => ends.abort());
    await Promise.all([writer, relay]);
    await relayUntilIdle(shop.deps, 'forward', 2_000);

    expect(results.at(-1)?.gates).toMatchObject([{ gate: 'backfill-digest-equal', pass: true }]);
    await expectEqual();
  });

  it('is killed with pages under way and its last second of progress lost: it goes on there and writes no equal row anew', async () => {
    const { documents } = shop.deps;
    let kept = 0;
    let statements = 0;
    const killed: Deps = {
      ...shop.deps,
      documents: {
        ...documents,
        // A killed process saves nothing any more: the first saves of items are the last that arrive.
        put: async (kind, id, value, expect) => {
          if (id === 'backfill/items' && kept++ > 1) return 1;
          return documents.put(kind, id, value, expect);
        },
      },
      databases: {
        ...shop.deps.databases,
        open: (store, purpose) => {
          const session = shop.deps.databases.open(store, purpose);
          if (purpose !== 'backfill') return session;
          return {
            ...session,
            query: (statement) => {
              if (statement.text.includes('backfill-items-') && statements++ > 25)
                return Promise.reject(new Error('the function was killed'));
              return session.query(statement);
            },
          };
        },
      },
    };
    await expect(copyAnew(killed)).rejects.toThrow('killed');
    const places = async () =>
      (await shop.target.query('SELECT id, ctid::text AS place FROM items ORDER BY id')).rows as {
        id: string;
        place: string;
      }[];
    const before = await places();

    const results = await goOn(shop.deps);

    expect(results.at(-1)?.gates[0]?.pass).toBe(true);
    const after = new Map((await places()).map(({ id, place }) => [id, place]));
    expect(before.length).toBeGreaterThan(0);
    expect(before.filter(({ id, place }) => after.get(id) !== place)).toEqual([]);
    const progress = (await documents.get('progress', 'backfill/items'))?.value.state as unknown as TableProgress;
    expect(progress).toMatchObject({ done: true, swept: true, failures: 0, estimated: false });
    expect(progress.total).toBe(progress.rows);
    await expectEqual();
  });
});

it('writes a row anew that differs only in how its value is written, and leaves the others where they are', async () => {
  await copyAnew(shop.deps);
  await shop.target.query(
    `ALTER TABLE accounts DISABLE TRIGGER USER; UPDATE accounts SET amount = 1.0 WHERE id = 7; ALTER TABLE accounts ENABLE TRIGGER USER`,
  );
  const places = async () =>
    (await shop.target.query('SELECT id, ctid::text AS place FROM accounts ORDER BY id')).rows as {
      id: number;
      place: string;
    }[];
  const before = new Map((await places()).map(({ id, place }) => [id, place]));

  await copyAnew(shop.deps);

  const moved = (await places()).filter(({ id, place }) => before.get(id) !== place);
  expect(moved.map(({ id }) => id)).toEqual([7]);
  const { rows } = await shop.target.query('SELECT amount::text AS amount FROM accounts WHERE id = 7');
  expect(rows).toEqual([{ amount: '1.00' }]);
});

describe('what the target says of its load', () => {
  it('is read by the compare role: connections, dead rows and WAL; a server without replicas has no lag', async () => {
    const migration = await shop.load();
    const read = createSignalReader(shop.deps, migration.tables);
    const first = await read();
    await shop.target.query(
      `CREATE TABLE public.noise AS SELECT md5(i::text) AS x FROM generate_series(1, 50000) AS i`,
    );

    const second = await read();

    expect(first).toMatchObject({ replicationLag: 'absent', vacuum: 0, wal: 'absent' });
    expect(first.connections).toBeGreaterThan(0);
    expect(first.connections).toBeLessThan(100);
    expect(second.wal).toBeGreaterThan(0);
    await shop.target.query('DROP TABLE public.noise');
  });

  it('that cannot be read is said, and the copy goes on at half its rate', async () => {
    const { databases } = shop.deps;
    const blind: Deps = {
      ...shop.deps,
      databases: {
        ...databases,
        open: (store, purpose) => {
          const session = databases.open(store, purpose);
          if (store !== 'target' || purpose !== 'compare') return session;
          return {
            ...session,
            query: (statement) =>
              statement.text.includes('pg_stat_replication')
                ? Promise.reject(new Error('permission denied'))
                : session.query(statement),
          };
        },
      },
    };

    await shop.deps.documents.remove('progress', BACKFILL_PACE);
    const results = await copyAnew(blind);

    const notes = results.flatMap((result) => result.notes);
    expect(
      notes.some((note) => /^the target holds it back: at 1\/2 of the rate since .*cannot be read/.test(note)),
    ).toBe(true);
    expect(results.at(-1)?.gates[0]?.pass).toBe(true);
  });
});

describe('a table that grows faster than it is copied', () => {
  it('ends where the table ended when it began, though each of its batches is outrun by inserts behind it and between', async () => {
    const { rows: last } = await shop.legacy.query(
      `SELECT json_build_array(code, tenant_id)::text AS key, (SELECT count(*) FROM tags)::int AS rows FROM tags ORDER BY code COLLATE "C" DESC LIMIT 1`,
    );
    const { databases } = shop.deps;
    const writes: Promise<unknown>[] = [];
    const outrun: Deps = {
      ...shop.deps,
      databases: {
        ...databases,
        open: (store, purpose) => {
          const session = databases.open(store, purpose);
          if (store !== 'legacy' || purpose !== 'compare') return session;
          return {
            ...session,
            query: async (statement) => {
              const isPage = statement.text.includes('WITH page AS') && statement.text.includes('"tags"');
              // A batch is 100 rows: 150 more behind the end, and 20 anywhere before it.
              if (isPage && writes.length < 200)
                writes.push(
                  shop.legacy.query(
                    `INSERT INTO tags SELECT CASE WHEN i <= 150 THEN 'z' ELSE '' END || md5(random()::text), 'acme', 'late' FROM generate_series(1, 170) AS i`,
                  ),
                );
              await Promise.all(writes);
              return session.query(statement);
            },
          };
        },
      },
    };

    const results = await copyAnew(outrun);

    const stored = await shop.deps.documents.get('progress', 'backfill/tags');
    const progress = stored?.value.state as unknown as TableProgress;
    expect(writes.length).toBeLessThan(50);
    expect(progress).toMatchObject({ through: last[0]?.key, done: true, swept: true });
    expect(progress.rows).toBeGreaterThanOrEqual(last[0]?.rows);
    expect(progress.rows).toBeLessThanOrEqual(last[0]?.rows + writes.length * 20);
    expect(results.at(-1)?.gates).toMatchObject([{ gate: 'backfill-digest-equal', pass: true }]);
    await relayUntilIdle(shop.deps, 'forward', 3_000);
    await expectEqual();
  });
});
