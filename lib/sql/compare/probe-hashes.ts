/** Do both servers hash a type alike? Asked of both before the fast form is used, because PostgreSQL does not promise it (design §4). */
import type { MigratedTable } from '../../domain/table.ts';
import type { Statement } from '../statement.ts';
import { comparedType } from './compared-types.ts';
import { fastFields, hashOf } from './fast-form.ts';
import { jsonList } from './json-list.ts';

/** Literals whose hashes stand for the type. Types that are not here are hashed as text. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  boolean: ['true', 'false'],
  smallint: ['-1', '32767'],
  integer: ['-1', '2147483647'],
  bigint: ['-1', '9223372036854775807', '4294967300'],
  numeric: ['3.10', '-0.000001', '123456789012345678901234567890.5', 'NaN', 'Infinity', '0'],
  real: ['0.1', '-0', 'NaN', 'Infinity'],
  'double precision': ['0.1', '-0', 'NaN', '-Infinity'],
  uuid: ['11111111-2222-3333-4444-555555555555'],
  oid: ['1', '4294967295'],
  pg_lsn: ['16/B374D848'],
  money: ['1'],
  date: ['2024-02-29', 'infinity'],
  'time without time zone': ['23:59:59.999999', '24:00'],
  'time with time zone': ['23:59:59.999999+02', '01:00-03:30'],
  'timestamp without time zone': ['2024-02-29 12:34:56.789', 'infinity'],
  'timestamp with time zone': ['2024-02-29 12:34:56.789+02', '-infinity'],
  interval: ['P1M-3DT4H5M6.7S', 'P30D'],
  bytea: ['\\x00ff10', '\\x'],
  json: ['{"a": 1}'],
  jsonb: ['{"a":[1,2.50,null,"x"],"b":{"c":false}}', '[]', '"text"', '-0.10'],
  jsonpath: ['$.a'],
  xml: ['<a/>'],
  tsvector: ['a b'],
  tsquery: ['a & b'],
  inet: ['192.168.0.1/24', '::1'],
  cidr: ['10.0.0.0/8', '::/0'],
  macaddr: ['08:00:2b:01:02:03'],
  macaddr8: ['08:00:2b:01:02:03:04:05'],
  bit: ['101'],
  'bit varying': ['101', ''],
  point: ['(1,2)'],
  line: ['{1,2,3}'],
  lseg: ['(1,2),(3,4)'],
  box: ['(3,4),(1,2)'],
  path: ['[(1,2),(3,4)]'],
  polygon: ['((1,2),(3,4),(5,6))'],
  circle: ['<(1,2),3>'],
  int4range: ['[1,9)', 'empty', '(,5)'],
  int8range: ['[1,9)', 'empty'],
  numrange: ['[1.0,9.50]', 'empty'],
  tsrange: ['[2024-01-01,2024-02-01)', '(,)'],
  tstzrange: ['[2024-01-01 00:00+00,2024-02-01 00:00+00)', '(,)'],
  daterange: ['[2024-01-01,2024-02-01)', 'empty'],
  int4multirange: ['{[1,3),[5,9)}', '{}'],
  int8multirange: ['{[1,3),[5,9)}', '{}'],
  nummultirange: ['{[1.0,3.5],(5,)}', '{}'],
  tsmultirange: ['{[2024-01-01,2024-02-01)}'],
  tstzmultirange: ['{[2024-01-01 00:00+00,2024-02-01 00:00+00)}'],
  datemultirange: ['{[2024-01-01,2024-02-01)}'],
};
/** ASCII, because a database may be unable to hold anything else. */
const TEXTS = ['a', '', 'A b ', 'a longer text with all of 32 bytes'];

export interface HashProbeRow {
  /** JSON list, of lists where they are many: a hash a type, in the order asked. */
  readonly hashes: string;
}

/** Types of a table that the fast form hashes: of its compared columns and of its key. */
export function hashedTypes(table: MigratedTable): readonly string[] {
  return [...new Set([...table.forward.map(({ type }) => type), ...table.key.map(({ type }) => type)])];
}

/** One row, a hash a type: with a seed and without, because they are two ways through the server's code. */
export function probeHashes(types: readonly string[]): Statement {
  const hashes = types.map((declared, place) => {
    const { base, isArray, kind } = comparedType(declared);
    // What is compared as its text needs no value of its own type.
    const type = kind === 'own' || kind === 'text' ? 'text' : base;
    const fields = samplesOf(declared).map((_, index) => {
      const value = `(s.samples -> ${place} ->> ${index})::${type}`;
      const isList = isArray && kind !== 'own';
      return fastFields({ value: isList ? `ARRAY[${value}, NULL]` : value, type: isList ? `${type}[]` : type });
    });
    const row = [...fields.flat(), 'NULL::integer'];
    const hash = `${hashOf(row, '0')}::text || '/' || ${hashOf(row, '4711')}::text`;
    // Text is hashed as it is stored.
    return kind === 'plain' || kind === 'styled' ? hash : `${hash} || '/' || getdatabaseencoding()::text`;
  });
  return {
    text: `SELECT ${jsonList(hashes)}::text AS hashes FROM (SELECT $1::json AS samples) AS s`,
    values: [JSON.stringify(types.map(samplesOf))],
  };
}

function samplesOf(declared: string): readonly string[] {
  return SAMPLES[comparedType(declared).base] ?? TEXTS;
}

/** Raises where the server's cryptographic library forbids MD5. */
export const probeMd5: Statement = { text: `SELECT md5('')::text AS hash`, values: [] };
