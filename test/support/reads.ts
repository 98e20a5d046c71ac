/** A migration whose tenants are exposed and copied, with legacy and target of different shapes: what tests of reads start from. */
import { installSchemas } from '../../lib/application/install/install.ts';
import { mirrorTenants, turnOn } from '../../lib/application/tenants/exposure.ts';
import { aMigration, type MigrationSpec, type TestMigration } from './migration.ts';

/** Fewer rows a table than one sample of synthetic reads takes, so that a sample holds every row. */
const LEGACY_SQL = `
CREATE TYPE public.mood AS ENUM ('sad', 'happy');
CREATE TABLE public.currencies (code text PRIMARY KEY, label text);
CREATE TABLE public.orders (
  id bigint, part text, tenant_id text NOT NULL, first text, last text, amount numeric, note text DEFAULT 'none', payload jsonb, tags text[], mood public.mood,
  ratio double precision, seen timestamptz, raw bytea, currency text REFERENCES public.currencies, PRIMARY KEY (id, part)
);
CREATE TABLE public.lines (id uuid PRIMARY KEY, order_id bigint NOT NULL, part text NOT NULL, quantity integer NOT NULL, FOREIGN KEY (order_id, part) REFERENCES public.orders);
INSERT INTO public.currencies VALUES ('EUR', 'Euro'), ('USD', NULL);
INSERT INTO public.orders SELECT n, CASE n % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'B' ELSE 'ä' END, CASE n % 2 WHEN 0 THEN 'acme' ELSE 'globex' END, 'Ann', 'n' || n, n / 4.0, NULL,
  '{"b":1,"a":[1.50,null]}', ARRAY['x', NULL, '"'], 'happy', 0.1::float8 + 0.2::float8, '2026-01-05 12:00:00.123456+02', '\\x00ff', 'EUR' FROM generate_series(1, 48) AS n;
INSERT INTO public.lines SELECT md5(id || part)::uuid, id, part, 1 FROM public.orders;
`;

const TARGET_SQL = `
CREATE TYPE public.mood AS ENUM ('sad', 'happy');
CREATE TABLE public.currencies (code text PRIMARY KEY, label text);
CREATE TABLE public.orders (
  id bigint, part text, tenant_id text NOT NULL, full_name text NOT NULL, amount numeric(12,2) CHECK (amount >= 0), note varchar(10), payload jsonb, tags text[],
  mood public.mood, ratio double precision, seen timestamptz, raw bytea, currency text REFERENCES public.currencies, risk integer DEFAULT 3,
  doubled numeric GENERATED ALWAYS AS (amount * 2) STORED, PRIMARY KEY (id, part)
);
CREATE TABLE public.lines (id uuid PRIMARY KEY, order_id bigint NOT NULL, part text NOT NULL, quantity integer NOT NULL,
  FOREIGN KEY (order_id, part) REFERENCES public.orders DEFERRABLE INITIALLY DEFERRED);
`;

/** The rows of legacy as the plan maps them. */
export const COPY_SQL = `
INSERT INTO public.currencies VALUES ('EUR', 'Euro'), ('USD', NULL);
INSERT INTO public.orders (id, part, tenant_id, full_name, amount, note, payload, tags, mood, ratio, seen, raw, currency)
SELECT n, CASE n % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'B' ELSE 'ä' END, CASE n % 2 WHEN 0 THEN 'acme' ELSE 'globex' END, 'Ann n' || n, n / 4.0, NULL,
  '{"b":1,"a":[1.50,null]}', ARRAY['x', NULL, '"'], 'happy', 0.1::float8 + 0.2::float8, '2026-01-05 12:00:00.123456+02', '\\x00ff', 'EUR' FROM generate_series(1, 48) AS n;
INSERT INTO public.lines SELECT md5(id || part)::uuid, id, part, 1 FROM public.orders;
`;

const PLAN = `
tenants: { column: tenant_id }
tables:
  currencies: { tenant: none }
  orders: { columns: { full_name: { from: "first || ' ' || last", oneWay: true }, risk: { owner: target } } }
  lines: { tenant: { parent: orders, on: { order_id: id, part: part } } }
`;

/** @param more YAML of further sections of the plan. */
export async function aReadableMigration(more = '', spec: Partial<MigrationSpec> = {}): Promise<TestMigration> {
  const system = await aMigration({ plan: PLAN + more, legacySql: LEGACY_SQL, targetSql: TARGET_SQL, ...spec });
  await system.target.query(COPY_SQL);
  await installSchemas(system.deps);
  for (const tenant of ['*', 'acme', 'globex']) {
    await turnOn(system.deps, 'forward', { tenant, stage: 'dualwrite', copied: true, why: 'test' });
  }
  await mirrorTenants(system.deps, 'forward');
  return system;
}
