/**
 * The fingerprint of a row, computed in the database over the compared columns: in legacy the mapping's expression, in the
 * target the column, both cast to the target's declared type (design §4). Nothing of a row's contents leaves the store.
 */
import type { Fingerprint } from '../../domain/digest.ts';
import type { StoreName } from '../../domain/direction.ts';
import type { MappedColumn, MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier } from '../identifier.ts';

/** SQL of a row's fingerprint in parts that aggregate differently; at least one is there unless only rows are counted. */
export interface FingerprintSql {
  /** bigint: equal rows have equal hashes in both servers, proved by a probe. */
  readonly hash: string | null;
  /** bytea: a digest of the row's canonical form. */
  readonly bytes: string | null;
  readonly form: Fingerprint['form'];
}

export function fingerprintSql(
  table: MigratedTable,
  store: StoreName,
  row: string,
  { form, columns }: Fingerprint,
): FingerprintSql {
  const critical = table.forward.filter(({ column }) => table.critical.includes(column));
  const compared = columns === 'all' ? table.forward : critical;
  const exact = (of: readonly MappedColumn[]) =>
    of.length === 0 ? null : hashOf(form === 'md5' ? 'md5' : 'exact', canonicalList(of, store, row));
  if (form !== 'fast') return { hash: null, bytes: exact(compared), form };
  const typed = compared.map((column) => typedValue(column, store, row));
  // Critical columns are compared by value, whatever the form of the others is.
  return { hash: `hash_record_extended(ROW(${typed.join(', ')}), 0)`, bytes: exact(critical), form };
}

/** One row's fingerprint as text. */
export function rowFingerprint({ hash, bytes }: FingerprintSql): string {
  const parts = [...(hash === null ? [] : [`(${hash})::text`]), ...(bytes === null ? [] : [`encode(${bytes}, 'hex')`])];
  return parts.length === 0 ? `'present'::text` : parts.join(` || '/' || `);
}

/** An aggregate over rows that stand in columns `hash` and `bytes`, in the order given. Reads only rows that pass `filter`. */
export function aggregateFingerprint(sql: FingerprintSql, names: RowParts, order: string, filter: string): string {
  const only = `FILTER (WHERE ${filter})`;
  const joined = `string_agg(${names.bytes}, ''::bytea ORDER BY ${order}) ${only}`;
  const parts = [
    ...(sql.hash === null ? [] : [`coalesce(sum(${names.hash}) ${only}, 0)::text`]),
    ...(sql.bytes === null ? [] : [`coalesce(encode(${digestOfBytes(sql.form, joined)}, 'hex'), '')`]),
  ];
  return parts.length === 0 ? `''::text` : parts.join(` || '/' || `);
}

export interface RowParts {
  readonly hash: string;
  readonly bytes: string;
}

/** A JSON list with a short digest of each compared column: tells which columns differ, and nothing of what they hold. */
export function columnDigests(table: MigratedTable, store: StoreName, row: string): string {
  const digests = table.forward.map(
    (column) =>
      `left(encode(sha256(convert_to(coalesce('=' || ${canonicalText(column, store, row)}, ''), 'UTF8')), 'hex'), 16)`,
  );
  return `${jsonList(digests)}::text`;
}

/** json_build_array takes at most 100 arguments. */
const ARGUMENTS = 90;

function canonicalList(columns: readonly MappedColumn[], store: StoreName, row: string): string {
  return `${jsonList(columns.map((column) => canonicalText(column, store, row)))}::text`;
}

/** JSON quotes and escapes, so no value can imitate a boundary, and NULL is not the empty string (prior art, trap 26). */
function jsonList(texts: readonly string[]): string {
  if (texts.length <= ARGUMENTS) return `json_build_array(${texts.join(', ')})`;
  const lists = Array.from({ length: Math.ceil(texts.length / ARGUMENTS) }, (_, page) =>
    jsonList(texts.slice(page * ARGUMENTS, (page + 1) * ARGUMENTS)),
  );
  return jsonList(lists);
}

function hashOf(form: 'exact' | 'md5', text: string): string {
  return form === 'md5' ? `decode(md5(${text}), 'hex')` : `sha256(convert_to(${text}, 'UTF8'))`;
}

function digestOfBytes(form: Fingerprint['form'], bytes: string): string {
  return form === 'md5' ? `decode(md5(${bytes}), 'hex')` : `sha256(${bytes})`;
}

