/**
 * Rows on their way between the stores: JSON objects in which columns of type json and jsonb are JSON texts inside strings.
 * Otherwise a JSON `null` would be the same as an SQL NULL, and the one would arrive as the other.
 */
import type { Direction } from '../domain/direction.ts';
import type { Column, MigratedTable } from '../domain/table.ts';
import { quoteIdentifier } from './identifier.ts';
import { mappingOf } from './row.ts';

/** A scalar subquery: the row as the receiver wants it. `row` is an alias of the source's row type. */
export function wireJson(table: MigratedTable, direction: Direction, row: string): string {
  const fields = mappingOf(table, direction).map(
    ({ column, type, expression }) =>
      `${isJson(type) ? `(${expression})::text` : `(${expression})`} AS ${quoteIdentifier(column)}`,
  );
  return `(SELECT row_to_json(crossfade_wire) FROM (SELECT ${fields.join(', ')} FROM (SELECT ${row}.*) AS source_row) AS crossfade_wire)`;
}

/** A scalar subquery: the row as it is in its store, for the outbox. */
export function capturedJson(columns: readonly Column[], row: string): string {
  if (!columns.some(({ type }) => isJson(type))) return `row_to_json(${row})`;
  const fields = columns.map(
    ({ name, type }) => `${row}.${quoteIdentifier(name)}${isJson(type) ? '::text' : ''} AS ${quoteIdentifier(name)}`,
  );
  return `(SELECT row_to_json(crossfade_wire) FROM (SELECT ${fields.join(', ')}) AS crossfade_wire)`;
}

/** What `wireJson` made, as a row of the receiver: stands behind FROM or LATERAL. */
export function receivedRow(table: MigratedTable, direction: Direction, json: string): string {
  return fromWire(mappedColumns(table, direction), json);
}

/**
 * A JSON list of what `wireJson` made, as numbered rows of the receiver: its columns and, last, `crossfade_place` from 1.
 * Every row is parsed once, which is most of what a large batch costs outside its indexes.
 */
export function receivedRows(table: MigratedTable, direction: Direction, json: string): string {
  const columns = mappedColumns(table, direction);
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  return `(SELECT ${fields(columns, 'crossfade_row')}, crossfade_row.crossfade_place
    FROM ROWS FROM (json_to_recordset(${json}) AS (${declared(columns)})) WITH ORDINALITY AS crossfade_row(${names}, crossfade_place))`;
}

/** What `capturedJson` made, as a row of its own store. */
export function capturedRow(table: MigratedTable, direction: Direction, json: string): string {
  return fromWire(direction === 'forward' ? table.legacyColumns : table.targetColumns, json);
}

type WireColumn = Pick<Column, 'name' | 'type'>;

function mappedColumns(table: MigratedTable, direction: Direction): readonly WireColumn[] {
  return mappingOf(table, direction).map(({ column, type }) => ({ name: column, type }));
}

function fromWire(columns: readonly WireColumn[], json: string): string {
  return `(SELECT ${fields(columns, 'crossfade_row')} FROM json_to_record(${json}) AS crossfade_row(${declared(columns)}))`;
}

/** Columns that are JSON texts inside strings are declared as text and cast afterwards. */
function declared(columns: readonly WireColumn[]): string {
  return columns.map(({ name, type }) => `${quoteIdentifier(name)} ${isJson(type) ? 'text' : type}`).join(', ');
}

function fields(columns: readonly WireColumn[], row: string): string {
  return columns
    .map(({ name, type }) => {
      const value = `${row}.${quoteIdentifier(name)}`;
      return isJson(type) ? `${value}::${type} AS ${quoteIdentifier(name)}` : value;
    })
    .join(', ');
}

function isJson(type: string): boolean {
  return type === 'json' || type === 'jsonb';
}
