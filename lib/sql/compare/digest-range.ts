/** Digests of key ranges of one store: what two stores have in common is settled without a row having travelled (design §4). */
import type { KeyBounds } from '../../domain/chunk.ts';
import type { Fingerprint } from '../../domain/digest.ts';
import type { StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { rowKeyOf, type TablesByName } from '../row.ts';
import type { Statement } from '../statement.ts';
import { aggregateFingerprint, type FingerprintSql, fingerprintSql, rowFingerprint } from './fingerprint.ts';
import { eachPart } from './key-parts.ts';
import { type ComparedTenants, insideScope, scopeValue } from './scope.ts';

/** Which rows are read, and how each is told from another. */
export interface Reading {
  readonly tenants: ComparedTenants;
  readonly fingerprint: Fingerprint;
}

export interface RangeDigest {
  readonly rows: string;
  /** Rows of the range whose tenant is off or not copied yet. */
  readonly left_out: string;
  readonly digest: string;
}

export interface PartDigest extends RangeDigest {
  /** Place in the list of parts. */
  readonly n: number;
}

/** A piece of a part's rows. */
export interface PartRows {
  readonly n: number;
  /** A line a row: its fingerprint, a blank, its row key. Neither holds a line feed, which JSON escapes. */
  readonly lines: string;
}

/** A row of an answer of the Data API may have 64 KB; a line more than this has room. */
const PIECE_BYTES = 48_000;

/** Count and digest of one range: one row. */
export function digestRange(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  range: KeyBounds,
  tenants: ComparedTenants,
  fingerprint: Fingerprint,
): Statement {
  return digestParts(table, tables, store, [range], { tenants, fingerprint }, Number.MAX_SAFE_INTEGER);
}

/**
 * Count and digest of every part, in no order: one statement, one row a part.
 * @param rowsAtMost read of one part: a part that has so many (`rows` + `left_out`) has more, and its digest means nothing.
 */
export function digestParts(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  parts: readonly KeyBounds[],
  { tenants, fingerprint }: Reading,
  rowsAtMost: number,
): Statement {
  const sql = fingerprintSql(table, store, 'r', fingerprint);
  const { columns, mark, filter } = digestedColumns(table, tables, sql, tenants);
  const names = { hash: 'row_hash', bytes: 'row_bytes' };
  const found = eachPart(
    table,
    parts,
    3,
    (rows, keyOrder) => `
  SELECT count(${mark})::text AS rows, (count(*) - count(${mark}))::text AS left_out, ${aggregateFingerprint(sql, names, filter)} AS digest
  FROM (SELECT ${columns.join(', ')} FROM ${rows} ${keyOrder} LIMIT $2::bigint) AS read`,
    sql.bytes !== null,
  );
  return { text: found.text, values: [scopeValue(tenants), rowsAtMost, ...found.values] };
}

/**
 * Key and fingerprint of each row of the parts, in no order: many in one value, because a row of an answer costs more than its
 * contents. A part without rows is not answered. `rowsAtMost` as above.
 */
export function digestRows(
  table: MigratedTable,
  tables: TablesByName,
  store: StoreName,
  parts: readonly KeyBounds[],
  { tenants, fingerprint }: Reading,
  rowsAtMost: number,
): Statement {
  const digest = rowFingerprint(fingerprintSql(table, store, 'r', fingerprint));
  const scope = insideScope(table, tables, 'r', '$1', tenants);
  const line = `${digest} || ' ' || ${rowKeyOf(table, 'r')}`;
  const found = eachPart(
    table,
    parts,
    3,
    (rows, keyOrder) => `
  SELECT string_agg(line, E'\\n') AS lines FROM (
    SELECT line, sum(octet_length(line)) OVER (ROWS UNBOUNDED PRECEDING) / ${PIECE_BYTES} AS piece
    FROM (SELECT ${line} AS line FROM ${rows} AND ${scope} ${keyOrder} LIMIT $2::bigint) AS read
  ) AS placed GROUP BY piece`,
  );
  return { text: found.text, values: [scopeValue(tenants), rowsAtMost, ...found.values] };
}

/** A row outside of the scope is not hashed, and whether it is inside is asked once: the way to a parent's tenant costs more than the hash. */
function digestedColumns(
  table: MigratedTable,
  tables: TablesByName,
  { hash, bytes }: FingerprintSql,
  tenants: ComparedTenants,
): { readonly columns: readonly string[]; readonly mark: string; readonly filter: string } {
  const scope = insideScope(table, tables, 'r', '$1', tenants);
  const named = [
    ...(hash === null ? [] : [{ name: 'row_hash', value: hash }]),
    ...(bytes === null ? [] : [{ name: 'row_bytes', value: bytes }]),
  ];
  const [first = { name: 'row_mark', value: '1' }, ...others] = named;
  return {
    // Neither a hash nor bytes are ever NULL, so that NULL says: outside. Aggregates skip it by themselves.
    columns: [
      `CASE WHEN ${scope} THEN ${first.value} END AS ${first.name}`,
      ...others.map(({ name, value }) => `${value} AS ${name}`),
    ],
    mark: first.name,
    filter: others.length === 0 ? 'true' : `${first.name} IS NOT NULL`,
  };
}
