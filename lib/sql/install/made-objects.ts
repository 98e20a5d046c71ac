/**
 * What Crossfade made in a store, from the catalogue, for the way back of the schema: triggers by the functions that they call,
 * everything in its schema by the names that it knows. Whatever else is in there, or hangs on it, is somebody else's. No CASCADE.
 */
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';
import { KEY_INDEX_PREFIX } from './key-index.ts';
import { protocolSchema } from './schema.ts';

export const MADE_KINDS = ['trigger', 'index', 'function', 'table', 'sequence', 'schema'] as const;

export interface MadeRow {
  readonly kind: (typeof MADE_KINDS)[number];
  readonly schema: string;
  readonly name: string;
  /** Table of a trigger or an index; else empty. */
  readonly relation: string;
  /** Of a function, as PostgreSQL prints them. */
  readonly arguments: string;
}

export interface ForeignRow {
  /** As PostgreSQL describes it: `rule _RETURN on view public.waiting`. */
  readonly object: string;
}

/** Tables and sequences of the schema; indexes, row types and identity sequences go with them. */
const RELATIONS = protocolSchema().flatMap(({ text }) => {
  const name = /CREATE (?:TABLE|SEQUENCE) IF NOT EXISTS crossfade\.(\w+)/.exec(text)?.[1];
  return name === undefined ? [] : [name];
});

export const installedNames: Statement = { text: 'SELECT object AS name FROM crossfade.installed', values: [] };

export const hasInstalledNames: Statement = {
  text: `SELECT EXISTS (
  SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'crossfade' AND c.relname = 'installed'
) AS exists`,
  values: [],
};

/** Held to the end of the transaction: nobody is turned on meanwhile. */
export const lockTenants: Statement = {
  text: 'LOCK TABLE crossfade.tenant_state IN ACCESS EXCLUSIVE MODE',
  values: [],
};

/** @param functions names of those that Crossfade installed. Triggers and indexes of partitions go with their parents'. */
export function madeObjects(functions: readonly string[]): Statement {
  return {
    text: `
WITH ns AS (SELECT oid FROM pg_namespace WHERE nspname = 'crossfade'), made AS (
  SELECT 'trigger' AS kind, n.nspname::text AS schema, t.tgname::text AS name, c.relname::text AS relation, '' AS arguments
  FROM pg_trigger AS t JOIN pg_proc AS f ON f.oid = t.tgfoid JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE f.pronamespace = (SELECT oid FROM ns) AND n.oid <> f.pronamespace AND NOT t.tgisinternal AND t.tgparentid = 0
  UNION ALL
  SELECT 'index', n.nspname::text, i.relname::text, c.relname::text, ''
  FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS c ON c.oid = x.indrelid JOIN pg_namespace AS n ON n.oid = i.relnamespace
  WHERE starts_with(i.relname::text, $3::text) AND n.nspname <> 'crossfade' AND NOT i.relispartition AND NOT x.indisunique
  UNION ALL
  SELECT 'function', 'crossfade', f.proname::text, '', pg_get_function_identity_arguments(f.oid)
  FROM pg_proc AS f WHERE f.pronamespace = (SELECT oid FROM ns) AND f.proname::text IN (SELECT json_array_elements_text($2::json))
  UNION ALL
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, 'crossfade', c.relname::text, '', ''
  FROM pg_class AS c
  WHERE c.relnamespace = (SELECT oid FROM ns) AND c.relkind IN ('r', 'S') AND c.relname::text IN (SELECT json_array_elements_text($1::json))
  UNION ALL
  SELECT 'schema', 'crossfade', 'crossfade', '', '' FROM ns
)
SELECT * FROM made ORDER BY kind, schema COLLATE "C", relation COLLATE "C", name COLLATE "C", arguments COLLATE "C"`,
    values: [JSON.stringify(RELATIONS), JSON.stringify(functions), KEY_INDEX_PREFIX],
  };
}

