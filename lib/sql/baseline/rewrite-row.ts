import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { matchesRowKey } from '../row.ts';
import type { Statement } from '../statement.ts';

/**
 * Sets a column of one row to what it is: a write that changes nothing, for a transaction that is rolled back. A row that an
 * application holds is skipped, so that nobody waits.
 */
export function rewriteRow(table: MigratedTable, rowKey: string): Statement {
  const relation = quoteRelation(table);
  const writable = table.legacyColumns.find((column) => !column.generated && column.identity !== 'always');
  const column = quoteIdentifier(writable?.name ?? table.key[0]?.name ?? '');
  return {
    text: `
WITH free AS (SELECT r.ctid AS place, r.tableoid AS part FROM ${relation} AS r WHERE ${matchesRowKey(table, 'r', '$1::text')} FOR NO KEY UPDATE SKIP LOCKED)
UPDATE ${relation} AS t SET ${column} = t.${column} FROM free WHERE t.ctid = free.place AND t.tableoid = free.part`,
    values: [rowKey],
  };
}
