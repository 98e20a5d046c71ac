/** The table and the events that every variant moves: two versions of each row, about 300 bytes of JSON. */

export const TENANTS = 4;

/** Columns of the peer measurements, with a version that a test of the end state can look at. */
export const ORDERS_TABLE = `CREATE TABLE public.orders (
  id bigint PRIMARY KEY, tenant_id text NOT NULL, customer_id bigint, status text, amount numeric(12,2), currency text,
  note text, payload jsonb, version integer NOT NULL, created_at timestamptz, updated_at timestamptz)`;

export const ORDER_COLUMNS = [
  'id',
  'tenant_id',
  'customer_id',
  'status',
  'amount',
  'currency',
  'note',
  'payload',
  'version',
  'created_at',
  'updated_at',
] as const;

/** SELECT list of the row of order `i` at `version`, over generate_series(…) AS i. */
export function orderRow(version: number): string {
  return `i::bigint AS id, 't' || (i % ${TENANTS}) AS tenant_id, (i % 1000)::bigint AS customer_id, '${version === 1 ? 'open' : 'paid'}' AS status,
    (i / 7.0)::numeric(12,2) AS amount, 'EUR' AS currency, 'note ' || i AS note, jsonb_build_object('a', i, 'b', repeat('x', 60)) AS payload,
    ${version} AS version, now() AS created_at, now() AS updated_at`;
}

/** Every order there once, in its second version. */
export const END_STATE = 'SELECT count(*)::integer AS rows, coalesce(min(version), 0) AS oldest FROM public.orders';

export interface EndState {
  readonly rows: number;
  readonly oldest: number;
}

/** @throws {Error} when events were lost or applied in the wrong order. */
export function checkEndState(state: EndState, rows: number): void {
  if (state.rows !== rows || state.oldest !== 2)
    throw new Error(
      `the target holds ${state.rows} of ${rows} rows, the oldest at version ${state.oldest} instead of 2`,
    );
}
