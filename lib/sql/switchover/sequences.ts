/** Sequences that fill columns of the plan's tables: owned, identity, or named in a default. */
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export interface SequenceRow {
  readonly schema: string;
  readonly relation: string;
  readonly column: string;
  readonly sequence_schema: string;
  readonly sequence: string;
  /** Null before the first nextval. */
  readonly last_value: string | null;
  readonly increment: string;
}

export function sequencesOf(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT DISTINCT n.nspname::text AS schema, c.relname::text AS relation, a.attname::text AS column,
       sn.nspname::text AS sequence_schema, s.relname::text AS sequence, ps.last_value::text AS last_value, ps.increment_by::text AS increment
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace AS n ON n.nspname = wanted ->> 0
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
JOIN pg_depend AS dep ON
  (dep.classid = 'pg_class'::regclass AND dep.refclassid = 'pg_class'::regclass AND dep.refobjid = c.oid AND dep.refobjsubid = a.attnum AND dep.deptype IN ('a', 'i'))
  OR (dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid AND dep.refclassid = 'pg_class'::regclass AND dep.deptype = 'n')
JOIN pg_class AS s ON s.relkind = 'S' AND s.oid = CASE WHEN dep.classid = 'pg_attrdef'::regclass THEN dep.refobjid ELSE dep.objid END
JOIN pg_namespace AS sn ON sn.oid = s.relnamespace
JOIN pg_sequences AS ps ON ps.schemaname = sn.nspname AND ps.sequencename = s.relname
ORDER BY 1, 2, 3, 5`,
    values: [JSON.stringify(relations)],
  };
}

export function highestValue(
  relation: { readonly schema: string; readonly relation: string },
  column: string,
): Statement {
  return {
    text: `SELECT max(${quoteIdentifier(column)})::text AS highest FROM ${quoteRelation(relation)}`,
    values: [],
  };
}

/** The next value will be `last` + increment. */
export function setSequence(sequence: { readonly schema: string; readonly relation: string }, last: string): Statement {
  return {
    text: 'SELECT setval($1::text::regclass, $2::bigint, true)::text AS value',
    values: [quoteRelation(sequence), last],
  };
}
