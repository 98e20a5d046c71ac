import type { Statement } from '../statement.ts';

export interface ForeignKeyColumnRow {
  readonly parent_schema: string;
  readonly parent_relation: string;
  readonly column: string;
  readonly parent_column: string;
}

/** The columns of one foreign key and the columns of the parent that they refer to. */
export function foreignKeyColumns(relation: string, constraint: string): Statement {
  return {
    text: `
SELECT pn.nspname::text AS parent_schema, p.relname::text AS parent_relation, a.attname::text AS column, pa.attname::text AS parent_column
FROM pg_constraint AS k
JOIN pg_class AS p ON p.oid = k.confrelid JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS pair(child, parent)
JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = pair.child
JOIN pg_attribute AS pa ON pa.attrelid = k.confrelid AND pa.attnum = pair.parent
WHERE k.contype = 'f' AND k.conname = $2::text AND k.conrelid = $1::text::regclass`,
    values: [relation, constraint],
  };
}
