/**
 * How the built-in types are compared, from their names as `format_type` prints them. A type that is not here (enum, domain,
 * composite, extension) has another OID in every database and may be missing in one: its text is compared.
 */

/** Compared as text, bytewise: a cast to `varchar(3)` or `"char"` cuts silently where a write is refused, and would hide a difference. */
const TEXT: ReadonlySet<string> = new Set([
  'text',
  'character varying',
  'character',
  'name',
  '"char"',
  'bit',
  'bit varying',
]);

/** Text after a cast to the type, which is what makes two spellings one (jsonb, tsvector) or leaves them two (json, xml). */
const PRINTED: ReadonlySet<string> = new Set(['json', 'jsonb', 'jsonpath', 'xml', 'tsvector', 'tsquery']);

/** Their text is the same under every session setting; so is their binary form. */
const PLAIN: ReadonlySet<string> = new Set([
  'boolean',
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'uuid',
  'oid',
  'pg_lsn',
  'inet',
  'cidr',
  'macaddr',
  'macaddr8',
]);

/** Their text follows DateStyle, TimeZone, IntervalStyle, extra_float_digits, bytea_output or lc_monetary; their binary form does not. */
const STYLED: ReadonlySet<string> = new Set([
  'real',
  'double precision',
  'money',
  'date',
  'time without time zone',
  'time with time zone',
  'timestamp without time zone',
  'timestamp with time zone',
  'interval',
  'bytea',
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

/** Without an extended hash: the fast form hashes what this function sends. */
const SENT: ReadonlyMap<string, string> = new Map([
  ['money', 'cash_send'],
  ['point', 'point_send'],
  ['line', 'line_send'],
  ['lseg', 'lseg_send'],
  ['box', 'box_send'],
  ['path', 'path_send'],
  ['polygon', 'poly_send'],
  ['circle', 'circle_send'],
]);

/** Every type that is known by name; each has its array as well. */
export const BUILT_IN_TYPES: readonly string[] = [
  ...TEXT,
  ...PRINTED,
  ...PLAIN,
  ...new Set([...STYLED, ...SENT.keys()]),
];

/** `text`: bytewise; `printed`: text after the cast; `plain`, `styled`: binary; `own`: not built in, its text under the role's settings. */
export type ComparedKind = 'text' | 'printed' | 'plain' | 'styled' | 'own';

export interface ComparedType {
  /** `numeric(12,2)[]` is `numeric`, `timestamp(3) with time zone` is `timestamp with time zone`. */
  readonly base: string;
  readonly isArray: boolean;
  readonly kind: ComparedKind;
  /** Function that gives its bytes where it has no hash. */
  readonly send: string | undefined;
}

export function comparedType(declared: string): ComparedType {
  const isArray = declared.endsWith('[]');
  const base = baseType(declared);
  return { base, isArray, kind: kindOf(base), send: SENT.get(base) };
}

/** Cast to the plan's one declared type, sparing what a cast would cut. */
export function castTo(value: string, declared: string): string {
  const { base, isArray, kind } = comparedType(declared);
  if (kind === 'own') return `(${value})::text`;
  if (kind === 'text')
    return base === 'character' && !isArray ? `(${value})::bpchar` : `(${value})::text${isArray ? '[]' : ''}`;
  return `(${value})::${declared}`;
}

export function baseType(declared: string): string {
  const bare = declared.replace(/\[\]$/, '').replace(/\([^)]*\)/, '');
  return bare.startsWith('interval ') ? 'interval' : bare;
}

function kindOf(base: string): ComparedKind {
  if (TEXT.has(base)) return 'text';
  if (PRINTED.has(base)) return 'printed';
  if (PLAIN.has(base)) return 'plain';
  return STYLED.has(base) || SENT.has(base) ? 'styled' : 'own';
}
