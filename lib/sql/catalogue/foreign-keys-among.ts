import type { Statement } from '../statement.ts';

export interface ForeignKeyAmongRow {
  readonly name: string;
  readonly schema: string;
  readonly relation: string;
  readonly parent_schema: string;
  readonly parent_relation: string;
  readonly column: string;
  readonly parent_column: string;
  /** The column may be NULL. */
  readonly nullable: boolean;
}

/** Foreign keys from one of these relations to another, or to itself: a row for each column. */
export function foreignKeysAmong(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
WITH wanted AS (
  SELECT c.oid, n.nspname, c.relname FROM json_array_elements($1::json) AS given
  JOIN pg_namespace AS n ON n.nspname = given ->> 0 JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = given ->> 1
)
SELECT k.conname::text AS name, child.nspname::text AS schema, child.relname::text AS relation, parent.nspname::text AS parent_schema,
       parent.relname::text AS parent_relation, a.attname::text AS column, pa.attname::text AS parent_column, NOT a.attnotnull AS nullable
FROM pg_constraint AS k JOIN wanted AS child ON child.oid = k.conrelid JOIN wanted AS parent ON parent.oid = k.confrelid
CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS pair(child, parent, place)
JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = pair.child
JOIN pg_attribute AS pa ON pa.attrelid = k.confrelid AND pa.attnum = pair.parent
WHERE k.contype = 'f'
ORDER BY 2, 3, 1, pair.place`,
    values: [JSON.stringify(relations)],
  };
}
