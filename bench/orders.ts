/** The table that every suite works on: ten columns with jsonb and a nullable text; what stands in it is the suite's own. */

export const ORDER_COLUMNS = [
  'id',
  'tenant_id',
  'customer_id',
  'status',
  'amount',
  'currency',
  'note',
  'payload',
  'created_at',
  'updated_at',
] as const;

/** @param more columns behind them, each as `name type`. */
export function ordersTable(more: readonly string[] = []): string {
  return `CREATE TABLE public.orders (
  id bigint PRIMARY KEY, tenant_id text NOT NULL, customer_id bigint NOT NULL, status text NOT NULL, amount numeric(12,2) NOT NULL,
  currency char(3) NOT NULL, note text, payload jsonb NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL${more.map((column) => `, ${column}`).join('')})`;
}

/** `t0`, `t1`, …: rows go round them by their id. */
export function tenantNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, tenant) => `t${tenant}`);
}
