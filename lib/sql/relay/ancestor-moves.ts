/**
 * A row that follows its parent's tenant has no event of its own when the parent moves under it (decision 023): until the
 * parent's event ends, which queues it for a fresh read, its presence in the receiver is on its way.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import { matchesRowKey, rowKeyOf, type TablesByName } from '../row.ts';
import type { Statement } from '../statement.ts';
import { LONGEST_REASON } from './open-events.ts';

export interface AncestorMoveRow {
  readonly row_key: string;
  /** False: the move has been set aside. */
  readonly moving: boolean;
  readonly state: 'pending' | 'retry' | 'parked' | 'dead';
  readonly reason: string | null;
}

/** Which of these rows of the source have an ancestor whose move is not over; null for a table that has its tenant itself. */
export function ancestorMoves(
  table: MigratedTable,
  tables: TablesByName,
  rowKeys: readonly string[],
): Statement | null {
  const levels: string[] = [];
  let path = `${quoteRelation(table)} AS d0`;
  let lower = table;
  for (let depth = 1; lower.tenant.kind === 'parent'; depth++) {
    const { parent: name, on } = lower.tenant;
    const parent = tables.get(name);
    if (parent === undefined) throw new RangeError(`table ${lower.name} has parent ${name}, which is not in the plan`);
    const pairs = on.map(
      ({ column, parentColumn }) =>
        `d${depth}.${quoteIdentifier(parentColumn)} = d${depth - 1}.${quoteIdentifier(column)}`,
    );
    path += ` JOIN ${quoteRelation(parent)} AS d${depth} ON ${pairs.join(' AND ')}`;
    levels.push(`
SELECT wanted.row_key, o.state, o.reason, o.seq FROM json_array_elements_text($1::json) AS wanted(row_key)
CROSS JOIN LATERAL (SELECT ${rowKeyOf(parent, `d${depth}`)} AS row_key FROM ${path} WHERE ${matchesRowKey(table, 'd0', 'wanted.row_key')}) AS ancestor
JOIN crossfade.outbox AS o ON o.table_name = ${quoteLiteral(parent.name)} AND o.row_key = ancestor.row_key
WHERE o.state IN ('pending', 'retry', 'parked', 'dead') AND o.old_tenant <> o.new_tenant`);
    lower = parent;
  }
  if (levels.length === 0) return null;
  return {
    text: `
SELECT DISTINCT ON (row_key) row_key, bool_or(state IN ('pending', 'retry')) OVER (PARTITION BY row_key) AS moving, state, left(reason, ${LONGEST_REASON}) AS reason
FROM (${levels.join('\nUNION ALL')}
) AS moves ORDER BY row_key, state IN ('parked', 'dead') DESC, seq DESC`,
    values: [JSON.stringify(rowKeys)],
  };
}
