/** Rows of legacy as lines of JSON in which every value is PostgreSQL's own text, so that each type comes back as it was. */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import { orderedKey, rowKeyOf } from '../row.ts';
import { inRange } from '../source/read-rows.ts';
import type { Statement } from '../statement.ts';

export interface ArchivedRow {
  readonly row_key: string;
  readonly line: string;
  readonly more: boolean;
}

/** One page in key order, cut at `limit` rows or `bytes`, but never below one row. */
export function archivePage(table: MigratedTable, after: string | null, limit: number, bytes: number): Statement {
  const order = table.key.map((part) => orderedKey(part, 'r')).join(', ');
  return {
    text: `
WITH page AS MATERIALIZED (
  SELECT ${rowKeyOf(table, 'r')} AS row_key, ${lineOf(table, 'r')} AS line, row_number() OVER (ORDER BY ${order}) AS place
  FROM ${quoteRelation(table)} AS r WHERE ${inRange(table, 'r', '$1::text', '$2::text', { after, through: null })} ORDER BY ${order} LIMIT $3::integer
), sized AS (
  SELECT *, sum(octet_length(line) + octet_length(row_key) + 100) OVER (ORDER BY place) AS bytes, count(*) OVER () AS found FROM page
)
SELECT row_key, line, (SELECT count(*) FROM sized WHERE place = 1 OR bytes <= $4::bigint) < found OR found = $3::integer AS more
FROM sized WHERE place = 1 OR bytes <= $4::bigint ORDER BY place`,
    values: [after, null, limit, bytes],
  };
}

const RESTORED = 'pg_temp.crossfade_restored';

/** Types, names and order of legacy's columns, without its constraints; gone with the transaction. */
export function createRestored(table: MigratedTable): Statement {
  return {
    text: `CREATE TEMPORARY TABLE crossfade_restored ON COMMIT DROP AS SELECT 0::bigint AS crossfade_place, r.* FROM ${quoteRelation(table)} AS r WITH NO DATA`,
    values: [],
  };
}

/** @param lines a JSON list of archived lines. */
export function restoreRows(table: MigratedTable, lines: string): Statement {
  const columns = table.legacyColumns.map(({ name }) => quoteIdentifier(name));
  const values = table.legacyColumns.map(({ name, type }) => `(sent.line ->> ${quoteLiteral(name)})::${type}`);
  return {
    text: `
INSERT INTO ${RESTORED} (crossfade_place, ${columns.join(', ')})
SELECT sent.place, ${values.join(', ')} FROM json_array_elements($1::json) WITH ORDINALITY AS sent(line, place)`,
    values: [lines],
  };
}

/** SHA-256 of the restored rows as lines again: equal to the page's own when every value came back as it was. */
export function restoredDigest(table: MigratedTable): Statement {
  return {
    text: `SELECT encode(sha256(convert_to(coalesce(string_agg(${lineOf(table, 'r')} || E'\\n', '' ORDER BY r.crossfade_place), ''), 'UTF8')), 'hex') AS digest FROM ${RESTORED} AS r`,
    values: [],
  };
}

/** The alias is one that no column has: a column of that name would be printed instead of the row. */
function lineOf(table: MigratedTable, row: string): string {
  const fields = table.legacyColumns.map(
    ({ name }) => `${row}.${quoteIdentifier(name)}::text AS ${quoteIdentifier(name)}`,
  );
  return `(SELECT row_to_json(crossfade_line) FROM (SELECT ${fields.join(', ')}) AS crossfade_line)::text`;
}

/** Grows with every row that the reverse relay writes to legacy. */
export const appliedSoFar: Statement = {
  text: 'SELECT coalesce(max(id), 0)::text AS applied FROM crossfade.applied_log',
  values: [],
};
