/** How much the demo's shop holds, and how a seeded row is found again by its number: SQL and the traffic generator count alike. */
import { createHash } from 'node:crypto';

export const TENANTS = ['acme', 'birch', 'cobalt', 'dune', 'ember', 'fjord', 'grove', 'harbor'] as const;
export const CURRENCIES = ['CHF', 'DKK', 'EUR', 'GBP', 'JPY', 'NOK', 'SEK', 'USD'] as const;
export const ORDER_STATUSES = ['new', 'paid', 'packed', 'shipped', 'returned'] as const;
export type Tenant = (typeof TENANTS)[number];

/** Rows: 8 + 12 000 + 3 200 + 6 400 + 22 000 + 55 000 + 1 600 + 4 000 = 104 208. */
export const SIZE = {
  customers: 12_000,
  productsPerTenant: 400,
  warehouses: 2,
  orders: 22_000,
  /** Order n has 1 + n % 4 lines: 2.5 on average. */
  linesCycle: 4,
  coupons: 1_600,
  visits: 4_000,
} as const;

export function tenantOfNumber(n: number): Tenant {
  // The remainder is always an index of the list.
  return TENANTS[n % TENANTS.length] as Tenant;
}

/** The uuid that `md5('customer-7')::uuid` is in SQL. */
export function seededUuid(kind: 'customer' | 'visit', n: number): string {
  const hex = createHash('md5').update(`${kind}-${n}`).digest('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function seededSku(n: number): string {
  return `SKU-${String(n).padStart(4, '0')}`;
}
