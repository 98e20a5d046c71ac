/**
 * What the shop's application wants to write: each intent is drawn once with all its choices and may be carried out again on the
 * other store when the first one is fenced. A worker touches its own rows only (number modulo workers), except for hot stock.
 */
import { randomUUID } from 'node:crypto';
import { CURRENCIES, ORDER_STATUSES, SIZE, seededSku, seededUuid, TENANTS, tenantOfNumber } from '../shop-size.ts';
import type { ShopTable } from '../shop-tables.ts';
import type { Dialect } from './dialect.ts';
import type { RowWrite } from './ledger.ts';
import type { Random } from './random.ts';

/** A transaction on the store that is written. */
export interface ShopTransaction extends Dialect {
  query(text: string, values: readonly unknown[]): Promise<readonly Readonly<Record<string, string>>[]>;
}

export interface Intent {
  readonly name: string;
  run(transaction: ShopTransaction): Promise<Done>;
}

export interface Done {
  readonly writes: readonly RowWrite[];
  /** What the worker remembers once the commit is answered. */
  readonly acknowledged?: (() => void) | undefined;
}

/** What one worker may touch. */
export interface OwnRows {
  readonly worker: number;
  readonly workers: number;
  /** Orders that it placed, with the keys of their lines. */
  readonly orders: { readonly id: string; readonly key: string; readonly lines: readonly string[] }[];
  /** Visits that it added. */
  readonly visits: string[];
}

type Draw = (random: Random, own: OwnRows) => Intent | undefined;

/** Weights of 100; what cannot be done now (nothing of its own left) is drawn again. */
const DRAWS: readonly (readonly [number, Draw])[] = [
  [24, sellHotStock],
  [16, changeCustomer],
  [16, placeOrder],
  [12, advanceOrder],
  [8, removeOrder],
  [8, addVisit],
  [4, removeVisit],
  [2, renumberVisit],
  [4, passCouponOn],
  [3, moveOrder],
  [3, reprice],
];
const TOTAL_WEIGHT = DRAWS.reduce((sum, [weight]) => sum + weight, 0);

/** So many (tenant, sku) pairs take most of the stock's writes. */
const HOT_SKUS = 12;

export function drawIntent(random: Random, own: OwnRows): Intent {
  for (;;) {
    let left = random.below(TOTAL_WEIGHT);
    for (const [weight, draw] of DRAWS) {
      left -= weight;
      if (left >= 0) continue;
      const intent = draw(random, own);
      if (intent !== undefined) return intent;
      break;
    }
  }
}

function sellHotStock(random: Random): Intent {
  const n = random.below(HOT_SKUS);
  const values = [tenantOfNumber(n), seededSku(n), 1 + random.below(SIZE.warehouses), 1 + random.below(5)];
  return {
    name: 'sell hot stock',
    run: async (tx) => {
      const rows = await tx.query(
        `UPDATE stock SET on_hand = CASE WHEN on_hand > 10 THEN on_hand - $4::integer ELSE 1000 END, revision = revision + 1, updated_at = clock_timestamp()
         WHERE tenant_id = $1 AND sku = $2 AND warehouse = $3 ${tx.returning('stock')}, revision::text AS revision`,
        values,
      );
      return { writes: rows.map((row) => ({ ...written('stock', row, 0), revision: Number(row.revision) })) };
    },
  };
}

function changeCustomer(random: Random, own: OwnRows): Intent {
  const n = ownNumber(random, own, SIZE.customers);
  const values = [
    seededUuid('customer', n),
    random.pick([null, '', `+41 44 ${random.below(10_000_000)}`]),
    random.pick(['{}', '{vip,NULL,"b|c"}', '{"NULL",""}']),
    JSON.stringify({ lang: random.pick(['de', 'fr', 'it']), limit: random.below(10_000) / 100, nothing: null }),
    random.below(100_000),
  ];
  return {
    name: 'change customer',
    run: async (tx) => {
      const rows = await tx.query(
        `UPDATE customers SET phone = $2, tags = $3::text[], preferences = $4::jsonb, ${tx.money('credit')} = ${tx.cents('$5')}, updated_at = clock_timestamp()
         WHERE id = $1 ${tx.returning('customers')}`,
        values,
      );
      return { writes: rows.map((row) => written('customers', row, 0)) };
    },
  };
}

