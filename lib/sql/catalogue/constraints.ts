import type { Statement } from '../statement.ts';

export interface ConstraintRow {
  readonly schema: string;
  readonly relation: string;
  readonly name: string;
  readonly kind: 'f' | 'c' | 'x';
  /** Columns of the table, as a JSON list. */
  readonly columns: string;
  /** Foreign keys: `schema.relation` of the parent and its columns as a JSON list. */
  readonly parent: string | null;
  readonly parent_columns: string;
  /** As PostgreSQL prints it, without NOT VALID. */
  readonly definition: string;
  /** Foreign keys: ON UPDATE, ON DELETE and MATCH codes, such as `aas`. */
  readonly actions: string;
  readonly deferrable: boolean;
  readonly validated: boolean;
}

/** Foreign keys, checks and exclusions of the named relations; keys and unique constraints are read as indexes. */
export function constraints(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, k.conname::text AS name, k.contype::text AS kind,
       coalesce((SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum), '[]')::text AS columns,
       CASE WHEN k.contype = 'f' THEN pn.nspname || '.' || p.relname END AS parent,
       coalesce((SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(k.confkey) WITH ORDINALITY AS u(attnum, place)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum), '[]')::text AS parent_columns,
       regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') AS definition,
       CASE WHEN k.contype = 'f' THEN k.confupdtype::text || k.confdeltype::text || k.confmatchtype::text ELSE '' END AS actions,
       k.condeferrable AS deferrable, k.convalidated AS validated
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('f', 'c', 'x')
LEFT JOIN pg_class p ON p.oid = k.confrelid
LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
ORDER BY 1, 2, 3`,
    values: [JSON.stringify(relations)],
  };
}