/** What is in the schema, or hangs on what is in it, and is not Crossfade's: a view, a default, a publication, a table of a team. */
export function foreignObjects(functions: readonly string[]): Statement {
  return {
    text: `
WITH ns AS (SELECT oid FROM pg_namespace WHERE nspname = 'crossfade'), referred AS (
  SELECT 'pg_namespace'::regclass AS class, oid FROM ns
  UNION ALL SELECT 'pg_class'::regclass, c.oid FROM pg_class AS c JOIN ns ON ns.oid = c.relnamespace
  UNION ALL SELECT 'pg_proc'::regclass, f.oid FROM pg_proc AS f JOIN ns ON ns.oid = f.pronamespace
  UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type AS t JOIN ns ON ns.oid = t.typnamespace
), own_relation AS (
  SELECT c.oid FROM pg_class AS c JOIN ns ON ns.oid = c.relnamespace WHERE c.relname::text IN (SELECT json_array_elements_text($1::json))
), own AS (
  SELECT 'pg_class'::regclass AS class, oid FROM own_relation
  UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index AS i JOIN own_relation AS o ON o.oid = i.indrelid
  UNION ALL SELECT 'pg_class'::regclass, d.objid FROM pg_depend AS d JOIN own_relation AS o ON o.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class AS s ON s.oid = d.objid WHERE d.classid = 'pg_class'::regclass AND s.relkind = 'S' AND d.deptype IN ('a', 'i')
  UNION ALL SELECT 'pg_proc'::regclass, f.oid FROM pg_proc AS f JOIN ns ON ns.oid = f.pronamespace WHERE f.proname::text IN (SELECT json_array_elements_text($2::json))
  UNION ALL SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint AS k JOIN own_relation AS o ON o.oid = k.conrelid
  UNION ALL SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef AS a JOIN own_relation AS o ON o.oid = a.adrelid
  -- Of the tables of applications: they are on the list themselves.
  UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger AS t JOIN pg_proc AS f ON f.oid = t.tgfoid JOIN ns ON ns.oid = f.pronamespace
  UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger AS t WHERE t.tgisinternal
), hanging AS (
  SELECT DISTINCT d.classid, d.objid FROM pg_depend AS d JOIN referred AS r ON r.class = d.refclassid AND r.oid = d.refobjid
  WHERE d.deptype IN ('n', 'a') AND d.classid <> 'pg_default_acl'::regclass
)
SELECT pg_describe_object(h.classid, h.objid, 0) AS object FROM hanging AS h
WHERE NOT EXISTS (SELECT FROM own WHERE own.class = h.classid AND own.oid = h.objid)
ORDER BY 1`,
    values: [JSON.stringify(RELATIONS), JSON.stringify(functions)],
  };
}

/** In one transaction, in this order. Each fails when something hangs on it that is not on the list. */
export function dropMade(rows: readonly MadeRow[]): readonly Statement[] {
  const texts = MADE_KINDS.flatMap((kind) => {
    const those = rows.filter((row) => row.kind === kind);
    if (kind === 'trigger')
      return those.map((row) => `DROP TRIGGER IF EXISTS ${quoteIdentifier(row.name)} ON ${quoteRelation(row)}`);
    const addresses = those.map((row) => addressOf(row));
    return those.length === 0 ? [] : [`DROP ${kind.toUpperCase()} ${addresses.join(', ')}`];
  });
  return texts.map((text) => ({ text, values: [] }));
}

function addressOf({ kind, schema, name, arguments: args }: MadeRow): string {
  if (kind === 'schema') return quoteIdentifier(name);
  const address = quoteRelation({ schema, relation: name });
  return kind === 'function' ? `${address}(${args})` : address;
}

/** One line of the list that is approved: the same in every session of the role. */
export function describeMade({ kind, schema, name, relation, arguments: args }: MadeRow): string {
  if (kind === 'schema') return `schema ${name}`;
  if (kind === 'trigger') return `trigger ${name} on ${schema}.${relation}`;
  if (kind === 'index') return `index ${schema}.${name} of ${relation}`;
  return `${kind} ${schema}.${name}${kind === 'function' ? `(${args})` : ''}`;
}
