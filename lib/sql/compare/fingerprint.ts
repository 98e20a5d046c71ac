/**
 * The fingerprint of a row, computed in the database over the compared columns: in legacy the mapping's expression, in the
 * target the column, both cast to the target's declared type (design §4). Nothing of a row's contents leaves the store.
 */
import type { Fingerprint } from '../../domain/digest.ts';
import type { StoreName } from '../../domain/direction.ts';
import type { MappedColumn, MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier } from '../identifier.ts';
import { type ComparedValue, exactRecord } from './exact-form.ts';
import { fastHash } from './fast-form.ts';
import { jsonList } from './json-list.ts';

/** SQL of a row's fingerprint in parts that aggregate differently; at least one is there unless only rows are counted. */
export interface FingerprintSql {
  /** bigint: equal rows have equal hashes in both servers, proved by a probe. */
  readonly hash: string | null;
  /** bytea: SHA-256 or MD5 of the row's binary form. */
  readonly bytes: string | null;
  readonly form: Fingerprint['form'];
}

export function fingerprintSql(
  table: MigratedTable,
  store: StoreName,
  row: string,
  { form, columns }: Fingerprint,
): FingerprintSql {
  const valuesOf = (mapped: readonly MappedColumn[]) => mapped.map((column) => comparedValue(column, store, row));
  const critical = valuesOf(table.forward.filter(({ column }) => table.critical.includes(column)));
  const compared = columns === 'all' ? valuesOf(table.forward) : critical;
  // Row by row, because a chunk's rows put together may be larger than the gigabyte that a value can have.
  const bytes = (values: readonly ComparedValue[]) =>
    values.length === 0 ? null : digestOfBytes(form, exactRecord(values));
  if (form !== 'fast') return { hash: null, bytes: bytes(compared), form };
  // Critical columns are compared by value, whatever the form of the others is.
  return { hash: fastHash(compared, table.key, row), bytes: bytes(critical), form };
}

/** One row's fingerprint as text. */
export function rowFingerprint({ hash, bytes }: FingerprintSql): string {
  const parts = [...(hash === null ? [] : [`(${hash})::text`]), ...(bytes === null ? [] : [`encode(${bytes}, 'hex')`])];
  return parts.length === 0 ? `'present'::text` : parts.join(` || '/' || `);
}

/**
 * An aggregate over rows that stand in columns `hash` and `bytes`; those with bytes come in the order of their keys from a sorted
 * subquery, which an index gives for nothing: an ORDER BY of the aggregate sorts them all, a third of the whole exact digest.
 * Reads only rows that pass `filter`.
 */
export function aggregateFingerprint(sql: FingerprintSql, names: RowParts, filter: string): string {
  const only = filter === 'true' ? '' : `FILTER (WHERE ${filter})`;
  const joined = `string_agg(${names.bytes}, ''::bytea) ${only}`;
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
    (column) => `left(encode(sha256(${exactRecord([comparedValue(column, store, row)])}), 'hex'), 16)`,
  );
  return `${jsonList(digests)}::text`;
}

function digestOfBytes(form: Fingerprint['form'], bytes: string): string {
  return form === 'md5' ? `decode(md5(${bytes}), 'hex')` : `sha256(${bytes})`;
}

/** The value before any cast: an expression of the plan is over unqualified columns of the legacy row. */
export function comparedValue(
  { column, type, expression }: MappedColumn,
  store: StoreName,
  row: string,
): ComparedValue {
  if (store === 'target') return { value: `${row}.${quoteIdentifier(column)}`, type };
  const isColumn = /^"(?:[^"]|"")+"$/.test(expression);
  return {
    value: isColumn ? `${row}.${expression}` : `(SELECT (${expression}) FROM (SELECT ${row}.*) AS source_row)`,
    type,
  };
}
