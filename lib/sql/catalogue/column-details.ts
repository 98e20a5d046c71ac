import type { Statement } from '../statement.ts';

export interface ColumnDetailRow {
  readonly schema: string;
  readonly relation: string;
  readonly name: string;
  readonly type: string;
  readonly not_null: boolean;
  /** Expression of the default, or of the generated column; null without one. */
  readonly expression: string | null;
  readonly generated: boolean;
  readonly identity: '' | 'a' | 'd';
  /** Explicit collation, `schema.name`; null: the database's default, or a type without one. */
  readonly collation: string | null;
  readonly deterministic: boolean;
  /** Step of the sequence behind a serial or identity column, as text. */
  readonly increment: string | null;
  /** `schema.name` of that sequence. */
  readonly sequence: string | null;
}

/** Columns of the named relations with all that parity is judged by. `relations` is a JSON list of `[schema, relation]`. */
export function columnDetails(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null, pg_get_expr(d.adbin, d.adrelid) AS expression, a.attgenerated <> '' AS generated, a.attidentity::text AS identity,
       CASE WHEN a.attcollation <> t.typcollation THEN ln.nspname || '.' || l.collname END AS collation,
       coalesce(l.collisdeterministic, true) AS deterministic, s.seqincrement::text AS increment,
       CASE WHEN sc.oid IS NOT NULL THEN sn.nspname || '.' || sc.relname END AS sequence
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1 AND c.relkind IN ('r', 'p')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
LEFT JOIN LATERAL (
  SELECT k.objid FROM pg_depend k JOIN pg_class q ON q.oid = k.objid AND q.relkind = 'S'
  WHERE k.classid = 'pg_class'::regclass AND k.refclassid = 'pg_class'::regclass AND k.refobjid = a.attrelid AND k.refobjsubid = a.attnum
    AND k.deptype IN ('a', 'i')
  UNION
  SELECT k.refobjid FROM pg_depend k JOIN pg_class q ON q.oid = k.refobjid AND q.relkind = 'S'
  WHERE k.classid = 'pg_attrdef'::regclass AND k.objid = d.oid AND k.refclassid = 'pg_class'::regclass
  LIMIT 1
) AS owned ON true
LEFT JOIN pg_sequence s ON s.seqrelid = owned.objid
LEFT JOIN pg_class sc ON sc.oid = owned.objid
LEFT JOIN pg_namespace sn ON sn.oid = sc.relnamespace
ORDER BY n.nspname, c.relname, a.attnum`,
    values: [JSON.stringify(relations)],
  };
}
