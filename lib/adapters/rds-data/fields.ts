/** Values to the Data API's typed parameters, and its records back to the port's rows. */
import type { ColumnMetadata, Field, SqlParameter } from '@aws-sdk/client-rds-data';
import type { SqlResultValue, SqlRow } from '../../ports/sql.ts';
import type { SqlValue } from '../../sql/statement.ts';

/**
 * Whole numbers travel as int8, others as float8, text as text: a query casts where it needs another type (`$1::uuid`).
 * bigint travels as text, because the SDK's numbers lose digits above 2^53; so it always needs `$1::bigint`.
 */
export function toParameters(values: readonly SqlValue[]): SqlParameter[] {
  return values.map((value, index) => ({ name: `p${index + 1}`, value: toField(value) }));
}

function toField(value: SqlValue): Field {
  if (value === null) return { isNull: true };
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { booleanValue: value };
  if (typeof value === 'bigint') return { stringValue: value.toString() };
  if (Number.isSafeInteger(value)) return { longValue: value };
  if (Number.isFinite(value)) return { doubleValue: value };
  // JSON has no NaN and no infinity.
  return { stringValue: String(value) };
}

export function toRows(
  columns: readonly ColumnMetadata[] | undefined,
  records: readonly (readonly Field[])[] | undefined,
): readonly SqlRow[] {
  if (columns === undefined || records === undefined) return [];
  const names = columns.map((column) => column.label ?? column.name ?? '');
  return records.map((record) =>
    Object.fromEntries(record.map((field, index) => [names[index], toResultValue(field, columns[index]?.typeName)])),
  );
}

const NUMBER_TYPES: ReadonlySet<string> = new Set(['int2', 'int4', 'float4', 'float8', 'serial', 'smallserial']);

function toResultValue(field: Field, typeName: string | undefined): SqlResultValue {
  if (field.isNull === true) return null;
  if (field.booleanValue !== undefined) return field.booleanValue;
  if (field.blobValue !== undefined) return `\\x${Buffer.from(field.blobValue).toString('hex')}`;
  if (field.arrayValue !== undefined)
    throw new TypeError('a column came back as an array; cast it to text in the query');
  const value = field.stringValue ?? field.longValue ?? field.doubleValue;
  if (value === undefined) throw new TypeError(`a column of type ${typeName ?? 'unknown'} came back without a value`);
  return NUMBER_TYPES.has(typeName ?? '') ? Number(value) : String(value);
}
