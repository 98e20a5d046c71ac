/** What stands in the table that every variant compares, about 270 bytes a row, and what is planted in it. */
import { tenantNames } from '../orders.ts';

export const TENANTS = tenantNames(20);

/** The same rows whoever runs it: nothing is random, no clock is read. Every fourth note is NULL. */
export function fillOrders(rows: number): string {
  return `INSERT INTO public.orders SELECT i, 't' || (i % ${TENANTS.length}), i % 50000, (ARRAY['open','paid','shipped','closed'])[1 + i % 4],
  (i % 100000)::numeric / 7, 'EUR', CASE WHEN i % 4 = 0 THEN NULL ELSE 'note ' || md5(i::text) END,
  jsonb_build_object('sku', 'SKU-' || (i % 9973), 'quantity', i % 12, 'gift', i % 5 = 0, 'tags', jsonb_build_array('a' || i % 7, 'b' || i % 11), 'ref', md5((i * 3)::text)),
  timestamptz '2024-01-01 00:00:00+00' + i * interval '1.000007 seconds', timestamptz '2025-01-01 00:00:00+00' + i * interval '0.500003 seconds'
FROM generate_series(1::bigint, ${rows}) AS i`;
}

/** Ids by what becomes of them. */
export interface Planted {
  readonly missing: readonly number[];
  readonly extra: readonly number[];
  readonly changed: readonly number[];
}

/** One in so many rows of the state `changed`. */
export const CHANGED_SHARE = 100;
const MISSING = 20;
const EXTRA = 20;
const CHANGED = 100;

/** 140 scattered ids; fewer where the table is too small to scatter them. */
export function plantedIds(rows: number): Planted {
  const ids = scatter(rows, Math.min(MISSING + EXTRA + CHANGED, Math.floor(rows / 10)));
  const [missing, extra] = [Math.ceil(ids.length / 7), Math.ceil(ids.length / 7)];
  return {
    missing: ids.slice(0, missing),
    extra: ids.slice(missing, missing + extra),
    changed: ids.slice(missing + extra),
  };
}

/** Turns by id through columns of different types; a note becomes NULL, or ceases to be. */
export function changeRows(ids: readonly number[]): string {
  const kind = (place: number) => `id % 5 = ${place}`;
  return `UPDATE public.orders SET
  amount = CASE WHEN ${kind(0)} THEN amount + 0.01 ELSE amount END,
  note = CASE WHEN ${kind(1)} THEN CASE WHEN note IS NULL THEN 'a note' END ELSE note END,
  payload = CASE WHEN ${kind(2)} THEN jsonb_set(payload, '{quantity}', '99') ELSE payload END,
  updated_at = CASE WHEN ${kind(3)} THEN updated_at + interval '1 microsecond' ELSE updated_at END,
  status = CASE WHEN ${kind(4)} THEN 'lost' ELSE status END
WHERE ${among(ids)}`;
}

export function removeRows(ids: readonly number[]): string {
  return `DELETE FROM public.orders WHERE ${among(ids)}`;
}

export const CHANGE_SHARE = `UPDATE public.orders SET amount = amount + 0.01 WHERE id % ${CHANGED_SHARE} = 0`;

/** Ids 1…rows, scattered as a fixed sequence of a multiplicative generator, in no order. */
export function scatter(rows: number, count: number): readonly number[] {
  const ids = new Set<number>();
  // Lehmer's generator with the modulus 2³¹ − 1: products stay below 2⁵³.
  for (let state = 20_261_122; ids.size < count; state = (state * 48_271) % 2_147_483_647) ids.add(1 + (state % rows));
  return [...ids];
}

function among(ids: readonly number[]): string {
  return ids.length === 0 ? 'false' : `id IN (${ids.join(', ')})`;
}