/** The value before any cast: an expression of the plan is over unqualified columns of the legacy row. */
function sourceValue({ column, expression }: MappedColumn, store: StoreName, row: string): string {
  if (store === 'target') return `${row}.${quoteIdentifier(column)}`;
  return /^"(?:[^"]|"")+"$/.test(expression)
    ? `${row}.${expression}`
    : `(SELECT (${expression}) FROM (SELECT ${row}.*) AS source_row)`;
}

/** Text of a value that no session setting changes and that is the same for equal representations in both servers. */
function canonicalText(column: MappedColumn, store: StoreName, row: string): string {
  const value = sourceValue(column, store, row);
  const type = baseType(column.type);
  if (isArray(column.type)) return `${isBuiltIn(type) ? `(${value})::${arrayCast(column.type)}` : value}::text`;
  switch (type) {
    case 'timestamp with time zone':
      // JSON prints timestamps as ISO under any DateStyle; UTC makes them free of TimeZone.
      return `(to_json((${value})::${column.type} AT TIME ZONE 'UTC') #>> '{}')`;
    case 'timestamp without time zone':
    case 'date':
      return `(to_json((${value})::${column.type}) #>> '{}')`;
    case 'real':
    case 'double precision':
      // The bits: 1 of 10 million differs, -0 is not 0, and extra_float_digits does not matter.
      return `encode(float${type === 'real' ? 4 : 8}send((${value})::${column.type}), 'hex')`;
    case 'interval':
      return `encode(interval_send((${value})::${column.type}), 'hex')`;
    case 'bytea':
      return `encode((${value})::bytea, 'hex')`;
    case 'money':
      return `encode(cash_send((${value})::money), 'hex')`;
    default:
      return `(${castValue(value, column.type)})::text`;
  }
}

/** For the record hash: the value in the one declared type, text compared by bytes. */
function typedValue(column: MappedColumn, store: StoreName, row: string): string {
  const value = castValue(sourceValue(column, store, row), column.type);
  return TEXT_TYPES.has(baseType(column.type)) && !isArray(column.type) ? `(${value})::text COLLATE "C"` : value;
}

/**
 * An explicit cast to varchar(3) or bit(3) cuts silently where a write would have been refused, and so would hide a
 * difference: their length is left out. A type that is not built in may be missing in the other store: its text is compared.
 */
function castValue(value: string, declared: string): string {
  const type = baseType(declared);
  if (isArray(declared)) return isBuiltIn(type) ? `(${value})::${arrayCast(declared)}` : `(${value})::text`;
  if (type === 'character') return `(${value})::bpchar`;
  if (TEXT_TYPES.has(type) || UNSIZED_TYPES.has(type) || !isBuiltIn(type)) return `(${value})::text`;
  return `(${value})::${declared}`;
}

function arrayCast(declared: string): string {
  const type = baseType(declared);
  return TEXT_TYPES.has(type) || UNSIZED_TYPES.has(type) ? 'text[]' : declared;
}

const TEXT_TYPES: ReadonlySet<string> = new Set(['text', 'character varying', 'character', 'name', '"char"']);
const UNSIZED_TYPES: ReadonlySet<string> = new Set(['bit', 'bit varying']);
const BUILT_IN: ReadonlySet<string> = new Set([
  ...TEXT_TYPES,
  ...UNSIZED_TYPES,
  'boolean',
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'real',
  'double precision',
  'money',
  'uuid',
  'date',
  'time without time zone',
  'time with time zone',
  'timestamp without time zone',
  'timestamp with time zone',
  'interval',
  'bytea',
  'json',
  'jsonb',
  'xml',
  'inet',
  'cidr',
  'macaddr',
  'macaddr8',
  'tsvector',
  'tsquery',
  'point',
  'line',
  'lseg',
  'box',
  'path',
  'polygon',
  'circle',
  'int4range',
  'int8range',
  'numrange',
  'tsrange',
  'tstzrange',
  'daterange',
  'int4multirange',
  'int8multirange',
  'nummultirange',
  'tsmultirange',
  'tstzmultirange',
  'datemultirange',
]);

function isBuiltIn(type: string): boolean {
  return BUILT_IN.has(type);
}

function isArray(declared: string): boolean {
  return declared.endsWith('[]');
}

/** `numeric(12,2)[]` is `numeric`, `timestamp(3) with time zone` is `timestamp with time zone`. */
export function baseType(declared: string): string {
  return declared.replace(/\[\]$/, '').replace(/\([^)]*\)/, '');
}
