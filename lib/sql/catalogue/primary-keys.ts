import type { Statement } from '../statement.ts';

export interface PrimaryKeyRow {
  readonly schema: string;
  readonly relation: string;
  readonly name: string;
  readonly type: string;
  readonly deferrable: boolean;
  /** False when equality of the key's collation is not equality of bytes. */
  readonly deterministic: boolean;
  /** PostgreSQL takes its values for text as they are stored, as those of a domain over text and of citext. */
  readonly like_text: boolean;
  /** A document, a list or a record, or a domain over one: its values have parts of their own inside a row key. */
  readonly nested: boolean;
}

/** Primary key columns in key order. A deferrable key cannot order events (protocol §3.4). */
export function primaryKeys(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       k.condeferrable AS deferrable, coalesce(l.collisdeterministic, true) AS deterministic, t.typcategory = 'S' AND (
         EXISTS (SELECT FROM pg_cast c WHERE c.castsource = t.oid AND c.casttarget = 'text'::regtype AND c.castmethod = 'b') OR t.typbasetype IN ('text'::regtype, 'varchar'::regtype)
       ) AS like_text, t.typcategory IN ('A', 'C') OR EXISTS (
         WITH RECURSIVE base AS (
           SELECT t.oid, t.typbasetype UNION ALL SELECT b.oid, b.typbasetype FROM base JOIN pg_type b ON b.oid = base.typbasetype
         ) SELECT FROM base JOIN pg_type b ON b.oid = base.oid WHERE b.oid IN ('json'::regtype, 'jsonb'::regtype) OR b.typtype = 'c' OR b.typcategory = 'A'
       ) AS nested
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS part(attnum, position)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = part.attnum
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation l ON l.oid = a.attcollation
ORDER BY n.nspname, c.relname, part.position`,
    values: [JSON.stringify(relations)],
  };
}
