import type { Statement } from '../statement.ts';

export interface IndexRow {
  readonly schema: string;
  readonly relation: string;
  /** `schema.name` is where it lives: an index stands in its table's schema. */
  readonly name: string;
  readonly unique: boolean;
  readonly primary: boolean;
  readonly exclusion: boolean;
  readonly valid: boolean;
  readonly method: string;
  /** Key parts (columns or expressions, with sort options) as a JSON list of text. */
  readonly parts: string;
  /** Columns that the index reads, those of expressions and of the predicate too, as a JSON list. */
  readonly columns: string;
  readonly predicate: string | null;
  /** NULLS NOT DISTINCT (PostgreSQL 15). */
  readonly nulls_equal: boolean;
  readonly partitioned: boolean;
  /** Bytes, as text. */
  readonly size: string;
}

/** Indexes of the named relations. Names are no part of parity: what an index does is. */
export function indexes(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, ic.relname::text AS name, i.indisunique AS unique, i.indisprimary AS primary,
       i.indisexclusion AS exclusion, i.indisvalid AND i.indisready AS valid, m.amname::text AS method,
       (SELECT json_agg(pg_get_indexdef(i.indexrelid, place::integer, true) || CASE WHEN o.option & 1 = 1 THEN ' DESC' ELSE '' END ORDER BY place)
        FROM unnest(i.indoption::int2[]) WITH ORDINALITY AS o(option, place))::text AS parts,
       coalesce((SELECT json_agg(DISTINCT a.attname) FROM pg_depend d JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid > 0),
                (SELECT json_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[]) AND a.attnum > 0), '[]')::text AS columns,
       pg_get_expr(i.indpred, i.indrelid) AS predicate, coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_equal,
       ic.relkind = 'I' AS partitioned, pg_relation_size(i.indexrelid)::text AS size
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
JOIN pg_index i ON i.indrelid = c.oid
JOIN pg_class ic ON ic.oid = i.indexrelid
JOIN pg_am m ON m.oid = ic.relam
ORDER BY 1, 2, 3`,
    values: [JSON.stringify(relations)],
  };
}
