/** The write half that events and snapshot reads share: guarded keys in, rows written or removed, the applied log kept. */
import type { Direction } from '../../domain/direction.ts';
import type { MappedColumn, MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { mappingOf, matchesRowKey } from '../row.ts';
import { receivedRows } from '../wire.ts';

/**
 * CTEs that follow `judged(k, place, …)` and `guard(row_key, deleted)`. Removal comes first, in one statement with the upsert,
 * so that a unique value may pass from a removed row to a written one.
 *
 * @param keepsEqual a row that the receiver holds already, bit for bit, is not written anew: history that is copied again would leave
 * a dead row for each live one.
 * @param rows a JSON list whose element number `place` is the row that `judged` is about; `{}` where there is none.
 */
export function writeRows(table: MigratedTable, direction: Direction, rows: string, keepsEqual = false): string {
  const relation = quoteRelation(table);
  const columns = mappingOf(table, direction);
  const names = columns.map(({ column }) => quoteIdentifier(column));
  const key = table.key.map(({ name }) => quoteIdentifier(name));
  const assigned = columns.filter(
    ({ column, insertOnly }) => !insertOnly && !table.key.some((part) => part.name === column),
  );
  const update =
    assigned.length === 0
      ? 'NOTHING'
      : `UPDATE SET ${assigned.map(({ column }) => `${quoteIdentifier(column)} = excluded.${quoteIdentifier(column)}`).join(', ')}${keepsEqual ? unlessEqual(assigned) : ''}`;
  return `
removed AS (
  DELETE FROM ${relation} AS t USING guard AS g WHERE g.deleted AND ${matchesRowKey(table, 't', 'g.row_key')} RETURNING 1
), written AS (
  INSERT INTO ${relation} AS t (${names.join(', ')}) OVERRIDING SYSTEM VALUE
  SELECT ${names.map((name) => `m.${name}`).join(', ')}
  FROM guard AS g JOIN judged AS j ON j.k = g.row_key JOIN ${receivedRows(table, direction, rows)} AS m ON m.crossfade_place = j.place
  WHERE NOT g.deleted AND (SELECT count(*) FROM removed) >= 0
  ON CONFLICT (${key.join(', ')}) DO ${update}
  RETURNING 1
)`;
}

/** By the records' images: `=` takes 1.0 for 1.00, and json has none. */
function unlessEqual(assigned: readonly MappedColumn[]): string {
  const rowOf = (row: string) => `ROW(${assigned.map(({ column }) => `${row}.${quoteIdentifier(column)}`).join(', ')})`;
  return ` WHERE pg_catalog.record_image_ne(${rowOf('t')}, ${rowOf('excluded')})`;
}
