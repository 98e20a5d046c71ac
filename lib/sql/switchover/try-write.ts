import type { Direction } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { mappingOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { receivedRow } from '../wire.ts';

/** Writes one mapped row (JSON text) over whatever the receiver has: only ever run in a transaction that is rolled back. */
export function tryWrite(table: MigratedTable, direction: Direction, row: string): Statement {
  const columns = mappingOf(table, direction);
  const names = columns.map(({ column }) => quoteIdentifier(column)).join(', ');
  const relation = quoteRelation(table);
  const assigned = columns.filter(
    ({ column, insertOnly }) => !insertOnly && !table.key.some((part) => part.name === column),
  );
  const update = assigned
    .map(({ column }) => `${quoteIdentifier(column)} = excluded.${quoteIdentifier(column)}`)
    .join(', ');
  return {
    text: `
INSERT INTO ${relation} (${names}) OVERRIDING SYSTEM VALUE SELECT ${names} FROM ${receivedRow(table, direction, '$1::json')} AS m
ON CONFLICT (${table.key.map(({ name }) => quoteIdentifier(name)).join(', ')}) DO ${update === '' ? 'NOTHING' : `UPDATE SET ${update}`}`,
    values: [row],
  };
}
