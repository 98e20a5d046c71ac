/** SQL fragments of a migrated table: its row key as text, its tenant, its columns as the receiver wants them. */
import type { Direction } from '../domain/direction.ts';
import { type KeyColumn, type MappedColumn, type MigratedTable, NO_TENANT } from '../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './identifier.ts';

export type TablesByName = ReadonlyMap<string, MigratedTable>;

/**
 * The row key as text: a JSON list of the key's values, the same in both stores and under any TimeZone, DateStyle and bytea_output.
 * Floats and intervals as keys lean on the settings that Crossfade's roles and triggers pin.
 */
export function rowKeyOf(table: MigratedTable, row: string): string {
  const parts = table.key.map(({ name, type }) => keyPart(`${row}.${quoteIdentifier(name)}`, type));
  return `json_build_array(${parts.join(', ')})::text`;
}

function keyPart(value: string, type: string): string {
  // 1.0 and 1.00 are one key.
  if (type.startsWith('numeric')) return `trim_scale(${value})`;
  // No backslash in a literal: capture runs in sessions of applications, where standard_conforming_strings may be off.
  if (type === 'bytea') return `chr(92) || 'x' || encode(${value}, 'hex')`;
  // As JSON prints it in UTC, whatever the session's zone is: 2026-01-01T00:00:00+00:00.
  if (/^timestamp(\(\d\))? with time zone$/.test(type))
    return `CASE WHEN isfinite(${value}) THEN replace((to_json(${value} AT TIME ZONE 'UTC') #>> '{}') || '+00:00', ' BC+00:00', '+00:00 BC') ELSE to_json(${value}) #>> '{}' END`;
  return value;
}

/** The key's columns as typed values taken from a row key in text form. */
export function keyValues(table: MigratedTable, rowKey: string): readonly string[] {
  return table.key.map(({ type }, index) => `((${rowKey})::json ->> ${index})::${type}`);
}

/** `t.a = <a of the row key> AND …`, usable with the primary key's index. */
export function matchesRowKey(table: MigratedTable, row: string, rowKey: string): string {
  const values = keyValues(table, rowKey);
  return table.key.map(({ name }, index) => `${row}.${quoteIdentifier(name)} = ${values[index]}`).join(' AND ');
}

/**
 * Text keys are ordered and compared bytewise, whatever the stores' collations are (prior art, trap 22). A type of its own is ordered
 * by its own operators and compared by those of text, because sessions have no public schema in their path: only a cast makes one of both.
 */
export function orderedKey(column: KeyColumn, row: string): string {
  const value = `${row}.${quoteIdentifier(column.name)}`;
  if (!isTextKey(column)) return value;
  return isBuiltInText(column) ? `${value} COLLATE "C"` : `${value}::text COLLATE "C"`;
}

export function isTextKey(column: KeyColumn): boolean {
  return isBuiltInText(column) || column.isLikeText === true;
}

export function isBuiltInText({ type }: KeyColumn): boolean {
  return /^(text|character varying|character|name)\b/.test(type);
}

/**
 * The tenant of a row, through its parents where the plan says so. A row whose tenant is NULL or whose parent is gone
 * belongs to the shared tenant `*`.
 */
export function tenantOf(table: MigratedTable, tables: TablesByName, row: string): string {
  const path = tenantPath(table, tables, row);
  // By its bytes, as tenant_state has it: a column's own collation may take two tenants for one.
  return path === null ? quoteLiteral(NO_TENANT) : `coalesce((${path}), ${quoteLiteral(NO_TENANT)}) COLLATE "C"`;
}

function tenantPath(table: MigratedTable, tables: TablesByName, row: string): string | null {
  if (table.tenant.kind === 'none') return null;
  if (table.tenant.kind === 'column') return `${row}.${quoteIdentifier(table.tenant.column)}::text`;
  const parent = tables.get(table.tenant.parent);
  if (parent === undefined)
    throw new RangeError(`table ${table.name} has parent ${table.tenant.parent}, which is not in the plan`);
  const alias = quoteIdentifier(`${row.replaceAll('"', '')}_parent`);
  const path = tenantPath(parent, tables, alias);
  if (path === null) return null;
  const match = table.tenant.on.map(
    (pair) => `${alias}.${quoteIdentifier(pair.parentColumn)} = ${row}.${quoteIdentifier(pair.column)}`,
  );
  return `SELECT ${path.startsWith('SELECT') ? `(${path})` : path} FROM ${quoteRelation(parent)} AS ${alias} WHERE ${match.join(' AND ')}`;
}

export function mappingOf(table: MigratedTable, direction: Direction): readonly MappedColumn[] {
  return direction === 'forward' ? table.forward : table.reverse;
}

/** A scalar subquery (an alias that is also a column's name would print that column): the row as a JSON object of the receiver's columns. `row` is an alias of the source's row type. */
export function mappedJson(table: MigratedTable, direction: Direction, row: string): string {
  const fields = mappingOf(table, direction).map(
    ({ column, expression }) => `(${expression}) AS ${quoteIdentifier(column)}`,
  );
  return `(SELECT row_to_json(crossfade_mapped) FROM (SELECT ${fields.join(', ')} FROM (SELECT ${row}.*) AS source_row) AS crossfade_mapped)`;
}
