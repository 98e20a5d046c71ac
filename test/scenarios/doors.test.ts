/** Turning a tenant on or off is several steps in two stores: whoever dies between them leaves nothing lost and nothing open. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { mendDoors, tenantStates, turnOff, turnOn } from '../../lib/application/tenants/exposure.ts';
import { readTenantStates } from '../../lib/application/tenants/read-pages.ts';
import { turnTenantOff, turnTenantOn } from '../../lib/sql/tenants/tenant-state.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { relayUntilIdle } from '../support/relay-until-idle.ts';

const SQL = 'CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id text NOT NULL, body text)';
const PLAN = 'tenants: { column: tenant_id }\ntables: { notes: }\nrelay: { shards: 1 }';

let notes: TestMigration;

beforeAll(async () => {
  notes = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(notes.deps);
  const migration = await notes.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
});

afterAll(() => notes?.close());

const on = (tenant: string) =>
  turnOn(notes.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
const relay = () => relayUntilIdle(notes.deps, 'forward', 300);
const source = () => notes.deps.databases.open('legacy', 'relay');
const idsOnTarget = async () =>
  (await notes.target.query('SELECT id::int AS id FROM notes ORDER BY id')).rows.map((row) => row.id);
const doorOf = async (tenant: string) =>
  (await notes.target.query('SELECT generation, is_on FROM crossfade.admission WHERE tenant = $1', [tenant])).rows[0];

describe('a tenant whose turning on died before its door was open', () => {
  it('loses no write: its events wait, and are delivered when the relay has mended the door', async () => {
    await source().query(turnTenantOn('acme', 0, 'dualwrite', false, 'died here'));
    await notes.legacy.query(`INSERT INTO notes VALUES (1, 'acme', 'while the door is missing')`);

    await relay();

    expect(await doorOf('acme')).toEqual({ generation: 1, is_on: true });
    await notes.legacy.query(`INSERT INTO notes VALUES (2, 'acme', 'after it')`);
    await relay();
    expect(await idsOnTarget()).toContain(2);
    const { rows } = await notes.legacy.query(`SELECT DISTINCT state FROM crossfade.outbox WHERE row_key = '[1]'`);
    // Written before G: the copy that ends the turning on brings it.
    expect(['published', 'covered']).toContain(rows[0].state);
  });
});

describe('a tenant whose turning off died before its door was closed', () => {
  it('has its door closed by the relay', async () => {
    await on('globex');
    await source().query(turnTenantOff('globex', 'died here'));

    await mendDoors(notes.deps, 'forward');

    expect(await doorOf('globex')).toMatchObject({ is_on: false });
  });
});

describe('a source that has forgotten generations', () => {
  it('turns a tenant on above what its door has seen', async () => {
    await on('initech');
    await turnOff(notes.deps, 'forward', 'initech', 'test');
    await notes.target.query(`UPDATE crossfade.admission SET generation = 9 WHERE tenant = 'initech'`);

    await on('initech');

    expect(await doorOf('initech')).toEqual({ generation: 10, is_on: true });
  });

  it('opens no door with a snapshot of an epoch that is over', async () => {
    await notes.target.query('UPDATE crossfade.control SET source_epoch = 2');

    await on('umbrella');

    expect(await doorOf('umbrella')).toBeUndefined();
    await notes.target.query('UPDATE crossfade.control SET source_epoch = 1');
    await mendDoors(notes.deps, 'forward');
    expect(await doorOf('umbrella')).toEqual({ generation: 1, is_on: true });
  });
});

describe('thousands of tenants', () => {
  it('are read in pages that an answer of the Data API can hold', async () => {
    await notes.legacy.query(
      `INSERT INTO crossfade.tenant_state (tenant) SELECT 'many-' || i FROM generate_series(1, 2500) AS i`,
    );

    const sizes: number[] = [];
    const counted = {
      query: async <Row>(statement: Parameters<ReturnType<typeof source>['query']>[0]) => {
        const rows = await source().query<Row>(statement);
        sizes.push(rows.length);
        return rows;
      },
    };
    const rows = await readTenantStates(counted);

    expect(new Set(rows.map(({ tenant }) => tenant)).size).toBe(rows.length);
    expect(rows.length).toBe((await tenantStates(notes.deps, 'forward')).length);
    expect(sizes.slice(0, 2)).toEqual([1_000, 1_000]);
  });
});
