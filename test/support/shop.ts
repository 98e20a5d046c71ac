/** A small shop: tenants, a parent path, a shared table, a composite key, values that are easily spoilt. */
import type { TestMigration } from './migration.ts';

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
