/** Drill-down in the database: a differing chunk is cut at the same keys in both stores, so that rows need not travel. */
import type { KeyBounds } from '../../domain/chunk.ts';
import type { Fingerprint } from '../../domain/digest.ts';
import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import { keyValues, orderedKey, rowKeyOf, type TablesByName } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { SqlValue, Statement } from '../statement.ts';
import { aggregateFingerprint, fingerprintSql, rowFingerprint } from './fingerprint.ts';
import { type ComparedTenants, insideScope, scopeValue } from './scope.ts';

export interface Split {
  readonly range: KeyBounds;
  /** Inclusive upper bounds of every part but the last, in key order. */
  readonly bounds: readonly string[];
  readonly tenants: ComparedTenants;
  readonly fingerprint: Fingerprint;
}

export interface PartDigest {
  /** 0…bounds. A part without rows is not answered. */
  readonly part: number;
  readonly rows: string;
  readonly digest: string;
}

export interface RowDigest {
  readonly row_key: string;
  readonly digest: string;
}

export function digestParts(table: MigratedTable, tables: TablesByName, store: StoreName, split: Split): Statement {
  const sql = fingerprintSql(table, store, 'r', split.fingerprint);
  const digest = aggregateFingerprint(sql, { hash: 'row_hash', bytes: 'row_bytes' }, keyOrder(table), 'true');
  return {
    text: `
${placedRows(table, tables, store, split)}
SELECT part, count(*)::text AS rows, ${digest} AS digest FROM placed WHERE NOT is_bound GROUP BY part ORDER BY part`,
    values: placedValues(split),
  };
}

/** Key and fingerprint of each row of the parts that differ. */
export function digestRows(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  split: Split,
  parts: readonly number[],
): Statement {
  const sql = fingerprintSql(table, store, 'r', split.fingerprint);
  const placed = {
    ...sql,
    hash: sql.hash === null ? null : 'row_hash',
    bytes: sql.bytes === null ? null : 'row_bytes',
  };
  return {
    text: `
${placedRows(table, tables, store, split)}
SELECT row_key, ${rowFingerprint(placed)} AS digest FROM placed
WHERE NOT is_bound AND part IN (SELECT value::integer FROM json_array_elements_text($5::json))`,
    values: [...placedValues(split), JSON.stringify(parts)],
  };
}

/** Rows and bounds in one key order: a row's part is the number of bounds before it. A row that equals a bound comes before it. */
function placedRows(table: MigratedTable, tables: TablesByName, store: StoreName, split: Split): string {
  const sql = fingerprintSql(table, store, 'r', split.fingerprint);
  const columns = table.key.map(({ name }, index) => `r.${quote(name)} AS key_${index}`);
  const bounds = keyValues(table, 'bound.row_key').map((value, index) => `${value} AS key_${index}`);
  return `WITH marked AS (
  SELECT ${columns.join(', ')}, ${rowKeyOf(table, 'r')} AS row_key, (${sql.hash ?? 'NULL'})::bigint AS row_hash, (${sql.bytes ?? 'NULL'})::bytea AS row_bytes, false AS is_bound
  FROM ${quoteRelation(table)} AS r
  WHERE ${inRange(table, 'r', '$1::text', '$2::text', split.range)} AND ${insideScope(table, tables, 'r', '$3', split.tenants)}
  UNION ALL
  SELECT ${bounds.join(', ')}, NULL, NULL, NULL, true FROM json_array_elements_text($4::json) AS bound(row_key)
), placed AS (
  SELECT *, (count(*) FILTER (WHERE is_bound) OVER (ORDER BY ${keyOrder(table)}, is_bound ROWS UNBOUNDED PRECEDING))::integer AS part FROM marked
)`;
}

function placedValues({ range, tenants, bounds }: Split): SqlValue[] {
  return [range.after, range.through, scopeValue(tenants), JSON.stringify(bounds)];
}

function keyOrder(table: MigratedTable): string {
  return table.key
    .map(({ type }, index) => orderedKey({ name: `key_${index}`, type }, 'keys').replace('keys.', ''))
    .join(', ');
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
