/**
 * Rows on their way between the stores: JSON objects in which columns of type json and jsonb are JSON texts inside strings.
 * Otherwise a JSON `null` would be the same as an SQL NULL, and the one would arrive as the other.
 */
import type { Direction } from '../domain/direction.ts';
import type { Column, MigratedTable } from '../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './identifier.ts';
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
  return fromWire(table, direction === 'forward' ? table.targetColumns : table.legacyColumns, json);
}

/** What `capturedJson` made, as a row of its own store. */
export function capturedRow(table: MigratedTable, direction: Direction, json: string): string {
  return fromWire(table, direction === 'forward' ? table.legacyColumns : table.targetColumns, json);
}

function fromWire(table: MigratedTable, columns: readonly Column[], json: string): string {
  const populated = `json_populate_record(NULL::${quoteRelation(table)}, ${json})`;
  if (!columns.some(({ type }) => isJson(type))) return populated;
  const fields = columns.map(({ name, type }) =>
    isJson(type)
      ? `((${json}) ->> ${quoteLiteral(name)})::${type} AS ${quoteIdentifier(name)}`
      : `crossfade_row.${quoteIdentifier(name)}`,
  );
  return `(SELECT ${fields.join(', ')} FROM ${populated} AS crossfade_row)`;
}

function isJson(type: string): boolean {
  return type === 'json' || type === 'jsonb';
}
