/** Deciding a collision on a unique value by version (protocol §7): who holds the value, which side is newer, and taking it away. */
import type { Direction } from '../../domain/direction.ts';
import type { Column, MigratedTable } from '../../domain/table.ts';
import type { UniqueIndexRow } from '../catalogue/unique-index.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { matchesRowKey, rowKeyOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export type IncomingVersion =
  | { readonly kind: 'E'; readonly epoch: number; readonly seq: string; readonly xid: string }
  | { readonly kind: 'S'; readonly epoch: number; readonly snapshot: string };

/** The row that holds the values of `row` (JSON text of receiver columns) under the index, if it is another one. */
export function findHolder(
  table: MigratedTable,
  index: readonly UniqueIndexRow[],
  rowKey: string,
  row: string,
): Statement {
  const relation = quoteRelation(table);
  return {
    text: `
SELECT ${rowKeyOf(table, 't')} AS row_key
FROM json_populate_record(NULL::${relation}, $1::json) AS m JOIN ${relation} AS t ON ${sameValues(index)}
WHERE ${rowKeyOf(table, 't')} <> $2::text LIMIT 1`,
    values: [row, rowKey],
  };
}

/** Whether two rows (JSON texts of receiver columns) want the same values under the index. */
export function wantSameValues(
  table: MigratedTable,
  index: readonly UniqueIndexRow[],
  one: string,
  other: string,
): Statement {
  const relation = quoteRelation(table);
  return {
    text: `
SELECT EXISTS (
  SELECT FROM json_populate_record(NULL::${relation}, $1::json) AS m JOIN json_populate_record(NULL::${relation}, $2::json) AS t ON ${sameValues(index)}
) AS same`,
    values: [one, other],
  };
}

/** Of rows `t` and `m`; `t` is under the index where that is partial. */
function sameValues(index: readonly UniqueIndexRow[]): string {
  const equal = index.map(({ part, is_column }) =>
    is_column
      ? `t.${quoteIdentifier(part)} = m.${quoteIdentifier(part)}`
      : `(SELECT ${part} FROM (SELECT t.*) AS x) = (SELECT ${part} FROM (SELECT m.*) AS x)`,
  );
  const predicate = index[0]?.predicate == null ? '' : ` AND (SELECT ${index[0].predicate} FROM (SELECT t.*) AS x)`;
  return `${equal.join(' AND ')}${predicate}`;
}

export interface ComparedRow {
  readonly newer: boolean;
  /** Both rows were read under one and the same snapshot: the receiver is stricter than the source. */
  readonly same_read: boolean;
  /** False: the incoming row's authority, direction or epoch is over, and nothing may be taken away for it. */
  readonly in_force: boolean;
}

/** Under whom the incoming row was read or claimed. */
export interface IncomingAuthority {
  readonly authority: string;
  readonly direction: Direction;
}

/** Holds authority where it is, locks both versions in key order, and compares the incoming one with the holder's by the table of protocol §2. */
export function compareWithHolder(
  table: string,
  holder: string,
  rowKey: string,
  incoming: IncomingVersion,
  { authority, direction }: IncomingAuthority,
): Statement {
  const newer =
    incoming.kind === 'E'
      ? `CASE v.kind WHEN 'E' THEN $4::bigint > v.seq WHEN 'S' THEN NOT pg_visible_in_snapshot($5::text::xid8, v.snapshot) ELSE NOT pg_visible_in_snapshot($5::text::xid8, c.floor) END`
      : `CASE v.kind WHEN 'E' THEN pg_visible_in_snapshot(v.xid, $4::pg_snapshot) WHEN 'S' THEN crossfade.not_newer(v.snapshot, $4::pg_snapshot) ELSE crossfade.not_newer(c.floor, $4::pg_snapshot) END`;
  const [epoch, under, way] =
    incoming.kind === 'E' ? ['$6::integer', '$7::bigint', '$8::text'] : ['$5::integer', '$6::bigint', '$7::text'];
  const sameRead =
    incoming.kind === 'E' ? 'false' : `coalesce(v.kind = 'S' AND v.snapshot::text = $4::pg_snapshot::text, false)`;
  return {
    text: `
WITH c AS (
  SELECT authority, direction, source_epoch, floor FROM crossfade.control WHERE one FOR SHARE
), locked AS (
  SELECT row_key, epoch, kind, seq, xid, snapshot FROM crossfade.row_version
  WHERE table_name = $1::text AND row_key IN ($2::text, $3::text) ORDER BY row_key FOR UPDATE
)
SELECT CASE WHEN v.epoch IS DISTINCT FROM ${epoch} AND v.epoch IS NOT NULL THEN ${epoch} > v.epoch ELSE ${newer} END AS newer,
       ${sameRead} AS same_read, c.authority = ${under} AND c.direction = ${way} AND c.source_epoch = ${epoch} AS in_force
FROM c LEFT JOIN locked AS v ON v.row_key = $2::text`,
    values:
      incoming.kind === 'E'
        ? [table, holder, rowKey, incoming.seq, incoming.xid, incoming.epoch, authority, direction]
        : [table, holder, rowKey, incoming.snapshot, incoming.epoch, authority, direction],
  };
}

/** Takes the value from its holder: a nullable column becomes NULL, else the row goes; its version stays and it is repaired. */
export function evictHolder(table: MigratedTable, index: readonly UniqueIndexRow[], holder: string): Statement {
  const column = index.find(
    (part) => part.is_column && part.nullable && !table.key.some(({ name }) => name === part.part),
  );
  const relation = quoteRelation(table);
  const where = matchesRowKey(table, 't', '$1::text');
  return {
    text:
      column === undefined
        ? `DELETE FROM ${relation} AS t WHERE ${where}`
        : `UPDATE ${relation} AS t SET ${quoteIdentifier(column.part)} = NULL WHERE ${where}`,
    values: [holder],
  };
}

/**
 * Where a row cannot go because others refer to it: a value that nothing else has, until the row is repaired. Null where no
 * column of the index can hold one.
 */
export function giveAwayValue(
  table: MigratedTable,
  columns: readonly Column[],
  index: readonly UniqueIndexRow[],
  holder: string,
): Statement | null {
  const free = index.flatMap(({ part, is_column }) => {
    const column = columns.find(({ name }) => is_column && name === part);
    const value = column === undefined || column.generated ? null : unusedValue(column.type);
    const inKey = table.key.some(({ name }) => name === part);
    return value === null || inKey ? [] : [`${quoteIdentifier(part)} = ${value}`];
  });
  if (free[0] === undefined) return null;
  return {
    text: `UPDATE ${quoteRelation(table)} AS t SET ${free[0]} WHERE ${matchesRowKey(table, 't', '$1::text')}`,
    values: [holder],
  };
}

/** An expression whose value no row has, with certainty enough: where it has, the update fails and is tried again. */
function unusedValue(type: string): string | null {
  const length = /^character(?: varying)?\((\d+)\)$/.exec(type)?.[1];
  if (length !== undefined) return `left(replace(gen_random_uuid()::text, '-', ''), ${length})`;
  if (/^(text|character varying|citext)$/.test(type)) return 'gen_random_uuid()::text';
  if (type === 'uuid') return 'gen_random_uuid()';
  // Below zero, where few applications count.
  if (type === 'bigint' || type === 'numeric') return '-(random() * 1e15)::bigint';
  if (type === 'integer') return '-(random() * 2e9)::integer';
  return null;
}
