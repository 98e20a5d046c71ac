import type { Statement } from '../statement.ts';

export interface ColumnRow {
  readonly schema: string;
  readonly relation: string;
  readonly name: string;
  readonly type: string;
  readonly not_null: boolean;
  readonly has_default: boolean;
  readonly generated: boolean;
  readonly identity: '' | 'a' | 'd';
  readonly kind: string;
  readonly owner: string;
}

/** Columns of the named relations, in column order. `relations` is a JSON list of `[schema, relation]`. */
export function columns(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null, a.atthasdef AND a.attgenerated = '' AS has_default, a.attgenerated <> '' AS generated,
       a.attidentity::text AS identity, c.relkind::text AS kind, pg_get_userbyid(c.relowner)::text AS owner
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1 AND c.relkind IN ('r', 'p')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY n.nspname, c.relname, a.attnum`,
    values: [JSON.stringify(relations)],
  };
}
