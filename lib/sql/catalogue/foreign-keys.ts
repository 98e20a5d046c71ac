import type { Statement } from '../statement.ts';

export interface ForeignKeyRow {
  readonly schema: string;
  readonly relation: string;
  readonly parent_schema: string;
  readonly parent_relation: string;
  readonly name: string;
}

/** Foreign keys that leave the named relations, for the order in which tables are written. */
export function foreignKeys(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, pn.nspname::text AS parent_schema, p.relname::text AS parent_relation, k.conname::text AS name
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
JOIN pg_class p ON p.oid = k.confrelid
JOIN pg_namespace pn ON pn.oid = p.relnamespace
ORDER BY 1, 2, 5`,
    values: [JSON.stringify(relations)],
  };
}
