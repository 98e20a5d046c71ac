import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { matchesRowKey, rowKeyOf, type TablesByName } from '../row.ts';
import type { Statement } from '../statement.ts';
import { answerJson, isOfTenant } from './answer.ts';

export interface AnswerRow {
  readonly row_key: string;
  /** JSON text of the target's columns. */
  readonly row: string;
}

/** One row of a tenant by its key (a JSON list of the key's values); no row when it is absent or another tenant's. */
export function readRow(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  tenant: string,
  rowKey: string,
): Statement {
  return {
    text: `
SELECT ${rowKeyOf(table, 'r')} AS row_key, ${answerJson(table, store, 'r')} AS row
FROM ${quoteRelation(table)} AS r
WHERE ${matchesRowKey(table, 'r', '$1::text')} AND ${isOfTenant(table, tables, 'r', '$2::text')}`,
    values: [rowKey, tenant],
  };
}
