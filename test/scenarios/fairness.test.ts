/** Tenants take turns: neither the backlog of one nor its failing events delay the next event of another. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { type ClaimedRow, claimEvents } from '../../lib/sql/relay/claim-events.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
const PLAN = 'tenants: { column: tenant_id }\ntables: { notes: }\nrelay: { shards: 1, batchRows: 100, lease: 1s }';
const MANY = Array.from({ length: 70 }, (_, index) => `many-${index}`);

let notes: TestMigration;

beforeAll(async () => {
  notes = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(notes.deps);
  const migration = await notes.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'big', 'small', 'tiny', ...MANY])
    await turnOn(notes.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
});

afterAll(() => notes?.close());

async function claim(afterTenant: string | null = null, troubled: readonly string[] = []) {
  const request = { direction: 'forward', shard: 0, shards: 1, holder: 'test', leaseMs: 1, limit: 100 } as const;
  const rows = await notes.deps.databases
    .open('legacy', 'relay')
    .query<ClaimedRow>(claimEvents({ ...request, afterTenant, troubled }));
  const tenants = rows.flatMap(({ new_tenant }) => new_tenant ?? []);
  return { tenants, afterTenant: rows[0]?.after_tenant ?? null };
}

const countOf = (tenants: readonly string[], tenant: string) => tenants.filter((one) => one === tenant).length;
const forget = () => notes.legacy.query(`UPDATE crossfade.outbox SET state = 'suppressed', payload = NULL`);

describe('a claim', () => {
  it('takes the events of a small tenant along with the oldest of a long backlog', async () => {
    await notes.legacy.query(`INSERT INTO notes SELECT i, 'big', 'x' FROM generate_series(1, 3000) AS i`);
    await notes.legacy.query(`INSERT INTO notes SELECT i, 'small', 'x' FROM generate_series(5001, 5007) AS i`);

    const { tenants } = await claim();

    expect(countOf(tenants, 'small')).toBe(7);
    expect(countOf(tenants, 'big')).toBe(93);
    await forget();
  });

  it('is full when one tenant alone has a backlog', async () => {
    await notes.legacy.query(`INSERT INTO notes SELECT i, 'big', 'x' FROM generate_series(10001, 10300) AS i`);

    expect((await claim()).tenants).toHaveLength(100);
    await forget();
  });

  it('gives a tenant whose events are failing a small share', async () => {
    await notes.legacy.query(`INSERT INTO notes SELECT i, 'big', 'x' FROM generate_series(20001, 20300) AS i`);
    await notes.legacy.query(`INSERT INTO notes SELECT i, 'small', 'x' FROM generate_series(30001, 30300) AS i`);

    const { tenants } = await claim(null, ['big']);

    expect(countOf(tenants, 'big')).toBe(20);
    expect(countOf(tenants, 'small')).toBe(80);
    await forget();
  });

  it('comes round to every tenant when there are more than it serves at once', async () => {
    await notes.legacy.query(
      `INSERT INTO notes SELECT 40000 + i, 'many-' || i % 70, 'x' FROM generate_series(0, 699) AS i`,
    );

    const first = await claim();
    const second = await claim(first.afterTenant);

    expect(first.afterTenant).not.toBeNull();
    expect(second.afterTenant).toBeNull();
    expect(new Set([...first.tenants, ...second.tenants])).toEqual(new Set(MANY));
    await forget();
  });

  it('reads pending events by their index, also when the outbox is full of what is done and nobody has analysed it', async () => {
    await notes.legacy.query(`INSERT INTO notes SELECT i, 'big', 'x' FROM generate_series(50001, 60000) AS i`);
    await notes.legacy.query('ANALYZE crossfade.outbox');
    await forget();
    await notes.legacy.query(`INSERT INTO notes VALUES (70001, 'tiny', 'x')`);

    const request = { direction: 'forward', shard: 0, shards: 2, holder: 'test', leaseMs: 1, limit: 100 } as const;
    const { text, values } = claimEvents({ ...request, afterTenant: null, troubled: [] });
    const { rows } = await notes.legacy.query({ text: `EXPLAIN ${text}`, values: [...values] });
    const explained = rows.map((row) => row['QUERY PLAN']).join('\n');

    expect(explained).toMatch(/Index (Only )?Scan using outbox_pending/);
    expect(explained).not.toContain('Seq Scan on outbox');
    await forget();
  });
});

describe('a tenant all of whose events fail', () => {
  it('does not hold up the events of another', async () => {
    await notes.target.query(`ALTER TABLE notes ADD CONSTRAINT no_big CHECK (tenant_id <> 'big')`);
    await notes.legacy.query(`INSERT INTO notes SELECT i, 'big', 'x' FROM generate_series(80001, 80400) AS i`);
    await notes.legacy.query(`INSERT INTO notes SELECT i, 'small', 'x' FROM generate_series(90001, 90200) AS i`);
    const open = `SELECT count(*)::int AS n FROM crossfade.outbox WHERE state = 'pending'`;
    do await runRelay(notes.deps, 'forward', { until: new Date(Date.now() + 1_000) });
    while ((await notes.legacy.query(open)).rows[0].n > 0);

    const { rows } = await notes.legacy.query(`
      SELECT count(*) FILTER (WHERE state = 'parked')::int AS parked,
             count(*) FILTER (WHERE state = 'parked' AND touched_at < (SELECT max(touched_at) FROM crossfade.outbox WHERE state = 'published'))::int AS before
      FROM crossfade.outbox WHERE seq > (SELECT max(seq) - 600 FROM crossfade.outbox)`);
    expect(rows[0].parked).toBe(400);
    // The first claim is half and half; then 20 of the failing one go beside 80 of the other.
    expect(rows[0].before).toBeLessThan(200);
    expect(
      (await notes.target.query(`SELECT count(*)::int AS n FROM notes WHERE tenant_id = 'small' AND id > 90000`)).rows,
    ).toEqual([{ n: 200 }]);
  });
});
