import type { Statement } from '../statement.ts';

export interface ColumnTypeRow {
  /** As `format_type` prints it, without modifier. */
  readonly type: string;
  readonly kind: 'enum' | 'domain' | 'composite' | 'range';
  /** Enum: labels in order. Domain: base type, NOT NULL, checks. Composite: its attributes. A JSON list of text. */
  readonly members: string;
}

/** Types that the columns of the named relations use and that somebody defined: enums, domains, composites, ranges. */
export function columnTypes(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
WITH used AS (
  SELECT DISTINCT coalesce(nullif(t.typelem, 0), t.oid) AS oid
  FROM json_array_elements($1::json) AS wanted
  JOIN pg_namespace n ON n.nspname = wanted ->> 0
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
)
SELECT format_type(t.oid, NULL) AS type, CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'c' THEN 'composite' ELSE 'range' END AS kind,
       CASE t.typtype
         WHEN 'e' THEN (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)
         WHEN 'd' THEN (SELECT json_agg(part ORDER BY part) FROM (
           SELECT 'base ' || format_type(t.typbasetype, t.typtypmod) AS part UNION ALL SELECT 'NOT NULL' WHERE t.typnotnull
           UNION ALL SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c') AS parts)
         WHEN 'c' THEN (SELECT json_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
                        FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
         ELSE (SELECT json_agg(format_type(r.rngsubtype, NULL)) FROM pg_range r WHERE r.rngtypid = t.oid) END::text AS members
FROM used JOIN pg_type t ON t.oid = used.oid
WHERE t.typtype IN ('e', 'd', 'c', 'r') AND t.typnamespace <> 'pg_catalog'::regnamespace
ORDER BY 1`,
    values: [JSON.stringify(relations)],
  };
}
