/** The write half that events and snapshot reads share: guarded keys in, rows written or removed, the applied log kept. */
import type { Direction } from '../../domain/direction.ts';
import type { MappedColumn, MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { mappingOf, matchesRowKey } from '../row.ts';
import { receivedRows } from '../wire.ts';

/**
 * Part of the guard's condition, of its row `v`: a removal replaces only the version that its statement sees. One that had to wait
 * for another writer's lock goes on with the snapshot of its beginning, in which a row that came meanwhile is invisible to `removed`;
 * the tombstone would stand and the row stay for ever. Writes need none of it: ON CONFLICT finds what no snapshot shows.
 */
export const REMOVES_WHAT_IT_SEES = `(NOT excluded.deleted OR v.ctid = (SELECT seen.ctid FROM crossfade.row_version AS seen WHERE seen.table_name = v.table_name AND seen.row_key = v.row_key))`;

/**
 * Of a removal `j` that the guard let go: whether it would have replaced what its statement sees. Then another writer was there
 * meanwhile, and it is judged again; else it has lost for good, because versions only grow.
 *
 * @param beats condition under which `j` replaces the version `v`.
 */
export function wasOvertaken(beats: string): string {
  return `j.verdict = 'remove' AND NOT EXISTS (SELECT FROM crossfade.row_version AS v WHERE v.table_name = $2::text AND v.row_key = j.k AND NOT (${beats}))`;
}

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
