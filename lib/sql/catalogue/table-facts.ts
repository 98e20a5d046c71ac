import type { Statement } from '../statement.ts';

export interface TableFactRow {
  readonly schema: string;
  readonly relation: string;
  readonly row_security: boolean;
  readonly forced_security: boolean;
  /** Policies without their names, as a JSON list of text. */
  readonly policies: string;
  /** Whether the asking role sees every row all the same. */
  readonly sees_all: boolean;
  /** As `pg_get_partkeydef` prints it; null: not partitioned. */
  readonly partition_key: string | null;
  readonly unlogged: boolean;
  /** Estimate, as text; -1: never analyzed. */
  readonly estimated_rows: string;
  /** Bytes with indexes and TOAST, as text. */
  readonly bytes: string;
}

/** What a table is, beside its columns: row security, partitioning, persistence, size. */
export function tableFacts(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced_security,
       coalesce((SELECT json_agg(policy ORDER BY policy) FROM (
         SELECT concat_ws(' ', p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) AS policy
         FROM pg_policy p WHERE p.polrelid = c.oid) AS listed), '[]')::text AS policies,
       NOT c.relrowsecurity OR (SELECT r.rolbypassrls OR r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
         OR (pg_has_role(c.relowner, 'USAGE') AND NOT c.relforcerowsecurity) AS sees_all,
       pg_get_partkeydef(c.oid) AS partition_key, c.relpersistence = 'u' AS unlogged,
       c.reltuples::bigint::text AS estimated_rows, pg_total_relation_size(c.oid)::text AS bytes
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
ORDER BY 1, 2`,
    values: [JSON.stringify(relations)],
  };
}
