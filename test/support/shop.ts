/** A small shop: tenants, a parent path, a shared table, a composite key, values that are easily spoilt. */
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
