/**
 * A crash of the source gives out transaction numbers again: those of transactions that were rolled back and whose end was not
 * on disk yet. A snapshot from before the crash shows such a number as ended, so the receiver must not keep one that the source
 * could forget; else the new transaction's event looks as if a read had covered it, and the write is lost.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadMigration, tableNamed } from '../../lib/application/migration.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';
import { type Stage, setStage } from './stage.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text);';

let stage: Stage;

beforeAll(async () => {
  stage = await setStage({
    plan: 'tenants: { column: tenant_id }\ntables: { notes: }\nrelay: { shards: 1, poll: 20ms, suspend: 200ms }',
    sql: { legacy: SQL, target: SQL },
    tenants: ['acme'],
    // The longest that PostgreSQL allows: what nobody commits stays in memory.
    settings: { wal_writer_delay: '10s' },
  });
});

afterAll(() => stage?.stop());

const relay = () => relayUntilIdle(stage.deps, 'forward', 500);

/** A transaction that writes, is rolled back, and leaves nothing on disk. */
async function rollBackOne(): Promise<bigint> {
  const client = new pg.Client({ connectionString: stage.urls.legacy });
  await client.connect();
  await client.query(`BEGIN; UPDATE notes SET body = 'never' WHERE id = 1`);
  const { rows } = await client.query('SELECT pg_current_xact_id()::text AS xid');
  await client.query('ROLLBACK');
  await client.end();
  return BigInt(rows[0].xid);
}

/** Writes one row after the other until a number beyond `xid` has been given out. */
async function writePast(xid: bigint, tenant: string): Promise<void> {
  for (let n = 1; n <= 50; n++) {
    const rows = await stage.query<{ xid: string }>(
      'legacy',
      `UPDATE notes SET body = 'after the crash ${n}' WHERE tenant_id = '${tenant}' RETURNING pg_current_xact_id()::text AS xid`,
    );
    await relay();
    const last = BigInt(rows[0]?.xid ?? 0);
    const body = `SELECT body FROM notes WHERE tenant_id = '${tenant}'`;
    expect(await stage.query('target', body), `transaction ${last}; ${xid} was rolled back`).toEqual(
      await stage.query('legacy', body),
    );
    if (last > xid) return;
  }
}

describe('after a crash of legacy', () => {
  it('a write under a number that a repair read saw rolled back is delivered', async () => {
    await stage.query('legacy', `INSERT INTO notes VALUES (1, 'acme', 'first')`);
    await relay();
    const migration = await loadMigration(stage.deps);

    const xid = await rollBackOne();
    await repairKeys(migration, tableNamed(migration, 'notes'), 'forward', ['[1]'], 'before-the-crash');
    await stage.killServer('legacy');

    await writePast(xid, 'acme');
  });

  it('a write under a number that a tenant’s admission saw rolled back is delivered', async () => {
    await stage.query('legacy', `INSERT INTO notes VALUES (2, 'globex', 'first')`);
    const { databases } = stage.deps;
    // The moment after the tenant's state is committed and before the snapshot of its admission is taken.
    let xid = 0n;
    const deps = {
      ...stage.deps,
      databases: {
        ...databases,
        open: ((store, purpose) => {
          const session = databases.open(store, purpose);
          return {
            ...session,
            query: async (statement) => {
              if (statement.text.startsWith('SELECT pg_current_snapshot()::text AS snapshot'))
                xid = await rollBackOne();
              return session.query(statement);
            },
          };
        }) as typeof databases.open,
      },
    };

    await turnOn(deps, 'forward', { tenant: 'globex', stage: 'dualwrite', copied: false, why: 'test' });
    await stage.killServer('legacy');

    expect(xid).toBeGreaterThan(0n);
    await writePast(xid, 'globex');
  });
});
