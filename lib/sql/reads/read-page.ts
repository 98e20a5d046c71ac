import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf, type TablesByName } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';
import { answerJson, isOfTenant } from './answer.ts';
import type { AnswerRow } from './read-row.ts';

export interface PageRow extends AnswerRow {
  /** There is more behind the last row: the page was cut by its limit or by bytes. */
  readonly more: boolean;
}

export interface PageRequest {
  readonly tenant: string;
  /** Exclusive row key; null starts at the first row. */
  readonly after: string | null;
  readonly limit: number;
  /** Never below one row. */
  readonly bytes: number;
}

/** A page of a tenant's rows in key order, text bytewise, so that both stores give the same page. */
export function readPage(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  { tenant, after, limit, bytes }: PageRequest,
): Statement {
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  return {
    text: `
WITH page AS MATERIALIZED (
  SELECT ${rowKeyOf(table, 'r')} AS row_key, ${answerJson(table, store, 'r')} AS row, row_number() OVER (ORDER BY ${order}) AS place
  FROM ${quoteRelation(table)} AS r
  WHERE ${inRange(table, 'r', '$1::text', '$5::text', { after, through: null })} AND ${isOfTenant(table, tables, 'r', '$2::text')}
  ORDER BY ${order} LIMIT $3::integer + 1
), sized AS (
  SELECT *, sum(octet_length(row) + octet_length(row_key) + 100) OVER (ORDER BY place) AS bytes, count(*) OVER () AS found FROM page
), kept AS (
  SELECT * FROM sized WHERE place <= $3::integer AND (place = 1 OR bytes <= $4::bigint)
)
SELECT row_key, row, found > (SELECT count(*) FROM kept) AS more FROM kept ORDER BY place`,
    values: [after, tenant, limit, bytes, null],
  };
}
