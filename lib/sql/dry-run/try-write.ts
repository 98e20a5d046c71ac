/** The write itself, as the relay would make it; run in a transaction that is always rolled back. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { mappingOf, matchesRowKey } from '../row.ts';
import type { Statement } from '../statement.ts';

/**
 * @param row JSON text of the target's columns.
 * @param existing what becomes of a row that is there: a live one is replaced, a parent that is brought along is kept.
 */
export function tryWrite(table: MigratedTable, row: string, existing: 'replace' | 'keep'): Statement {
  const relation = quoteRelation(table);
  const columns = mappingOf(table, 'forward');
  const names = columns.map(({ column }) => quoteIdentifier(column));
  const assigned = columns.filter(
    ({ column, insertOnly }) => !insertOnly && !table.key.some((part) => part.name === column),
  );
  const update =
    assigned.length === 0 || existing === 'keep'
      ? 'NOTHING'
      : `UPDATE SET ${assigned.map(({ column }) => `${quoteIdentifier(column)} = excluded.${quoteIdentifier(column)}`).join(', ')}`;
  return {
    text: `
INSERT INTO ${relation} (${names.join(', ')}) OVERRIDING SYSTEM VALUE
SELECT ${names.map((name) => `m.${name}`).join(', ')} FROM json_populate_record(NULL::${relation}, $1::json) AS m
ON CONFLICT (${table.key.map(({ name }) => quoteIdentifier(name)).join(', ')}) DO ${update}`,
    values: [row],
  };
}

/** Deferred constraints speak now instead of at a COMMIT that never comes. */
export const checkConstraintsNow: Statement = { text: 'SET CONSTRAINTS ALL IMMEDIATE', values: [] };

export interface WrittenRow {
  /** JSON text of every column, with what the target fills by itself. */
  readonly row: string;
}

export function readWritten(table: MigratedTable, rowKey: string): Statement {
  return {
    text: `SELECT row_to_json(t)::text AS row FROM ${quoteRelation(table)} AS t WHERE ${matchesRowKey(table, 't', '$1::text')}`,
    values: [rowKey],
  };
}
