/** Do both servers hash a type alike? Asked of both before the fast form is used, because PostgreSQL does not promise it (design §4). */
import type { MigratedTable } from '../../domain/table.ts';
import type { Statement } from '../statement.ts';
import { baseType } from './fingerprint.ts';

/** Literals whose hashes stand for the type. A type that is not here has no proof: the exact form is used for its table. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  boolean: ['true', 'false'],
  smallint: ['-1', '32767'],
  integer: ['-1', '2147483647'],
  bigint: ['-1', '9223372036854775807'],
  numeric: ['3.10', '-0.000001', '123456789012345678901234567890.5', 'NaN'],
  real: ['0.1', '-0', 'NaN'],
  'double precision': ['0.1', '-0', 'NaN'],
  text: ['a', 'é€𐍈', ''],
  'character varying': ['a', 'é€𐍈', ''],
  character: ['a', 'é'],
  uuid: ['11111111-2222-3333-4444-555555555555'],
  date: ['2024-02-29', 'infinity'],
  'time without time zone': ['23:59:59.999999'],
  'timestamp without time zone': ['2024-02-29 12:34:56.789', 'infinity'],
  'timestamp with time zone': ['2024-02-29 12:34:56.789+02', '-infinity'],
  interval: ['1 mon -3 days 04:05:06.7'],
  bytea: ['\\x00ff10', '\\x'],
  jsonb: ['{"a":[1,2.50,null,"é"],"b":{"c":false}}', '[]'],
  inet: ['192.168.0.1/24', '::1'],
  cidr: ['10.0.0.0/8'],
  macaddr: ['08:00:2b:01:02:03'],
};

/** Compared types of a table that have no probe; empty when the fast form may be asked about. */
export function typesWithoutProbe(table: MigratedTable): readonly string[] {
  return [...new Set(table.forward.map(({ type }) => type))].filter((type) => SAMPLES[baseType(type)] === undefined);
}

/** One row: column `hashes`, a JSON list with one hash a type, in the order of `types`. */
export function probeHashes(types: readonly string[]): Statement {
  const hashes = types.map((type) => {
    const base = baseType(type);
    const values = (SAMPLES[base] ?? []).map((_, index) => {
      const value = `(s.samples -> '${base}' ->> ${index})::${base === 'character' ? 'bpchar' : base}`;
      if (type.endsWith('[]')) return `ARRAY[${value}, NULL]`;
      return base.startsWith('character') || base === 'text' ? `${value}::text COLLATE "C"` : value;
    });
    return `hash_record_extended(ROW(${[...values, 'NULL::integer'].join(', ')}), 0)::text`;
  });
  return {
    text: `SELECT json_build_array(${hashes.join(', ')})::text AS hashes FROM (SELECT $1::json AS samples) AS s`,
    values: [JSON.stringify(SAMPLES)],
  };
}
