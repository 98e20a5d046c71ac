/**
 * An index of Crossfade's own in the order in which it walks a table: text keys by bytes, whatever the stores' collations are. A
 * primary key's index has its column's collation, also where the database's is C: PostgreSQL goes by the collation's name, and would
 * sort the whole table for every page.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { isBuiltInText, isTextKey } from '../row.ts';
import type { Statement } from '../statement.ts';

export interface Relation {
  readonly schema: string;
  readonly relation: string;
}

export interface KeyIndexRow extends Relation {
  readonly partitioned: boolean;
  /** Some other index has this order already. */
  readonly served: boolean;
  /** Name of Crossfade's index; null: it is not there. */
  readonly own: string | null;
  readonly valid: boolean;
  /** Somebody builds an index on it at this moment. */
  readonly building: boolean;
}

export const KEY_INDEX_PREFIX = 'crossfade_key_';
/** PostgreSQL cuts names here. */
const NAME_BYTES = 63;

/** Tables whose keys are walked in another order than that of their primary key. */
export function needsKeyIndex({ key }: MigratedTable): boolean {
  return key.some(isTextKey);
}

/** The table and its partitions: whether each has an index in the order of the walk. */
export function keyIndexes(table: MigratedTable): Statement {
  return {
    text: `
WITH part AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid IN (SELECT $1::text::regclass UNION SELECT relid FROM pg_partition_tree($1::text::regclass))
), wanted AS (
  SELECT place::integer - 1 AS place, w ->> 0 AS name, (w ->> 1)::boolean AS is_text, (w ->> 2)::boolean AS is_like_text FROM json_array_elements($2::json) WITH ORDINALITY AS e(w, place)
), candidate AS (
  SELECT i.indrelid, ic.relname::text AS name, i.indisvalid AND i.indisready AS valid,
         i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree' AND NOT EXISTS (
           SELECT FROM wanted w LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = w.name
           LEFT JOIN pg_opclass o ON o.oid = i.indclass[w.place]
           WHERE w.place >= i.indnkeyatts OR i.indkey[w.place] IS DISTINCT FROM a.attnum OR i.indoption[w.place] <> 0 OR (CASE WHEN w.is_like_text THEN i.indclass[w.place] <> (SELECT t.oid FROM pg_opclass t JOIN pg_am b ON b.oid = t.opcmethod WHERE b.amname = 'btree' AND t.opcname = 'text_ops' AND t.opcnamespace = 'pg_catalog'::regnamespace) ELSE NOT o.opcdefault END)
              OR (w.is_text AND i.indcollation[w.place] <> 'pg_catalog."C"'::regcollation)) AS in_order
  FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am m ON m.oid = ic.relam WHERE i.indrelid IN (SELECT oid FROM part)
)
SELECT p.nspname::text AS schema, p.relname::text AS relation, p.relkind = 'p' AS partitioned,
       EXISTS (SELECT FROM candidate c WHERE c.indrelid = p.oid AND c.in_order AND NOT starts_with(c.name, $3::text)) AS served,
       (SELECT min(c.name) FROM candidate c WHERE c.indrelid = p.oid AND starts_with(c.name, $3::text)) AS own,
       coalesce((SELECT bool_and(c.valid AND c.in_order) FROM candidate c WHERE c.indrelid = p.oid AND starts_with(c.name, $3::text)), false) AS valid,
       EXISTS (SELECT FROM pg_stat_progress_create_index g WHERE g.relid = p.oid) AS building
FROM part p ORDER BY p.relkind = 'p', 1, 2`,
    values: [
      quoteRelation(table),
      JSON.stringify(
        table.key.map((column) => [column.name, isTextKey(column), isTextKey(column) && !isBuiltInText(column)]),
      ),
      KEY_INDEX_PREFIX,
    ],
  };
}

/** Not in a transaction. Writers are not held up; it waits for every transaction that is older than it. */
export function createKeyIndex(table: MigratedTable, relation: Relation): Statement {
  return { text: `CREATE INDEX CONCURRENTLY ${definition(table, relation)}`, values: [] };
}

/** Of a partitioned table, which has no CONCURRENTLY: takes up the indexes that its partitions have already, so it is quick. */
export function createParentKeyIndex(table: MigratedTable, relation: Relation): Statement {
  return { text: `CREATE INDEX IF NOT EXISTS ${definition(table, relation)}`, values: [] };
}

/** Not in a transaction. */
export function dropKeyIndex(relation: Relation, name: string): Statement {
  return { text: `DROP INDEX CONCURRENTLY IF EXISTS ${addressOf(relation, name)}`, values: [] };
}

/** With the indexes of its partitions. */
export function dropParentKeyIndex(relation: Relation, name: string): Statement {
  return { text: `DROP INDEX IF EXISTS ${addressOf(relation, name)}`, values: [] };
}

export function keyIndexName(relation: string): string {
  const bytes = Buffer.from(`${KEY_INDEX_PREFIX}${relation}`);
  if (bytes.length <= NAME_BYTES) return `${KEY_INDEX_PREFIX}${relation}`;
  let sum = 0;
  for (const byte of bytes) sum = (sum * 31 + byte) % 0x7fffffff;
  const tail = `_${sum.toString(36)}`;
  // A character that is cut through becomes U+FFFD, which is three bytes.
  return `${bytes
    .subarray(0, NAME_BYTES - tail.length - 3)
    .toString()
    .replace(/\uFFFD+$/, '')}${tail}`;
}

function definition(table: MigratedTable, relation: Relation): string {
  const parts = table.key.map((column) => {
    const name = quoteIdentifier(column.name);
    if (!isTextKey(column)) return name;
    return isBuiltInText(column) ? `${name} COLLATE "C"` : `${name} COLLATE "C" text_ops`;
  });
  return `${quoteIdentifier(keyIndexName(relation.relation))} ON ${quoteRelation(relation)} (${parts.join(', ')})`;
}

function addressOf({ schema }: Relation, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
