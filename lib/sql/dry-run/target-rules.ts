/** The rules that a row must keep in the target, each of them asked by itself: PostgreSQL stops at the first one it finds broken. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { rowKeyOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface RuleRow {
  readonly kind: 'check' | 'foreign-key' | 'unique';
  readonly name: string;
  /** Checks: the expression. Others: empty. */
  readonly expression: string;
  /** Foreign keys: columns and the parent's, as JSON lists, and the parent as quoteRelation writes it. */
  readonly columns: string;
  readonly parent: string | null;
  readonly parent_columns: string;
}

export function targetRules(table: MigratedTable): Statement {
  return {
    text: `
SELECT CASE k.contype WHEN 'c' THEN 'check' ELSE 'foreign-key' END AS kind, k.conname::text AS name,
       coalesce(pg_get_expr(k.conbin, k.conrelid), '') AS expression, ${namesOf('k.conkey', 'k.conrelid')} AS columns,
       (SELECT '"' || replace(n.nspname, '"', '""') || '"."' || replace(p.relname, '"', '""') || '"' FROM pg_class p JOIN pg_namespace n ON n.oid = p.relnamespace WHERE p.oid = k.confrelid) AS parent,
       ${namesOf('k.confkey', 'k.confrelid')} AS parent_columns
FROM pg_constraint AS k WHERE k.conrelid = $1::text::regclass AND k.contype IN ('c', 'f')
UNION ALL
SELECT 'unique', c.relname::text, '', '[]', NULL, '[]'
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = $1::text::regclass AND i.indisunique AND NOT i.indisprimary
ORDER BY 1, 2`,
    values: [quoteRelation(table)],
  };
}

/** NULL keeps a check. */
export function breaksCheck(table: MigratedTable, { expression }: RuleRow, row: string): Statement {
  return {
    text: `SELECT NOT coalesce((${expression}), true) AS broken FROM json_populate_record(NULL::${quoteRelation(table)}, $1::json) AS ${quoteIdentifier(table.relation)}`,
    values: [row],
  };
}

/** A NULL in any column of the key asks for no parent (MATCH SIMPLE). */
export function missesParent(table: MigratedTable, rule: RuleRow, row: string): Statement {
  // JSON lists that targetRules made.
  const columns = JSON.parse(rule.columns) as readonly string[];
  const parentColumns = JSON.parse(rule.parent_columns) as readonly string[];
  const given = columns.map((column) => `r.${quoteIdentifier(column)} IS NOT NULL`).join(' AND ');
  const match = columns
    .map((column, index) => `p.${quoteIdentifier(parentColumns[index] ?? '')} = r.${quoteIdentifier(column)}`)
    .join(' AND ');
  return {
    text: `SELECT ${given} AND NOT EXISTS (SELECT FROM ${rule.parent} AS p WHERE ${match}) AS broken FROM json_populate_record(NULL::${quoteRelation(table)}, $1::json) AS r`,
    values: [row],
  };
}

export interface ParentKeyRow {
  /** The parent's row key. */
  readonly row_key: string;
  readonly is_self: boolean;
}

/** The row key of a row's parent; null where the foreign key does not point at the parent's key. */
export function parentKey(table: MigratedTable, rule: RuleRow, parent: MigratedTable, row: string): Statement | null {
  // JSON lists that targetRules made.
  const columns = JSON.parse(rule.columns) as readonly string[];
  const parentColumns = JSON.parse(rule.parent_columns) as readonly string[];
  const parts = parent.key.map(({ name }) => columns[parentColumns.indexOf(name)]);
  if (parts.length !== columns.length || parts.includes(undefined)) return null;
  const key = parts.map((column) => `r.${quoteIdentifier(column ?? '')}`).join(', ');
  const self = parent.name === table.name ? `json_build_array(${key})::text = ${rowKeyOf(table, 'r')}` : 'false';
  return {
    text: `SELECT json_build_array(${key})::text AS row_key, ${self} AS is_self FROM json_populate_record(NULL::${quoteRelation(table)}, $1::json) AS r`,
    values: [row],
  };
}

function namesOf(numbers: string, relation: string): string {
  return `coalesce((SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(${numbers}) WITH ORDINALITY AS u(attnum, place) JOIN pg_attribute a ON a.attrelid = ${relation} AND a.attnum = u.attnum), '[]')::text`;
}
