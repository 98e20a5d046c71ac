/** Somebody else's database on servers of their own: Chinook through all phases, operated by the CLI, equal at the end by plain SQL. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApi } from '../../lib/demo/traffic/api.ts';
import { LOCAL_REGION } from '../../lib/local/checkout.ts';
import { ALL_CHINOOK_ROWS, CHINOOK_FILE, CHINOOK_PLAN, readChinook } from '../support/chinook.ts';
import { type OwnServers, startOwnServers } from '../support/own-servers.ts';
import { type Answer, type Rehearsal, startRehearsal } from '../support/rehearsal.ts';

const chinook = readChinook();
let own: OwnServers;
let shop: Rehearsal;

if (chinook === undefined) {
  it('is left out where the file of Chinook is absent', async () => {
    const { existsSync } = await import('node:fs');

    expect(existsSync(CHINOOK_FILE)).toBe(false);
  });
} else {
  beforeAll(async () => {
    own = await startOwnServers('chinook', { legacy: chinook.schema + chinook.rows, target: chinook.schema });
    shop = await startRehearsal({ planFile: CHINOOK_PLAN, legacySql: '', targetSql: '' });
  }, 180_000);

  afterAll(async () => {
    await shop?.stop();
    await own?.stop();
  }, 60_000);

  describe('Chinook on two servers of its owner', { timeout: 240_000 }, () => {
    it('goes through all phases, with writes all along, and ends with equal stores', async () => {
      expect(shop.environment.servers).toBeUndefined();

      await expectPassed('baseline');
      await expectPassed('dual-write');
      await shop.legacy.query(`
        INSERT INTO genre VALUES (99, NULL); UPDATE genre SET genre_id = 100 WHERE genre_id = 99;
        UPDATE employee SET reports_to = 2 WHERE employee_id = 1; UPDATE employee SET reports_to = 1 WHERE employee_id = 8;
        INSERT INTO employee (employee_id, last_name, first_name, reports_to, hire_date) VALUES (9, 'Both', 'New', NULL, '2002-08-14 10:30:00.123456'), (10, 'Both', 'New', 9, NULL);
        DELETE FROM playlist_track WHERE playlist_id = 1 AND track_id < 100; INSERT INTO playlist_track VALUES (18, 1), (18, 2);
        UPDATE invoice SET total = total + 0.01 WHERE invoice_id % 50 = 0`);
      await expectPassed('backfill');
      await shop.legacy.query(
        `DELETE FROM invoice_line WHERE invoice_id = 7; DELETE FROM invoice WHERE invoice_id = 7`,
      );
      await passDriftGate();
      await withReads(async () => expectPassed('cutover'));
      await shop.legacy.query(`UPDATE track SET unit_price = 1.29, composer = 'O''Neil & 中' WHERE album_id = 1`);
      await passDriftGate();
      await expectPassed('switchover');
      await expect(shop.legacy.query(`DELETE FROM playlist_track`)).rejects.toThrow(/fenced/);
      await shop.target.query(`
        INSERT INTO artist VALUES (9000, 'written on the target'); INSERT INTO album VALUES (9000, 'an album of it', 9000);
        UPDATE employee SET reports_to = 10 WHERE employee_id = 9; DELETE FROM playlist_track WHERE playlist_id = 18;
        UPDATE customer SET support_rep_id = 9 WHERE support_rep_id = 3`);
      const rows = await untilEqual();
      await expectPassed('decommission');

      expect((await shop.crossfade('status')).json.phase).toBe('complete');
      expect(await contentOf(shop.target)).toEqual(rows);
      expect(rows.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThan(15_000);
    });
  });
}

async function expectPassed(machine: string): Promise<void> {
  const answer = await shop.crossfade('start', machine, '--wait');
  expect(answer.exitCode, `${machine}: ${told(answer)}`).toBe(0);
}

const told = ({ json, stderr }: Answer) => `${JSON.stringify(json, null, 1).slice(0, 3_000)}\n${stderr.slice(-1_500)}`;

/** The scheduled cycle may be under way: then it is as good as one of our own. */
async function passDriftGate(): Promise<void> {
  await shop.crossfade('start', 'reconcile', '--wait');
  await eventually(
    async () => (await shop.crossfade('drift', 'status')).json.clock?.pass === true,
    'the drift gate passes',
  );
}

/** Reads as an application does, while something else happens. */
async function withReads(work: () => Promise<void>): Promise<void> {
  const { endpoint, credentials } = shop.environment;
  const api = openApi({ apiUrl: shop.apiUrl, endpoint, region: LOCAL_REGION, credentials });
  const read = (album: number) => api.get('/api/v2/data', { tenant: '*', table: 'album', key: `[${album}]` });
  let going = true;
  const reader = (async () => {
    // A canary decides by the row: one row alone would always be answered by the same store.
    for (let album = 1; going; album = (album % 340) + 1) await read(album);
  })();
  try {
    await work();
    expect(await read(1)).toMatchObject({ status: 200, servedBy: 'target' });
  } finally {
    going = false;
    await reader;
    api.close();
  }
}

interface Content {
  readonly name: string;
  readonly rows: number;
  readonly content: string;
}

async function contentOf(store: pg.Client): Promise<readonly Content[]> {
  return (await store.query<Content>(ALL_CHINOOK_ROWS)).rows;
}

/** Writes of the target go back to legacy by the reverse relay. */
async function untilEqual(): Promise<readonly Content[]> {
  let stores = [await contentOf(shop.legacy), await contentOf(shop.target)] as const;
  await eventually(async () => {
    stores = [await contentOf(shop.legacy), await contentOf(shop.target)];
    return JSON.stringify(stores[0]) === JSON.stringify(stores[1]);
  }, 'both stores hold the same rows');
  expect(stores[0]).toEqual(stores[1]);
  return stores[0];
}

/** Waits for something to be true: bounded, by looking. */
async function eventually(look: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 90; tries++) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`not within a minute: ${what}`);
}