/** Parent and children in one transaction. */
function placeOrder(random: Random, own: OwnRows): Intent {
  const n = random.below(SIZE.customers);
  const order = [
    tenantOfNumber(n),
    seededUuid('customer', n),
    random.pick(CURRENCIES),
    random.below(900_000),
    random.pick([null, '', 'by hand', "it's | a \\ note"]),
  ];
  const lines = Array.from({ length: 1 + random.below(4) }, (_, index) => [
    index + 1,
    seededSku(random.below(SIZE.productsPerTenant)),
    1 + random.below(9),
    100 + random.below(50_000),
    random.pick([null, '0', '12.50', '99.99']),
  ]);
  return {
    name: 'place order',
    run: async (tx) => {
      const [row] = await tx.query(
        `INSERT INTO orders (tenant_id, customer_id, currency, status, ${tx.money('total')}, note, placed_at, updated_at)
         VALUES ($1, $2, $3, 'new', ${tx.cents('$4')}, $5, clock_timestamp(), clock_timestamp()) ${tx.returning('orders')}, id::text AS id`,
        order,
      );
      if (row === undefined) throw new Error('an INSERT of one order returned no row');
      const id = row.id ?? '';
      const children: RowWrite[] = [];
      for (const line of lines) {
        const rows = await tx.query(
          `INSERT INTO order_lines (order_id, line, sku, quantity, ${tx.money('unit')}, discount)
           VALUES ($1, $2, $3, $4, ${tx.cents('$5')}, $6) ${tx.returning('order_lines')}`,
          [id, ...line],
        );
        children.push(...rows.map((child) => written('order_lines', child, 1)));
      }
      const placed = written('orders', row, 1);
      return {
        writes: [placed, ...children],
        acknowledged: () => void own.orders.push({ id, key: placed.key, lines: children.map(({ key }) => key) }),
      };
    },
  };
}

function advanceOrder(random: Random, own: OwnRows): Intent {
  const values = [ownOrder(random, own), random.pick(ORDER_STATUSES), random.below(900_000)];
  return {
    name: 'advance order',
    run: async (tx) => {
      const rows = await tx.query(
        `UPDATE orders SET status = $2::order_status, ${tx.money('total')} = ${tx.cents('$3')}, updated_at = clock_timestamp() WHERE id = $1 ${tx.returning('orders')}`,
        values,
      );
      return { writes: rows.map((row) => written('orders', row, 0)) };
    },
  };
}

/** The lines go by ON DELETE CASCADE: the application sends one statement. */
function removeOrder(random: Random, own: OwnRows): Intent | undefined {
  const order = own.orders.length < 5 ? undefined : random.pick(own.orders);
  if (order === undefined) return undefined;
  return {
    name: 'remove order',
    run: async (tx) => {
      const rows = await tx.query(`DELETE FROM orders WHERE id = $1 ${tx.returning('orders')}`, [order.id]);
      const lines = rows.length === 0 ? [] : order.lines;
      return {
        writes: [
          ...rows.map((row) => removed('orders', row.key ?? '')),
          ...lines.map((key) => removed('order_lines', key)),
        ],
        acknowledged: () => void own.orders.splice(own.orders.indexOf(order), 1),
      };
    },
  };
}

function addVisit(random: Random, own: OwnRows): Intent {
  // Random in the store's eyes; the seed only decides what is done.
  const id = randomUUID();
  const values = [
    id,
    random.pick(TENANTS),
    `/page/${random.below(100)}`,
    random.pick([null, '', 'https://example.com/?q=a|b']),
    random.pick([null, String(random.next()), '1e-7', '-0']),
    random.pick([null, '{}', '{1.10,NULL,2}']),
    JSON.stringify({ step: random.below(12), text: 'a|b"c' }),
  ];
  return {
    name: 'add visit',
    run: async (tx) => {
      const rows = await tx.query(
        `INSERT INTO visits (id, tenant_id, page, referrer, ratio, scores, detail, at)
         VALUES ($1, $2, $3, $4, $5::double precision, $6::numeric[], $7::jsonb, clock_timestamp()) ${tx.returning('visits')}`,
        values,
      );
      return { writes: rows.map((row) => written('visits', row, 1)), acknowledged: () => void own.visits.push(id) };
    },
  };
}

