import type { Statement } from '../statement.ts';

export interface UniqueIndexRow {
  /** The column's name, or the expression's text. */
  readonly part: string;
  readonly is_column: boolean;
  /** It can be set to NULL: a generated column cannot. */
  readonly nullable: boolean;
  readonly predicate: string | null;
}

/** The parts of a unique index or constraint by its name; INCLUDE columns are left out (prior art, trap 19). */
export function uniqueIndex(relation: string, index: string): Statement {
  return {
    text: `
SELECT coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, part.position::integer, true)) AS part, a.attname IS NOT NULL AS is_column,
       coalesce(NOT a.attnotnull AND a.attgenerated = '', false) AS nullable, pg_get_expr(i.indpred, i.indrelid) AS predicate
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS part(attnum, position)
LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = part.attnum AND part.attnum > 0
WHERE i.indrelid = $1::text::regclass AND c.relname = $2::text AND i.indisunique AND part.position <= i.indnkeyatts
ORDER BY part.position`,
    values: [relation, index],
  };
}
