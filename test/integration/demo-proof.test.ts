/** The demo's proof must be able to fail: each kind of wrong row is planted and named. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { prepareShop } from '../../lib/demo/prepare-shop.ts';
import { type Proof, prove } from '../../lib/demo/proof/prove.ts';
import { SHOP_TABLES, type ShopTable } from '../../lib/demo/shop-tables.ts';
import { createLedger, type Ledger, type RowWrite } from '../../lib/demo/traffic/ledger.ts';
import { startTraffic } from '../../lib/demo/traffic/traffic.ts';
import { freshDatabase } from '../support/postgres.ts';

const urls = { legacy: '', target: '' };
let applicationUrls: Readonly<Record<'legacy' | 'target', string>>;
let seeded: Readonly<Record<ShopTable, number>>;
const clients = { legacy: new pg.Client(), target: new pg.Client() };
let ledger: Ledger;

beforeAll(async () => {
  urls.legacy = await freshDatabase('legacy');
  urls.target = await freshDatabase('target');
  ({ applicationUrls, seeded } = await prepareShop({ legacy: { url: urls.legacy }, target: { url: urls.target } }));
  clients.legacy = new pg.Client({ connectionString: urls.legacy });
  clients.target = new pg.Client({ connectionString: urls.target });
  await clients.legacy.connect();
  await clients.target.connect();
});

afterAll(async () => {
  await clients.legacy.end();
  await clients.target.end();
});

describe('traffic', () => {
  it('acknowledges exactly what the store holds, whatever is inserted, changed, moved, swapped and deleted', async () => {
    const traffic = startTraffic({ seed: 7, urls: applicationUrls, transactionsPerSecond: 300 });

    await untilAcknowledged(traffic.ledger, 600);
    await traffic.stop();
    await copyToTarget();
    const proof = await prove({ urls, ledger: traffic.ledger, authoritative: 'legacy', seeded });

    expect(traffic.problems()).toEqual([]);
    expect(proof.contradictions).toEqual([]);
    expect(proof.proved).toBe(true);
    expect(proof.ledgerKeys).toBeGreaterThan(300);
    expect(proof.tables.every(({ held, ledgerKeys }) => held === ledgerKeys)).toBe(true);
  });

  it('goes on in the other store when the first one is fenced, and loses nothing', async () => {
    const seededBefore = seededNow;
    const traffic = startTraffic({ seed: 8, urls: applicationUrls, transactionsPerSecond: 300 });
    await untilAcknowledged(traffic.ledger, 100);

    // Held first: a writer that the fence refuses goes to the target at once, and the copy below begins by emptying it.
    await traffic.holdWrites();
    await fence(clients.legacy, true);
    await copyToTarget();
    traffic.resumeWrites();
    const before = traffic.ledger.acknowledged;
    await untilAcknowledged(traffic.ledger, before + 200);
    await traffic.stop();

    expect(traffic.store).toBe('target');
    expect(traffic.problems()).toEqual([]);
    expect(traffic.counts().refused).toBeGreaterThan(0);
    expect(traffic.counts().writesBy.target).toBeGreaterThan(100);
    expect(traffic.writePauseMs()).toBeGreaterThan(0);
    const proof = await prove({ urls, ledger: traffic.ledger, authoritative: 'target', seeded: seededBefore });
    expect(proof.contradictions.filter((line) => !line.includes('the stores differ'))).toEqual([]);
    expect(proof.tables.every(({ held, ledgerKeys }) => held === ledgerKeys)).toBe(true);
    await fence(clients.legacy, false);
    await copyToTarget();
  }, 60_000);
});

describe('a proof', () => {
  beforeAll(() => copyToTarget());

  beforeEach(() => {
    ledger = createLedger();
  });

  it('holds over two equal stores', async () => {
    const { proved, rows, contradictions } = await judge();

    expect(contradictions).toEqual([]);
    expect(proved).toBe(true);
    expect(rows).toBeGreaterThan(100_000);
  });

  it.each([
    {
      fault: 'a missing row',
      spoil: 'UPDATE order_lines SET line = 99 WHERE order_id = 77 AND line = 1',
      heal: 'UPDATE order_lines SET line = 1 WHERE order_id = 77 AND line = 99',
      named: 'order_lines: the stores differ: missing ["77", "1"]',
    },
    {
      fault: 'an extra row',
      spoil: "INSERT INTO currencies VALUES ('XXX', 'Extra', 2)",
      heal: "DELETE FROM currencies WHERE code = 'XXX'",
      named: 'currencies: the stores differ: extra ["XXX"]',
    },
    {
      fault: 'another amount',
      spoil: 'UPDATE orders SET total = total + 0.01 WHERE id = 5',
      heal: 'UPDATE orders SET total = total - 0.01 WHERE id = 5',
      named: 'orders: the stores differ: different ["5"]',
    },
    {
      fault: "'' instead of NULL",
      spoil: "UPDATE orders SET note = '' WHERE id = 10",
      heal: 'UPDATE orders SET note = NULL WHERE id = 10',
      named: 'orders: the stores differ: different ["10"]',
    },
    {
      fault: 'a microsecond',
      spoil: "UPDATE coupons SET updated_at = updated_at + interval '1 microsecond' WHERE id = 1",
      heal: "UPDATE coupons SET updated_at = updated_at - interval '1 microsecond' WHERE id = 1",
      named: 'coupons: the stores differ: different ["1"]',
    },
    {
      fault: 'a NULL that moved in an array',
      spoil: "UPDATE visits SET scores = ARRAY[NULL, scores[1]] WHERE id = md5('visit-1')::uuid",
      heal: "UPDATE visits SET scores = ARRAY[scores[2], NULL] WHERE id = md5('visit-1')::uuid",
      named: 'visits: the stores differ: different',
    },
  ])('fails on $fault', async ({ spoil, heal, named }) => {
    await clients.target.query(spoil);

    const { proved, contradictions } = await judge();

    await clients.target.query(heal);
    expect(proved).toBe(false);
    expect(contradictions.join('\n')).toContain(named);
  });

  it('fails when an acknowledged write is in neither store', async () => {
    ledger.acknowledge([anInsert('visits', '["00000000-0000-0000-0000-000000000001"]')]);

    const { proved, contradictions } = await judge();

    expect(proved).toBe(false);
    expect(contradictions).toContain(
      'visits: an acknowledged write is lost: ["00000000-0000-0000-0000-000000000001"] is not there',
    );
    expect(contradictions).toContainEqual(expect.stringMatching(/^visits: \d+ rows in the legacy store, \d+ expected/));
  });

  it('fails when both stores hold an older state than the acknowledged one', async () => {
    ledger.acknowledge([{ ...anInsert('currencies', '["EUR"]'), rows: 0 }]);

    const { contradictions } = await judge();

    expect(contradictions).toEqual(['currencies: an acknowledged write is lost: ["EUR"] holds another state']);
  });

  it('fails when an acknowledged delete came back in both stores', async () => {
    ledger.acknowledge([{ table: 'currencies', key: '["EUR"]', state: null, rows: 0 }]);

    const { contradictions } = await judge();

    expect(contradictions).toEqual(['currencies: an acknowledged delete is lost: ["EUR"] is there']);
  });

  it('fails when a row that no traffic touched is gone from both stores alike', async () => {
    await clients.legacy.query('DELETE FROM coupons WHERE id = 3');
    await clients.target.query('DELETE FROM coupons WHERE id = 3');

    const { contradictions } = await judge();

    expect(contradictions).toEqual([expect.stringMatching(/^coupons: 1599 rows in the legacy store, 1600 expected/)]);
  });
});

function judge(): Promise<Proof> {
  return prove({ urls, ledger, authoritative: 'legacy', seeded: seededNow });
}

let seededNow: Readonly<Record<ShopTable, number>>;

/** What a migration would have done, in plain SQL; rows travel as JSON by the plan's mapping. */
async function copyToTarget(): Promise<void> {
  await clients.target.query(`TRUNCATE ${SHOP_TABLES.join(', ')}`);
  const counts: Record<string, number> = {};
  for (const table of SHOP_TABLES) {
    const { rows } = await clients.legacy.query<{ all: string; n: string }>(
      `SELECT coalesce(json_agg(r), '[]')::text AS all, count(*)::text AS n FROM (SELECT * ${EXTRA[table] ?? ''} FROM ${table}) AS r`,
    );
    const columns = await clients.target.query<{ names: string }>(
      `SELECT string_agg(quote_ident(attname), ', ') AS names FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'tier'`,
      [table],
    );
    const names = columns.rows[0]?.names ?? '';
    await clients.target.query(
      `INSERT INTO ${table} (${names}) SELECT ${names} FROM json_populate_recordset(NULL::${table}, $1::json)`,
      [rows[0]?.all],
    );
    counts[table] = Number(rows[0]?.n);
  }
  await clients.target.query(`SELECT setval(pg_get_serial_sequence('orders', 'id'), (SELECT max(id) FROM orders))`);
  seededNow = counts as Record<ShopTable, number>;
}

const EXTRA: Partial<Record<ShopTable, string>> = {
  customers: ', (credit_cents / 100.0)::numeric(14,2) AS credit',
  products: ', (price_cents / 100.0)::numeric(12,2) AS price',
  orders: ', (total_cents / 100.0)::numeric(14,2) AS total',
  order_lines: ', (unit_cents / 100.0)::numeric(12,2) AS unit',
};

async function fence(client: pg.Client, up: boolean): Promise<void> {
  await client.query(
    `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fenced' USING ERRCODE = '25006'; END $$`,
  );
  for (const table of SHOP_TABLES) {
    await client.query(
      up
        ? `CREATE TRIGGER fence BEFORE INSERT OR UPDATE OR DELETE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION refuse()`
        : `DROP TRIGGER fence ON ${table}`,
    );
  }
}

async function untilAcknowledged(of: Ledger, writes: number): Promise<void> {
  await expect.poll(() => of.acknowledged, { timeout: 90_000, interval: 20 }).toBeGreaterThanOrEqual(writes);
}

function anInsert(table: ShopTable, key: string): RowWrite {
  return { table, key, state: '["never written"]', rows: 1 };
}