function removeVisit(random: Random, own: OwnRows): Intent | undefined {
  if (own.visits.length < 5) return undefined;
  const id = random.pick(own.visits);
  return {
    name: 'remove visit',
    run: async (tx) => {
      const rows = await tx.query(`DELETE FROM visits WHERE id = $1 ${tx.returning('visits')}`, [id]);
      return {
        writes: rows.map((row) => removed('visits', row.key ?? '')),
        acknowledged: () => void own.visits.splice(own.visits.indexOf(id), 1),
      };
    },
  };
}

/** A key that changes: one row is gone and another is there. */
function renumberVisit(random: Random, own: OwnRows): Intent | undefined {
  if (own.visits.length === 0) return undefined;
  const before = random.pick(own.visits);
  const after = randomUUID();
  return {
    name: 'renumber visit',
    run: async (tx) => {
      const rows = await tx.query(`UPDATE visits SET id = $2 WHERE id = $1 ${tx.returning('visits')}`, [before, after]);
      return {
        writes: rows.flatMap((row) => [removed('visits', JSON.stringify([before])), written('visits', row, 1)]),
        acknowledged: () => void own.visits.splice(own.visits.indexOf(before), 1, after),
      };
    },
  };
}

/** A unique value that moves: two coupons swap their codes, or one takes the code that the other gives up. */
function passCouponOn(random: Random, own: OwnRows): Intent {
  const first = ownNumber(random, own, SIZE.coupons - own.workers) + 1;
  const second = first + own.workers;
  const swaps = random.below(2) === 0;
  const fresh = `CODE-${randomUUID()}`;
  return {
    name: 'pass coupon on',
    run: async (tx) => {
      const codes = await tx.query('SELECT code FROM coupons WHERE id IN ($1, $2) ORDER BY id FOR UPDATE', [
        first,
        second,
      ]);
      const [firstCode = '', secondCode = ''] = codes.map((row) => row.code ?? '');
      const set = (id: number, code: string) =>
        tx.query(
          `UPDATE coupons SET code = $2, updated_at = clock_timestamp() WHERE id = $1 ${tx.returning('coupons')}`,
          [id, code],
        );
      const held = await set(first, fresh);
      const taken = await set(second, firstCode);
      const ended = swaps ? await set(first, secondCode) : held;
      return { writes: [...ended, ...taken].map((row) => written('coupons', row, 0)) };
    },
  };
}

/** Its lines follow it to the other tenant, though no statement touches them. */
function moveOrder(random: Random, own: OwnRows): Intent {
  const values = [ownOrder(random, own), random.pick(TENANTS)];
  return {
    name: 'move order',
    run: async (tx) => {
      const rows = await tx.query(
        `UPDATE orders SET tenant_id = $2, updated_at = clock_timestamp() WHERE id = $1 ${tx.returning('orders')}`,
        values,
      );
      return { writes: rows.map((row) => written('orders', row, 0)) };
    },
  };
}

function reprice(random: Random, own: OwnRows): Intent {
  const n = ownNumber(random, own, SIZE.productsPerTenant);
  const values = [random.pick(TENANTS), seededSku(n), random.below(100_000), random.pick([null, random.below(5_000)])];
  return {
    name: 'reprice',
    run: async (tx) => {
      const rows = await tx.query(
        `UPDATE products SET ${tx.money('price')} = ${tx.cents('$3')}, weight_grams = $4, updated_at = clock_timestamp() WHERE tenant_id = $1 AND sku = $2 ${tx.returning('products')}`,
        values,
      );
      return { writes: rows.map((row) => written('products', row, 0)) };
    },
  };
}

function ownNumber(random: Random, own: OwnRows, limit: number): number {
  return random.below(Math.floor(limit / own.workers)) * own.workers + own.worker;
}

/** One that it placed, or one of the seeded ones that are its own. */
function ownOrder(random: Random, own: OwnRows): string {
  if (own.orders.length > 0 && random.below(2) === 0) return random.pick(own.orders).id;
  return String(ownNumber(random, own, SIZE.orders - own.workers) + own.workers);
}

function written(table: ShopTable, row: Readonly<Record<string, string>>, rows: 0 | 1): RowWrite {
  return { table, key: row.key ?? '', state: row.state ?? '', rows };
}

function removed(table: ShopTable, key: string): RowWrite {
  return { table, key, state: null, rows: -1 };
}
