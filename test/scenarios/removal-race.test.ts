/**
 * A removal that waits for another writer of its row (protocol §2: the guard is the write lock). The statement's own snapshot is
 * older than what it waited for, so a row that came meanwhile is invisible to its DELETE, though the guard sees its version.
 */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { installSchemas } from '../../lib/application/install/install.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import type { MigratedTable } from '../../lib/domain/table.ts';
import { applyEvents, type EventToApply } from '../../lib/sql/apply/apply-events.ts';
import { applySnapshot } from '../../lib/sql/apply/apply-snapshot.ts';
import type { Statement } from '../../lib/sql/statement.ts';
import { openAdmission } from '../../lib/sql/tenants/admission.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

let shop: TestMigration;
let items: MigratedTable;
/** Two workers, each in a session of its own. */
let first: pg.Client;
let second: pg.Client;

beforeAll(async () => {
  shop = await aMigration({
    plan: 'tenants: { column: tenant_id }\ntables: { items: {} }',
    legacySql: 'CREATE TABLE items (id int PRIMARY KEY, tenant_id text NOT NULL)',
  });
  await installSchemas(shop.deps);
  items = tableNamed(await shop.load(), 'items');
  const { host, port, user, password, database } = shop.target;
  [first, second] = [
    new pg.Client({ host, port, user, password, database }),
    new pg.Client({ host, port, user, password, database }),
  ];
  await Promise.all([first.connect(), second.connect()]);
  await run(shop.target, openAdmission('a', 1, '3:3:', 1));
});

afterAll(async () => {
  await Promise.all([first?.end(), second?.end()]);
  await shop?.close();
});

beforeEach(async () => {
  await shop.target.query('TRUNCATE items, crossfade.row_version, crossfade.applied_log');
});

afterEach(async () => {
  await first.query('ROLLBACK');
});

const CREATED = event({ seq: 1, xid: 10, op: 'U' });
const DELETED = event({ seq: 2, xid: 12, op: 'D' });
/** Sees 10 and 12: the row is gone. */
const READ_ABSENT = read('20:20:', null);

describe('a row that comes while its removal waits for it', () => {
  it.each([
    { by: 'a read that finds it absent', removal: READ_ABSENT, remembered: 'refused' },
    { by: 'its own delete, at a second relay', removal: DELETED, remembered: 'unseen' },
  ])('is never left behind by $by', async ({ removal, remembered }) => {
    await first.query('BEGIN');
    expect(await verdictOf(first, CREATED)).toBe('applied');
    const waiting = verdictOf(second, removal);
    await untilBlocked(second);
    await first.query('COMMIT');

    expect(await waiting).toBe(remembered);
    expect(await rows()).toEqual({ items: [1], versions: [{ deleted: false, seq: '1' }] });

    expect(await verdictOf(second, removal)).toBe('applied');
    expect(await rows()).toMatchObject({ items: [], versions: [{ deleted: true }] });
  });

  it('stays when what it came by is newer than the removal', async () => {
    await first.query('BEGIN');
    expect(await verdictOf(first, event({ seq: 3, xid: 30, op: 'U' }))).toBe('applied');
    const waiting = verdictOf(second, READ_ABSENT);
    await untilBlocked(second);
    await first.query('COMMIT');

    expect(await waiting).toBe('refused');
    expect(await verdictOf(second, READ_ABSENT)).toBe('newer');
    expect(await rows()).toEqual({ items: [1], versions: [{ deleted: false, seq: '3' }] });
  });

  it('is removed at once when the writer that was waited for rolls back', async () => {
    expect(await verdictOf(second, CREATED)).toBe('applied');
    await first.query('BEGIN');
    await verdictOf(first, event({ seq: 2, xid: 11, op: 'U' }));
    const waiting = verdictOf(second, READ_ABSENT);
    await untilBlocked(second);
    await first.query('ROLLBACK');

    expect(await waiting).toBe('applied');
    expect(await rows()).toMatchObject({ items: [], versions: [{ deleted: true }] });
  });
});

it('a removal that has lost to what it sees ends for good', async () => {
  expect(await verdictOf(second, event({ seq: 5, xid: 30, op: 'U' }))).toBe('applied');

  expect(await verdictOf(second, READ_ABSENT)).toBe('newer');
  expect(await verdictOf(second, DELETED)).toBe('superseded');
});

function event({ seq, xid, op }: { seq: number; xid: number; op: 'U' | 'D' }): () => Statement {
  const tenants = op === 'U' ? { oldTenant: null, newTenant: 'a' } : { oldTenant: 'a', newTenant: null };
  const applied: EventToApply = {
    seq: String(seq),
    xid: String(xid),
    epoch: 1,
    rowKey: '[1]',
    op,
    idempotencyKey: `i${seq}`,
    correlationId: null,
    ...tenants,
    oldGeneration: op === 'D' ? 1 : null,
    newGeneration: op === 'U' ? 1 : null,
    row: op === 'U' ? '{"id":1,"tenant_id":"a"}' : null,
  };
  return () => applyEvents(items, 'forward', { id: 'e', authority: '1', events: [applied] });
}

function read(snapshot: string, row: string | null): () => Statement {
  const rows = [{ rowKey: '[1]', tenant: row === null ? null : 'a', row }];
  return () =>
    applySnapshot(items, 'forward', { id: 'r', authority: '1', epoch: 1, snapshot, rows, rememberAbsent: true });
}

async function verdictOf(client: pg.Client, statement: () => Statement): Promise<string | undefined> {
  const [answer] = await run<{ verdict: string }>(client, statement());
  return answer?.verdict;
}

async function rows() {
  return {
    items: (await run<{ id: number }>(shop.target, { text: 'SELECT id FROM items', values: [] })).map(({ id }) => id),
    versions: await run(shop.target, { text: 'SELECT deleted, seq::text FROM crossfade.row_version', values: [] }),
  };
}

async function run<Row>(client: pg.Client, { text, values }: Statement): Promise<readonly Row[]> {
  const answer = await client.query(text, [...values]);
  return answer.rows;
}

/** Until the session waits for another one's lock. */
async function untilBlocked(client: pg.Client): Promise<void> {
  // `processID` is the backend's; the driver's types leave it out.
  const { processID } = client as pg.Client & { processID: number };
  await expect
    .poll(async () => {
      const answer = await shop.target.query('SELECT cardinality(pg_blocking_pids($1::integer)) > 0 AS blocked', [
        processID,
      ]);
      return answer.rows[0]?.blocked;
    })
    .toBe(true);
}
