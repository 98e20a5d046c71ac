/** A small shop: tenants, a parent path, a shared table, a composite key, values that are easily spoilt. */
import { createVirtualClock, type VirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createMemoryDocuments } from '../../lib/adapters/memory/documents.ts';
import { createMemoryObjects } from '../../lib/adapters/memory/objects.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { mirrorTenants, turnOn } from '../../lib/application/tenants/exposure.ts';
import { aMigration, type TestMigration } from './migration.ts';

export const SHOP_SQL = `
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE public.currencies (code text PRIMARY KEY, label text);
CREATE TABLE public.orders (
  id bigint PRIMARY KEY, tenant_id text NOT NULL, reference text UNIQUE, amount numeric, note text, payload jsonb, tags text[],
  mood public.mood, ratio double precision, seen tstzrange, raw bytea, currency text REFERENCES public.currencies, updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE public.lines (order_id bigint REFERENCES public.orders ON DELETE CASCADE, line integer, quantity integer NOT NULL, PRIMARY KEY (order_id, line));
INSERT INTO public.currencies VALUES ('EUR', 'Euro'), ('USD', NULL);
`;

export const SHOP_PLAN = `
tenants: { column: tenant_id }
tables:
  currencies: { tenant: none }
  orders: { updatedAtColumn: updated_at }
  lines: { tenant: { parent: orders, on: { order_id: id } } }
`;

/** Orders with two lines each; those up to `acme` belong to that tenant, the others to umbrella. */
export function shopRows(orders: number, acme: number): string {
  return `
INSERT INTO public.orders (id, tenant_id, reference, amount, note, updated_at)
  SELECT i, CASE WHEN i > ${acme} THEN 'umbrella' ELSE 'acme' END, 'r' || i, i, '', '2026-01-01' FROM generate_series(1, ${orders}) AS i;
INSERT INTO public.lines SELECT o.id, l, l FROM public.orders AS o, generate_series(1, 2) AS l;
`;
}

/** Capture installed, the tenants and the shared rows exposed and copied. */
export async function openShop(
  plan: string,
  rows: string,
  tenants: readonly string[] = ['acme', 'umbrella'],
): Promise<TestMigration> {
  const shop = await aMigration({ plan, legacySql: SHOP_SQL + rows });
  await installSchemas(shop.deps);
  await installCapture(await shop.load(), 'forward');
  for (const tenant of ['*', ...tenants])
    await turnOn(shop.deps, 'forward', { tenant, stage: 'dualwrite', copied: true, why: 'test' });
  return shop;
}

/** For one test: equal stores, an empty outbox, nothing on record, and a clock of its own. */
export async function freshShop(
  shop: TestMigration,
  start = new Date('2026-01-05T12:00:00Z'),
): Promise<{ readonly clock: VirtualClock; readonly deps: Deps }> {
  const clock = createVirtualClock({ start, autoAdvance: true });
  const deps = { ...shop.deps, clock, documents: createMemoryDocuments(), objects: createMemoryObjects() };
  await mirrorTenants(deps, 'forward');
  await copyShopAfresh(shop);
  return { clock, deps };
}

/** What a rogue writer does past the fence and capture, which are left out here. */
export async function writePastTheFence({ target }: TestMigration, sql: string): Promise<void> {
  await target.query('SET session_replication_role = replica');
  await target.query(sql);
  await target.query('RESET session_replication_role');
}

/** Legacy's rows over the target's, past the fence: each test starts from equal stores and an empty outbox. */
export async function copyShopAfresh(shop: TestMigration): Promise<void> {
  await shop.legacy.query('DELETE FROM crossfade.outbox');
  await shop.target.query('SET session_replication_role = replica');
  for (const table of ['lines', 'orders', 'currencies']) {
    const { rows } = await shop.legacy.query(`SELECT coalesce(json_agg(t), '[]')::text AS rows FROM ${table} AS t`);
    await shop.target.query(`DELETE FROM ${table}`);
    await shop.target.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1::json)`, [
      rows[0].rows,
    ]);
  }
  await shop.target.query('RESET session_replication_role');
}
