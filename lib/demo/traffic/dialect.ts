/** How the shop's application writes in each store: the same writes, in the shape that the store's tables have. */
import type { StoreName } from '../../domain/direction.ts';
import { keyText, type ShopTable, stateText } from '../shop-tables.ts';

export interface Dialect {
  readonly store: StoreName;
  /** Column of an amount: `total_cents` in legacy, `total` in the target. */
  money(name: string): string;
  /** SQL that turns a parameter in cents into what the column holds. */
  cents(parameter: string): string;
  /** Ends a statement so that it answers with key and state of each row. */
  returning(table: ShopTable): string;
}

export const DIALECTS: Readonly<Record<StoreName, Dialect>> = {
  legacy: {
    store: 'legacy',
    money: (name) => `${name}_cents`,
    cents: (parameter) => `${parameter}::bigint`,
    returning: (table) => returning(table, 'legacy'),
  },
  target: {
    store: 'target',
    money: (name) => name,
    cents: (parameter) => `(${parameter}::bigint / 100.0)::numeric(14,2)`,
    returning: (table) => returning(table, 'target'),
  },
};

function returning(table: ShopTable, store: StoreName): string {
  return `RETURNING ${keyText(table)} AS key, ${stateText(table, store)} AS state`;
}
