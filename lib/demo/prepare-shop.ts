/** Fills the demo's two databases: the shop's tables, its rows in legacy, and the role of its application. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { STORES, type StoreName } from '../domain/direction.ts';
import { quoteIdentifier, quoteLiteral } from '../sql/identifier.ts';
import { LEGACY_SQL } from './legacy.sql.ts';
import { SHOP_TABLES, type ShopTable } from './shop-tables.ts';
import { TARGET_SQL } from './target.sql.ts';

/** As in shop.plan.yaml: install refuses to run as it. */
export const APPLICATION_ROLE = 'shop_app';

export interface PreparedShop {
  /** URLs of the application's role, which owns nothing. */
  readonly applicationUrls: Readonly<Record<StoreName, string>>;
  /** Rows of legacy. */
  readonly seeded: Readonly<Record<ShopTable, number>>;
}

export interface ShopStore {
  /** Of somebody who may create tables and roles. */
  readonly url: string;
  /** Role that shall own the tables; absent: the one of the URL. */
  readonly owner?: string | undefined;
}

/** @throws {Error} one line, when a database holds tables of these names already. */
export async function prepareShop(stores: Readonly<Record<StoreName, ShopStore>>): Promise<PreparedShop> {
  const password = randomBytes(18).toString('base64url');
  const [counts] = await Promise.all(STORES.map((store) => fill(store, stores[store], password)));
  const applicationUrl = (store: StoreName) => {
    const url = new URL(stores[store].url);
    url.username = APPLICATION_ROLE;
    url.password = password;
    return url.toString();
  };
  if (counts === undefined) throw new RangeError('two stores are expected');
  return {
    applicationUrls: { legacy: applicationUrl('legacy'), target: applicationUrl('target') },
    seeded: counts,
  };
}

async function fill(store: StoreName, { url, owner }: ShopStore, password: string): Promise<PreparedShop['seeded']> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await refuseForeignTables(client, store);
    await createApplicationRole(client, password);
    if (owner !== undefined) {
      await client.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${quoteIdentifier(owner)}`);
      await client.query(`SET ROLE ${quoteIdentifier(owner)}`);
    }
    await client.query(store === 'legacy' ? LEGACY_SQL : TARGET_SQL);
    await client.query(`
GRANT USAGE ON SCHEMA public TO ${APPLICATION_ROLE};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${APPLICATION_ROLE};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${APPLICATION_ROLE};
ANALYZE ${SHOP_TABLES.join(', ')}`);
    return await countRows(client);
  } finally {
    await client.end();
  }
}

async function refuseForeignTables(client: pg.Client, store: StoreName): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY ($1::text[])`,
    [SHOP_TABLES],
  );
  if (rows.length === 0) return;
  const names = rows.map(({ name }) => name).join(', ');
  throw new Error(`the ${store} database holds ${names} already; give the demo an empty database`);
}

/** Roles belong to the server: both databases may be on one. */
async function createApplicationRole(client: pg.Client, password: string): Promise<void> {
  await client.query(`
DO $$ BEGIN
  CREATE ROLE ${APPLICATION_ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$`);
  await client.query(`ALTER ROLE ${APPLICATION_ROLE} WITH LOGIN PASSWORD ${quoteLiteral(password)}`);
}

export async function countRows(client: pg.Client): Promise<Readonly<Record<ShopTable, number>>> {
  const { rows } = await client.query<{ table: ShopTable; rows: string }>(
    SHOP_TABLES.map((table) => `SELECT '${table}' AS table, count(*)::text AS rows FROM ${table}`).join(' UNION ALL '),
  );
  // One row a table, as the query was built.
  return Object.fromEntries(rows.map(({ table, rows: count }) => [table, Number(count)])) as Record<ShopTable, number>;
}
