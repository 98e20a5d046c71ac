/**
 * Rows on their way between the stores: JSON objects in which a column of a type that JSON cannot hold exactly is the text that
 * PostgreSQL prints, inside a string. A JSON `null` would else be an SQL NULL (at the top, in an array, in a composite), an array
 * would lose its lower bounds.
 */
import type { Direction } from '../domain/direction.ts';
import type { Column, MigratedTable } from '../domain/table.ts';
import { quoteIdentifier } from './identifier.ts';
import { mappingOf } from './row.ts';

/** Scalar types whose JSON form is exact, without their modifiers. Arrays and whatever else travel as text. */
const JSON_TYPES: ReadonlySet<string> = new Set([
  'smallint',
  'integer',
  'bigint',
  'oid',
  'numeric',
  'real',
  'double precision',
  'boolean',
  'text',
  'character varying',
  'character',
  '"char"',
  'name',
  'uuid',
  'bytea',
  'date',
  'time without time zone',
  'time with time zone',
  'timestamp without time zone',
  'timestamp with time zone',
  'interval',
  'inet',
  'cidr',
  'macaddr',
  'bit',
  'bit varying',
]);

/** A scalar subquery: the row as the receiver wants it. `row` is an alias of the source's row type. */
export function wireJson(table: MigratedTable, direction: Direction, row: string): string {
  const fields = mappingOf(table, direction).map(
    ({ column, type, expression }) => `${carried(type, `(${expression})`)} AS ${quoteIdentifier(column)}`,
  );
  return `(SELECT row_to_json(crossfade_wire) FROM (SELECT ${fields.join(', ')} FROM (SELECT ${row}.*) AS source_row) AS crossfade_wire)`;
}

/** A scalar subquery: the row as it is in its store, for the outbox. */
export function capturedJson(columns: readonly Column[], row: string): string {
  if (!columns.some(({ type }) => travelsAsText(type))) return `row_to_json(${row})`;
  const fields = columns.map(
    ({ name, type }) => `${carried(type, `${row}.${quoteIdentifier(name)}`)} AS ${quoteIdentifier(name)}`,
  );
  return `(SELECT row_to_json(crossfade_wire) FROM (SELECT ${fields.join(', ')}) AS crossfade_wire)`;
}

/** Whether every column that is sent as it is has one form in what was captured and in what the receiver wants. */
export function travelsAlike(table: MigratedTable, direction: Direction): boolean {
  const source = direction === 'forward' ? table.legacyColumns : table.targetColumns;
  const types = new Map(source.map(({ name, type }) => [quoteIdentifier(name), type]));
  return mappingOf(table, direction).every(({ type, expression }) => {
    const captured = types.get(expression);
    return captured === undefined || travelsAsText(captured) === travelsAsText(type);
  });
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

/** Columns that travel as text are declared so and cast afterwards. */
function declared(columns: readonly WireColumn[]): string {
  return columns.map(({ name, type }) => `${quoteIdentifier(name)} ${travelsAsText(type) ? 'text' : type}`).join(', ');
}

function fields(columns: readonly WireColumn[], row: string): string {
  return columns
    .map(({ name, type }) => {
      const value = `${row}.${quoteIdentifier(name)}`;
      return travelsAsText(type) ? `${value}::${type} AS ${quoteIdentifier(name)}` : value;
    })
    .join(', ');
}

/** @param type as `format_type` prints it */
export function travelsAsText(type: string): boolean {
  return !JSON_TYPES.has(baseOf(type));
}

/** `numeric(12,2)` is `numeric`, `timestamp(3) with time zone` is `timestamp with time zone`, `interval day` stays outside. */
export function baseOf(type: string): string {
  return type.replace(/\([\d,-]+\)/, '');
}

/** What the type prints, and not a cast to text, which takes the blanks off a domain over char. concat(NULL) is an empty text. */
function carried(type: string, value: string): string {
  if (!travelsAsText(type)) return value;
  if (type === 'json' || type === 'jsonb') return `${value}::text`;
  return `CASE WHEN ${value} IS DISTINCT FROM NULL THEN concat(${value}) END`;
}
