/** The events that every variant moves: two versions of each row, about 300 bytes of JSON. */
import { ORDER_COLUMNS, ordersTable } from '../orders.ts';

export const TENANTS = 4;

/** With a version that a test of the end state can look at. */
export const VERSIONED_TABLE = ordersTable(['version integer NOT NULL']);
export const VERSIONED_COLUMNS = [...ORDER_COLUMNS, 'version'] as const;

/** SELECT list of the row of order `i` at `version`, in the order of its columns, over generate_series(…) AS i. */
export function orderRow(version: number): string {
  return `i::bigint AS id, 't' || (i % ${TENANTS}) AS tenant_id, (i % 1000)::bigint AS customer_id, '${version === 1 ? 'open' : 'paid'}' AS status,
    (i / 7.0)::numeric(12,2) AS amount, 'EUR' AS currency, 'note ' || i AS note, jsonb_build_object('a', i, 'b', repeat('x', 60)) AS payload,
    now() AS created_at, now() AS updated_at, ${version} AS version`;
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
