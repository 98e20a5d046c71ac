import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { keyValues, matchesRowKey, rowKeyOf, type TablesByName } from '../row.ts';
import type { Statement } from '../statement.ts';

/** From a descendant up to, but not including, the table whose tenant its rows follow. */
export type Chain = readonly MigratedTable[];

export function descendantChains(table: MigratedTable, tables: TablesByName): readonly Chain[] {
  const children = [...tables.values()].filter(
    (candidate) => candidate.tenant.kind === 'parent' && candidate.tenant.parent === table.name,
  );
  return children.flatMap((child) => [[child], ...descendantChains(child, tables).map((chain) => [...chain, child])]);
}

/**
 * Keys of a store's rows at the lower end of `chain` that hang on these rows of `table`, in order, behind `after`. The rows of
 * `table` need not be there any more where the key is what is referred to: a move takes them from the receiver first.
 */
export function descendantKeys(
  table: MigratedTable,
  chain: Chain,
  rowKeys: readonly string[],
  after: string | null,
  limit: number,
): Statement {
  const [lowest] = chain;
  if (lowest === undefined) throw new RangeError('a chain of tables is never empty');
  const key = `${rowKeyOf(lowest, 'd0')} COLLATE "C"`;
  const upwards = chain.slice(1).map((parent, index) => joinParent(parent, chain[index], index));
  const hangsOn = refersTo(table, chain.at(-1), `d${chain.length - 1}`);
  const top =
    hangsOn === null
      ? `${joinParent(table, chain.at(-1), chain.length - 1)} JOIN ${WANTED} ON ${matchesRowKey(table, `d${chain.length}`, 'wanted.row_key')}`
      : `JOIN ${WANTED} ON ${hangsOn}`;
  return {
    text: `
SELECT DISTINCT ${key} AS row_key
FROM ${quoteRelation(lowest)} AS d0 ${upwards.join(' ')}
${top}
WHERE ($2::text IS NULL OR ${key} > $2::text)
ORDER BY 1 LIMIT $3::integer`,
    values: [JSON.stringify(rowKeys), after, limit],
  };
}

const WANTED = 'json_array_elements_text($1::json) AS wanted(row_key)';

function joinParent(parent: MigratedTable, child: MigratedTable | undefined, depth: number): string {
  return `JOIN ${quoteRelation(parent)} AS d${depth + 1} ON ${joined(child, `d${depth}`, `d${depth + 1}`)}`;
}

/** The child's columns against the parent's key itself; null where it refers to other columns of the parent. */
function refersTo(parent: MigratedTable, child: MigratedTable | undefined, childRow: string): string | null {
  if (child?.tenant.kind !== 'parent') return null;
  const values = keyValues(parent, 'wanted.row_key');
  const pairs = child.tenant.on.map(({ column, parentColumn }) => {
    const value = values[parent.key.findIndex(({ name }) => name === parentColumn)];
    return value === undefined ? null : `${childRow}.${quoteIdentifier(column)} = ${value}`;
  });
  return pairs.includes(null) ? null : pairs.join(' AND ');
}

function joined(child: MigratedTable | undefined, childRow: string, parentRow: string): string {
  if (child?.tenant.kind !== 'parent') throw new RangeError('only a table with a parent has a path to it');
  return child.tenant.on
    .map((pair) => `${childRow}.${quoteIdentifier(pair.column)} = ${parentRow}.${quoteIdentifier(pair.parentColumn)}`)
    .join(' AND ');
}

export interface HorizonRow {
  /** Every transaction that had begun to write has a lower number. */
  readonly next: string;
  /** Every transaction with a lower number has ended. */
  readonly oldest: string;
}

export const transactionHorizon: Statement = {
  text: 'SELECT pg_snapshot_xmax(s)::text AS next, pg_snapshot_xmin(s)::text AS oldest FROM pg_current_snapshot() AS s',
  values: [],
};
