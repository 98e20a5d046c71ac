/**
 * The demo's own reading of its rows: one text for a row, the same from either store when the plan's mapping was kept. Written by
 * hand in plain SQL and shared with nothing of Crossfade, because the proof and the ledger rest on it.
 */
import type { StoreName } from '../domain/direction.ts';

export const SHOP_TABLES = [
  'currencies',
  'customers',
  'products',
  'stock',
  'orders',
  'order_lines',
  'coupons',
  'visits',
] as const;
export type ShopTable = (typeof SHOP_TABLES)[number];

/** A column that both stores have, or the two expressions that must give the same text. */
type Column = string | Readonly<Record<StoreName, string>>;

interface Shape {
  readonly key: readonly string[];
  readonly columns: readonly Column[];
}

/** Cents in legacy, an amount in the target. */
function money(name: string, precision: number): Column {
  return { legacy: `(${name}_cents / 100.0)::numeric(${precision},2)`, target: name };
}

/** Left out: customers.fax, which the plan drops, and customers.tier, which the target owns. */
const SHAPES: Readonly<Record<ShopTable, Shape>> = {
  currencies: { key: ['code'], columns: ['label', 'digits'] },
  customers: {
    key: ['id'],
    columns: [
      'tenant_id',
      'email',
      'full_name',
      'phone',
      'tags',
      'preferences',
      money('credit', 14),
      'created_at',
      'updated_at',
    ],
  },
  products: {
    key: ['tenant_id', 'sku'],
    columns: ['title', money('price', 12), 'weight_grams', 'dimensions', 'attributes', 'updated_at'],
  },
  stock: { key: ['tenant_id', 'sku', 'warehouse'], columns: ['on_hand', 'revision', 'updated_at'] },
  orders: {
    key: ['id'],
    columns: ['tenant_id', 'customer_id', 'currency', 'status', money('total', 14), 'note', 'placed_at', 'updated_at'],
  },
  order_lines: { key: ['order_id', 'line'], columns: ['sku', 'quantity', money('unit', 12), 'discount'] },
  coupons: { key: ['id'], columns: ['tenant_id', 'code', 'percent', 'valid', 'updated_at'] },
  visits: { key: ['id'], columns: ['tenant_id', 'page', 'referrer', 'ratio', 'scores', 'detail', 'at'] },
};

/** What the texts depend on; set in every session that builds them. */
export const PINNED_SESSION =
  "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1";

/** SQL of the key as one text, e.g. `["acme","SKU-0001","1"]`. */
export function keyText(table: ShopTable): string {
  return textOf(SHAPES[table].key);
}

/** SQL of the row's state as one text. A JSON array: NULL differs from '' and nothing runs into its neighbour. */
export function stateText(table: ShopTable, store: StoreName): string {
  return textOf(SHAPES[table].columns.map((column) => (typeof column === 'string' ? column : column[store])));
}

function textOf(expressions: readonly string[]): string {
  return `json_build_array(${expressions.map((expression) => `(${expression})::text`).join(', ')})::text`;
}
