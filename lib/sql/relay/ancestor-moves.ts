/**
 * A row that follows its parent's tenant has no event of its own when the parent moves under it (decision 023): until the
 * parent's event ends, which queues it for a fresh read, its presence in the receiver is on its way.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import { matchesRowKey, rowKeyOf, type TablesByName } from '../row.ts';
import type { Statement } from '../statement.ts';
import { LONGEST_REASON, openMs } from './open-events.ts';

export interface AncestorRow {
  readonly row_key: string;
  readonly ancestor: string;
  readonly ancestor_key: string;
}

export interface AncestorMoveRow {
  readonly row_key: string;
  /** False: the move has been set aside. */
  readonly moving: boolean;
  readonly state: 'pending' | 'retry' | 'parked' | 'dead';
  readonly reason: string | null;
  readonly open_ms: number;
}

/** What these rows hang on, in either store; null for a table that has its tenant itself. */
export function ancestorsOf(table: MigratedTable, tables: TablesByName, rowKeys: readonly string[]): Statement | null {
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
SELECT wanted.row_key, ${quoteLiteral(parent.name)} AS ancestor, found.row_key AS ancestor_key FROM json_array_elements_text($1::json) AS wanted(row_key)
CROSS JOIN LATERAL (SELECT ${rowKeyOf(parent, `d${depth}`)} AS row_key FROM ${path} WHERE ${matchesRowKey(table, 'd0', 'wanted.row_key')}) AS found`);
    lower = parent;
  }
  return levels.length === 0 ? null : { text: levels.join('\nUNION ALL'), values: [JSON.stringify(rowKeys)] };
}

/**
 * Which of these rows have an ancestor whose move is not over, by the source's outbox.
 *
 * @param gone row keys of `table` that the source does not have at all. A move explains such a row only where the source says
 * that it was deleted behind the move, in a tenant that is off: without that, somebody else put it into the receiver.
 */
export function ancestorMoves(table: string, ancestors: readonly AncestorRow[], gone: readonly string[]): Statement {
  return {
    text: `
SELECT DISTINCT ON (row_key) wanted.row_key, bool_or(o.state IN ('pending', 'retry')) OVER (PARTITION BY wanted.row_key) AS moving, o.state,
       left(o.reason, ${LONGEST_REASON}) AS reason, ${openMs('PARTITION BY wanted.row_key')} AS open_ms
FROM json_to_recordset($1::json) AS wanted(row_key text, ancestor text, ancestor_key text)
JOIN crossfade.outbox AS o ON o.table_name = wanted.ancestor AND o.row_key = wanted.ancestor_key
WHERE o.state IN ('pending', 'retry', 'parked', 'dead') AND o.old_tenant <> o.new_tenant
  AND (wanted.row_key NOT IN (SELECT json_array_elements_text($3::json))
       OR EXISTS (SELECT FROM crossfade.outbox AS own WHERE own.state = 'suppressed' AND own.seq > o.seq AND own.table_name = $2::text AND own.row_key = wanted.row_key))
ORDER BY row_key, o.state IN ('parked', 'dead') DESC, o.seq DESC`,
    values: [JSON.stringify(ancestors), table, JSON.stringify(gone)],
  };
}
