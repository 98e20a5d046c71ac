import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf, type TablesByName } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';
import { type ComparedTenants, insideScope, scopeValue } from './scope.ts';

/** A page of a store's row keys in key order: what an anti-join of both stores walks over. */
export function keyPage(
  table: MigratedTable,
  tables: TablesByName,
  page: {
    readonly after: string | null;
    /** Inclusive; null or absent: the end of the table. */
    readonly through?: string | null | undefined;
    readonly limit: number;
    readonly tenants: ComparedTenants;
  },
): Statement {
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  const range = { after: page.after, through: page.through ?? null };
  return {
    text: `
SELECT ${rowKeyOf(table, 'r')} AS row_key FROM ${quoteRelation(table)} AS r
WHERE ${inRange(table, 'r', '$1::text', '$2::text', range)} AND ${insideScope(table, tables, 'r', '$3', page.tenants)}
ORDER BY ${order} LIMIT $4::integer`,
    values: [range.after, range.through, scopeValue(page.tenants), page.limit],
  };
}
