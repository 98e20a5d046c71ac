/** What legacy makes of a payload: the row that it would hold, and that row as the target would get it. Reads only. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteLiteral, quoteRelation } from '../identifier.ts';
import { mappedJson, matchesRowKey, rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface DefaultRow {
  readonly column: string;
  /** SQL of the default. */
  readonly expression: string;
}

/** Defaults of a relation's columns; those that draw from a sequence are left out, because a dry run draws nothing. */
export function columnDefaults(table: MigratedTable): Statement {
  return {
    text: `
SELECT a.attname::text AS column, pg_get_expr(d.adbin, d.adrelid) AS expression
FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = $1::text::regclass AND a.attgenerated = '' AND pg_get_expr(d.adbin, d.adrelid) NOT LIKE '%nextval(%'`,
    values: [quoteRelation(table)],
  };
}

export interface MappedPayload {
  readonly row_key: string;
  readonly tenant: string;
  /** JSON text of the target's columns. */
  readonly row: string;
}

/** @param payload JSON text of legacy columns; an absent column gets its default. */
export function mapPayload(
  table: MigratedTable,
  tables: TablesByName,
  payload: string,
  defaults: readonly DefaultRow[],
): Statement {
  return {
    text: `
SELECT ${rowKeyOf(table, 'r')} AS row_key, ${tenantOf(table, tables, 'r')} AS tenant, ${mappedJson(table, 'forward', 'r')}::text AS row
FROM ${legacyRow(table, defaults)}`,
    values: [payload],
  };
}

/** One mapped column alone, to find which of them fail. */
export function mapColumn(
  table: MigratedTable,
  expression: string,
  payload: string,
  defaults: readonly DefaultRow[],
): Statement {
  return {
    text: `SELECT (${expression})::text IS NULL AS is_null FROM (SELECT r.* FROM ${legacyRow(table, defaults)}) AS source_row`,
    values: [payload],
  };
}

/** Whether `row` (JSON text) is a row of the relation, by its types; raises what is wrong with it. */
export function typeRow(table: MigratedTable, row: string): Statement {
  return {
    text: `SELECT (r IS NULL) AS empty FROM json_populate_record(NULL::${quoteRelation(table)}, $1::json) AS r`,
    values: [row],
  };
}

function legacyRow(table: MigratedTable, defaults: readonly DefaultRow[]): string {
  const relation = quoteRelation(table);
  const fields = defaults.map(({ column, expression }) => `${quoteLiteral(column)}, (${expression})`);
  const base = `json_populate_record(NULL::${relation}, json_build_object(${fields.join(', ')}))`;
  return `json_populate_record(${base}, $1::json) AS r`;
}

/** JSON text of one column of a row in JSON text; digits pass untouched. */
export function pickColumn(row: string, column: string): Statement {
  return { text: 'SELECT json_build_object($2::text, $1::json -> $2::text)::text AS row', values: [row, column] };
}

/** A row that legacy has, as the target would get it. */
export function readMapped(table: MigratedTable, rowKey: string): Statement {
  return {
    text: `SELECT ${mappedJson(table, 'forward', 'r')}::text AS row FROM ${quoteRelation(table)} AS r WHERE ${matchesRowKey(table, 'r', '$1::text')}`,
    values: [rowKey],
  };
}
