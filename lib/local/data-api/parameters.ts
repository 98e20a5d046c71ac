/**
 * Parameters of a request, as values and declared types of the PostgreSQL protocol. Types are declared as the Data API does, text
 * for strings above all, so that a missing cast or type hint fails here as it fails on Aurora.
 */
import type { SqlParameter } from '@aws-sdk/client-rds-data';
import { DataApiError } from './errors.ts';

export interface BoundValue {
  /** OID of the declared type; 0 lets PostgreSQL infer it. */
  readonly type: number;
  readonly value: string | Buffer | null;
}

/** OIDs of pg_type. */
const OID = {
  bool: 16,
  bytea: 17,
  int8: 20,
  text: 25,
  json: 114,
  float8: 701,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  numeric: 1700,
  uuid: 2950,
};
const OID_OF_HINT: Readonly<Record<string, number>> = {
  DATE: OID.date,
  DECIMAL: OID.numeric,
  JSON: OID.json,
  TIME: OID.time,
  TIMESTAMP: OID.timestamp,
  UUID: OID.uuid,
};

/** Values in the order of `names`. @throws {DataApiError} BadRequestException for a missing name or an array. */
export function bindParameters(names: readonly string[], parameters: readonly SqlParameter[]): readonly BoundValue[] {
  if (names.length === 0 && parameters.every((parameter) => parameter.value?.arrayValue === undefined)) return [];
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  for (const parameter of parameters) {
    if (parameter.value?.arrayValue !== undefined)
      throw new DataApiError('BadRequestException', 'Array parameters are not supported.');
  }
  return names.map((name) => {
    const parameter = byName.get(name);
    if (parameter === undefined) throw new DataApiError('BadRequestException', `Cannot find parameter: ${name}`);
    return bind(parameter);
  });
}

function bind({ name, value, typeHint }: SqlParameter): BoundValue {
  const hinted = typeHint === undefined ? undefined : OID_OF_HINT[typeHint];
  if (typeHint !== undefined && hinted === undefined)
    throw new DataApiError('ValidationException', `Value '${typeHint}' at 'typeHint' is not supported`);
  if (value?.isNull === true) return { type: hinted ?? 0, value: null };
  if (value?.stringValue !== undefined) return { type: hinted ?? OID.text, value: value.stringValue };
  if (value?.longValue !== undefined) return { type: OID.int8, value: String(value.longValue) };
  if (value?.doubleValue !== undefined) return { type: OID.float8, value: String(value.doubleValue) };
  if (value?.booleanValue !== undefined) return { type: OID.bool, value: String(value.booleanValue) };
  // The body is JSON that the SDK has not parsed for us: a blob is still base64 text here.
  if (value?.blobValue !== undefined) return { type: OID.bytea, value: Buffer.from(String(value.blobValue), 'base64') };
  throw new DataApiError('BadRequestException', `Parameter ${name} has no value`);
}
