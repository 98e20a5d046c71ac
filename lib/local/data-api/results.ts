/**
 * Rows as fields of the Data API, from the text that PostgreSQL printed: int8 and numeric keep every digit. Types that Aurora
 * Serverless v2 refuses are refused here too (geometric, monetary, ranges, composite, user-defined, arrays of arrays).
 */
import pg from 'pg';
import { DataApiError } from './errors.ts';
import type { Limits } from './limits.ts';

export interface RawResult {
  readonly command: string;
  readonly rowCount: number | null;
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface ResultOptions {
  readonly longReturnType?: string | undefined;
  readonly decimalReturnType?: string | undefined;
}

type Encoder = (text: string) => unknown;

const BOOL = 16;
const NUMERIC = 1700;
/** First OID of what users and extensions define. */
const FIRST_USER_OID = 16384;
/** money, geometric types, ranges and multiranges, record. */
const UNSUPPORTED = new Set([
  790, 600, 601, 602, 603, 604, 628, 718, 3904, 3906, 3908, 3910, 3912, 3926, 4451, 4532, 4533, 4534, 4535, 4536, 2249,
  2287,
]);
// biome-ignore format: a table
const TYPE_NAMES: Readonly<Record<number, string>> = {
  16: 'bool', 17: 'bytea', 18: 'char', 19: 'name', 20: 'int8', 21: 'int2', 23: 'int4', 25: 'text', 26: 'oid', 114: 'json', 700: 'float4',
  701: 'float8', 790: 'money', 600: 'point', 1042: 'bpchar', 1043: 'varchar', 1082: 'date', 1083: 'time', 1114: 'timestamp', 1184: 'timestamptz',
  1186: 'interval', 1266: 'timetz', 1700: 'numeric', 2249: 'record', 2950: 'uuid', 3802: 'jsonb', 5069: 'xid8',
};
// biome-ignore format: a table
/** java.sql.Types, which `ColumnMetadata.type` is made of; OTHER for the rest. */
const JDBC_TYPES: Readonly<Record<string, number>> = {
  bool: -7, bytea: -2, char: 1, int8: -5, int2: 5, int4: 4, oid: -5, float4: 7, float8: 8, bpchar: 1, varchar: 12, text: 12, name: 12,
  date: 91, time: 92, timetz: 92, timestamp: 93, timestamptz: 93, numeric: 2,
};
const JDBC_OTHER = 1111;

// biome-ignore format: a table
/** Array type to the type of its elements. */
const ELEMENT_OF: Readonly<Record<number, number>> = {
  1000: 16, 1003: 19, 1005: 21, 1007: 23, 1009: 25, 1014: 1042, 1015: 1043, 1016: 20, 1021: 700, 1022: 701, 1028: 26, 1115: 1114, 1182: 1082,
  1183: 1083, 1185: 1184, 1231: 1700, 199: 114, 2951: 2950, 3807: 3802,
};

/** Numbers go out with the digits that came in: JSON.stringify would round int8 (TypeScript has no declaration of rawJSON yet). */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
const parseBytea = pg.types.getTypeParser(17) as (text: string) => Buffer;
/** The parser of text[] keeps the text of every element, whatever its type. */
const parseArray = pg.types.getTypeParser(1009 as never) as (text: string) => unknown[];

/** @throws {DataApiError} UnsupportedResultException for a type or a size that the Data API does not return. */
export function encodeRows(result: RawResult, options: ResultOptions, limits: Limits): readonly (readonly unknown[])[] {
  const encoders = result.fields.map((field) => encoderOf(field.dataTypeID, options));
  let total = 0;
  return result.rows.map((row) => {
    let size = 0;
    for (const text of row) if (text !== null) size += Buffer.byteLength(text);
    if (size > limits.rowBytes) {
      throw new DataApiError(
        'UnsupportedResultException',
        `Packet for query is too large: a row of ${size} bytes, the limit is ${limits.rowBytes}`,
      );
    }
    total += size;
    if (total > limits.responseBytes) throw responseTooLarge();
    return row.map((text, column) => (text === null ? { isNull: true } : encoders[column]?.(text)));
  });
}

/** `formatRecordsAs: JSON`: one JSON text with an object a row. */
export function formatRows(result: RawResult, limits: Limits): string {
  const records = encodeRows(result, {}, limits).map((row) =>
    Object.fromEntries(
      row.map((field, column) => [result.fields[column]?.name ?? '', plain(field as Record<string, unknown>)]),
    ),
  );
  return JSON.stringify(records);
}

export function describeColumns(result: RawResult): readonly unknown[] {
  return result.fields.map(({ name, dataTypeID }) => {
    const typeName = TYPE_NAMES[dataTypeID] ?? TYPE_NAMES[ELEMENT_OF[dataTypeID] ?? 0]?.replace(/^/, '_') ?? 'text';
    return {
      name,
      label: name,
      typeName,
      type: dataTypeID in ELEMENT_OF ? 2003 : (JDBC_TYPES[typeName] ?? JDBC_OTHER),
      arrayBaseColumnType: 0,
      isAutoIncrement: false,
      isCaseSensitive: false,
      isCurrency: false,
      isSigned: /^(int|float|numeric)/.test(typeName),
      nullable: 1,
      precision: 0,
      scale: 0,
      schemaName: '',
      tableName: '',
    };
  });
}

export function responseTooLarge(): DataApiError {
  return new DataApiError('UnsupportedResultException', 'Database response exceeded size limit');
}

function encoderOf(oid: number, options: ResultOptions): Encoder {
  const element = ELEMENT_OF[oid];
  if (element !== undefined) return arrayEncoder(element);
  if (UNSUPPORTED.has(oid) || oid >= FIRST_USER_OID) {
    throw new DataApiError(
      'UnsupportedResultException',
      `The result contains the unsupported data type ${TYPE_NAMES[oid] ?? `with OID ${oid}`}; cast it to text`,
    );
  }
  if (oid === BOOL) return (text) => ({ booleanValue: text === 't' });
  if (isLong(oid)) return options.longReturnType === 'STRING' ? asString : (text) => ({ longValue: rawJson(text) });
  if (isDouble(oid)) return (text) => ({ doubleValue: double(text) });
  if (oid === NUMERIC && options.decimalReturnType === 'DOUBLE_OR_LONG') {
    return (text) => (/^-?\d{1,18}$/.test(text) ? { longValue: rawJson(text) } : { doubleValue: double(text) });
  }
  if (oid === 17) return (text) => ({ blobValue: parseBytea(text).toString('base64') });
  if (oid === 1184) return (text) => ({ stringValue: timestampInUtc(text) });
  return asString;
}

function arrayEncoder(element: number): Encoder {
  return (text) => {
    const items = parseArray(text);
    if (items.some((item) => Array.isArray(item))) {
      throw new DataApiError(
        'UnsupportedResultException',
        'The result contains a multidimensional array; cast it to text',
      );
    }
    if (items.some((item) => item === null)) {
      throw new DataApiError(
        'UnsupportedResultException',
        'The result contains an array with a NULL element; cast it to text',
      );
    }
    const texts = items as readonly string[];
    if (element === BOOL) return { arrayValue: { booleanValues: texts.map((item) => item === 't') } };
    if (isLong(element)) return { arrayValue: { longValues: texts.map((item) => rawJson(item)) } };
    if (isDouble(element)) return { arrayValue: { doubleValues: texts.map(double) } };
    return { arrayValue: { stringValues: element === 1184 ? texts.map(timestampInUtc) : texts } };
  };
}

function asString(text: string): unknown {
  return { stringValue: text };
}

function isLong(oid: number): boolean {
  return oid === 20 || oid === 21 || oid === 23 || oid === 26;
}

function isDouble(oid: number): boolean {
  return oid === 700 || oid === 701;
}

/** JSON has no NaN and no infinities: the protocol carries them as strings. */
function double(text: string): unknown {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** The Data API prints timestamptz in UTC and without its offset. */
function timestampInUtc(text: string): string {
  const match = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d+)?([+-]\d\d)(?::(\d\d))?$/.exec(text);
  if (match === null) return text;
  const [, year, month, day, hour, minute, second, fraction = '', offsetHours = '', offsetMinutes = '0'] = match;
  const sign = offsetHours.startsWith('-') ? -1 : 1;
  const shift = Number(offsetHours) * 60 + sign * Number(offsetMinutes);
  if (shift === 0) return `${text.slice(0, 19)}${fraction}`;
  const utc = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute) - shift,
    Number(second),
  );
  return `${new Date(utc).toISOString().slice(0, 19).replace('T', ' ')}${fraction}`;
}

function plain(field: Record<string, unknown>): unknown {
  if (field.isNull === true) return null;
  const [value] = Object.values(field);
  return value !== null && typeof value === 'object' && 'arrayValue' in field ? Object.values(value)[0] : value;
}
