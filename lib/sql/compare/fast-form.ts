/**
 * The fast digest of a row: PostgreSQL's own 64-bit hash of a record, which builds no text and sees what `=` sees (3.10 = 3.1).
 *
 * hash_record_extended multiplies by 31 and adds, and so does a sum over rows: with one seed for all, values of a column that
 * changed places between two rows would leave the sum as it was. Each row is therefore hashed with a seed made of its key.
 */
import { inPages } from '../../domain/chunk.ts';
import type { KeyColumn, MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier } from '../identifier.ts';
import { castTo, comparedType } from './compared-types.ts';
import { type ComparedValue, exactRecord } from './exact-form.ts';

/**
 * Columns of a table in which the fast form takes some different values for equal: documents. Critical ones are compared by value
 * besides, whatever the form (ADR 024).
 */
export function blindColumns({ forward, critical }: MigratedTable): readonly string[] {
  return forward
    .filter(({ column, type }) => isBlindTo(type) && !critical.includes(column))
    .map(({ column, type }) => `${column} (${type})`);
}

function isBlindTo(type: string): boolean {
  const { base, isArray } = comparedType(type);
  return base === 'jsonb' && !isArray;
}

/** bigint, never NULL. */
export function fastHash(values: readonly ComparedValue[], key: readonly KeyColumn[], row: string): string {
  return hashOf(values.flatMap(fastFields), keySeed(key, row));
}

/** A row constructor takes 1664 entries; a table has up to 1600 columns, and a column up to three fields. */
const FIELDS_AT_ONCE = 1_600;

/** @param seed SQL of a bigint. Fields that do not fit one record are hashed with the hash of those before as their seed. */
export function hashOf(fields: readonly string[], seed: string): string {
  return inPages(fields, FIELDS_AT_ONCE).reduce(
    (before, page) => `hash_record_extended(ROW(${page.join(', ')}), ${before})`,
    seed,
  );
}

/** What stands for a column: a type without a hash in a form that has one. */
export function fastFields(compared: ComparedValue): readonly string[] {
  const { base, isArray, kind, send } = comparedType(compared.type);
  const typed = castTo(compared.value, compared.type);
  if (isArray) return arrayFields(compared, typed);
  if (send !== undefined) return [`${send}(${typed})`];
  if (base === 'numeric') return [typed, ...numericMarks(typed, compared.type)];
  if (base === 'numrange') return [typed, `lower(${typed}) < 0`, `upper(${typed}) < 0`];
  if (base === 'nummultirange') return [exactRecord([compared])];
  // jsonb_hash is blind to the sign of a number and to where a list or object ends; its text would double the time of the whole form.
  if (isBlindTo(compared.type)) return [typed];
  if (base === 'character') return [`${typed} COLLATE "C"`];
  if (kind === 'text' || kind === 'printed' || kind === 'own') return [`(${typed})::text COLLATE "C"`];
  return [typed];
}

/** The hash of an array leaves out its dimensions and bounds. */
function arrayFields(compared: ComparedValue, typed: string): readonly string[] {
  const { base, kind, send } = comparedType(compared.type);
  if (send !== undefined || base.startsWith('num')) return [exactRecord([compared])];
  if (kind === 'text') return [`${typed} COLLATE "C"`, `array_dims(${typed})`];
  if (kind === 'plain' || kind === 'styled') return [typed, `array_dims(${typed})`];
  return [`(${typed})::text COLLATE "C"`];
}

/** Its hash leaves out the sign, and NaN and infinity have one; a column with a precision cannot hold infinity. */
function numericMarks(typed: string, declared: string): readonly string[] {
  return [`${typed} < 0`, ...(declared === 'numeric' ? [`${typed} = 'Infinity'`] : [])];
}

/** Never the key itself: 0 hashes to its seed, and sums of keys are alike too easily. */
function keySeed(key: readonly KeyColumn[], row: string): string {
  const values = key.map(({ name, type }) => ({ value: `${row}.${quoteIdentifier(name)}`, type }));
  const [only] = values;
  if (values.length === 1 && only !== undefined && /^(smallint|integer|bigint)$/.test(only.type))
    return `hashint8extended((${only.value})::bigint, 0)`;
  return hashOf(values.flatMap(fastFields), '0');
}
