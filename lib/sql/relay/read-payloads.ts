import type { Direction } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier } from '../identifier.ts';
import { mappingOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { capturedRow, travelsAlike, wireJson } from '../wire.ts';

export interface PayloadRow {
  readonly seq: string;
  /** JSON text of the receiver's columns. */
  readonly row: string;
}

/** The captured rows as the receiver wants them; mapping is evaluated here, in the store that knows the source's types. */
export function readPayloads(table: MigratedTable, direction: Direction, seqs: readonly string[]): Statement {
  const plain =
    mappingOf(table, direction).every(({ column, expression }) => expression === quoteIdentifier(column)) &&
    travelsAlike(table, direction);
  const row = plain ? 'o.payload' : wireJson(table, direction, 'r');
  const typed = plain ? '' : `CROSS JOIN LATERAL ${capturedRow(table, direction, 'o.payload')} AS r`;
  return {
    text: `
SELECT o.seq::text AS seq, ${row}::text AS row
FROM json_array_elements_text($1::json) AS wanted(seq)
JOIN crossfade.outbox AS o ON o.seq = wanted.seq::bigint
${typed}
WHERE o.payload IS NOT NULL`,
    values: [JSON.stringify(seqs)],
  };
}
