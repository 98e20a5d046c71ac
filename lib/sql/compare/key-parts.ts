/**
 * Key ranges as rows of a statement: one statement reads every range by the index of the key, and the bounds are parsed and
 * cast once. Faster than GROUP BY over the whole span (benchmark), and one round trip.
 */
import type { KeyBounds } from '../../domain/chunk.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { orderedKey } from '../row.ts';
import type { SqlValue } from '../statement.ts';

export interface PartsSql {
  /** A FROM list: `part` with its number `n`, and the columns that `perPart` selects as `found`. */
  readonly text: string;
  /** To be appended to the statement's values. */
  readonly values: readonly SqlValue[];
}

/**
 * @param first number of the first parameter that the list of parts may take.
 * @param perPart a SELECT over rows `r` of one part, given its FROM and WHERE, which goes on with AND, and an ORDER BY to go before
 * a LIMIT. An open part has one: nobody knows how narrow it is, and only an order asks for the index whatever PostgreSQL guesses.
 * @param isOrdered every part has one.
 */
export function eachPart(
  table: MigratedTable,
  parts: readonly KeyBounds[],
  first: number,
  perPart: (rows: string, order: string) => string,
  isOrdered = false,
): PartsSql {
  const order = `ORDER BY ${table.key.map((part) => orderedKey(part, 'r')).join(', ')}`;
  const shapes = Map.groupBy(
    parts.map((part, n) => ({ ...part, n })),
    ({ after, through }) => `${after !== null} ${through !== null} ${sharedColumns(after, through)}`,
  );
  const branches = [...shapes.values()].flatMap((of) => (of[0] === undefined ? [] : [{ of, shape: shapeOf(of[0]) }]));
  const texts = branches.map(({ shape }, index) => {
    const rows = `${quoteRelation(table)} AS r WHERE ${conditions(table, shape)}`;
    return `
SELECT part.n, found.* FROM (${partRows(table, `$${first + index}`, shape)} OFFSET 0) AS part
CROSS JOIN LATERAL (${perPart(rows, shape.hasLower && shape.hasUpper && !isOrdered ? '' : order)}) AS found`;
  });
  return { text: texts.join('\nUNION ALL'), values: branches.map(({ of }) => listOf(of)) };
}

/** Parts of one shape are read by the same conditions. */
interface Shape {
  readonly hasLower: boolean;
  readonly hasUpper: boolean;
  /** Leading key columns that are the same in both bounds, and so in every row between them. */
  readonly shared: number;
}

function shapeOf({ after, through }: KeyBounds): Shape {
  return { hasLower: after !== null, hasUpper: through !== null, shared: sharedColumns(after, through) };
}

/** Compared as text: numbers of JavaScript would take two large keys for one. */
function sharedColumns(after: string | null, through: string | null): number {
  if (after === null || through === null) return 0;
  const [lower, upper] = [valuesOf(after), valuesOf(through)];
  const different = lower.findIndex((value, index) => value !== upper[index]);
  return different === -1 ? Math.max(0, lower.length - 1) : different;
}

/** A row key's values as they are written in it. */
function valuesOf(rowKey: string): readonly string[] {
  return rowKey.match(/"(?:[^"\\]|\\.)*"|[^\s,[\]]+/g) ?? [];
}

/** Row keys are JSON text already: put together as text, or numbers would be rounded to doubles. */
function listOf(parts: readonly (KeyBounds & { readonly n: number })[]): string {
  return `[${parts.map(({ n, after, through }) => `[${n},${after ?? 'null'},${through ?? 'null'}]`).join(',')}]`;
}

function partRows(table: MigratedTable, parameter: string, { hasLower, hasUpper }: Shape): string {
  const typed = (place: number, name: string) =>
    table.key.map(({ type }, index) => `(item -> ${place} ->> ${index})::${type} AS ${name}_${index}`);
  const columns = [
    '(item ->> 0)::integer AS n',
    ...(hasLower ? typed(1, 'after') : []),
    ...(hasUpper ? typed(2, 'through') : []),
  ];
  return `SELECT ${columns.join(', ')} FROM json_array_elements(${parameter}::json) AS list(item)`;
}

/**
 * Two traps of composite keys. A scan of an index ends by the first column of a record's upper bound only: with (tenant, id) a
 * part would be read to the end of its tenant, so columns that both bounds share are compared by themselves. And PostgreSQL takes
 * two comparisons of one expression for a narrow range, but those of a record for a third of the table each, which would make
 * reading it all look cheap: so the first column is compared once more; inside coalesce, or the index would be entered by it alone.
 */
function conditions(table: MigratedTable, { hasLower, hasUpper, shared }: Shape): string {
  const columns = table.key.map((column, index) => ({ index, ordered: orderedKey(column, 'r'), column }));
  const rest = columns.slice(shared);
  const key = `(${rest.map(({ ordered }) => ordered).join(', ')})`;
  const bound = (name: string) => `(${rest.map(({ index }) => `part.${name}_${index}`).join(', ')})`;
  const [lead] = rest.length > 1 ? rest : [];
  const narrow = (operator: string, name: string) => {
    if (lead === undefined) return [];
    const value = `r.${quoteIdentifier(lead.column.name)}`;
    const again = lead.ordered.replace(value, () => `coalesce(${value}, ${value})`);
    return [`${again} ${operator} part.${name}_${lead.index}`];
  };
  const all = [
    ...columns.slice(0, shared).map(({ ordered, index }) => `${ordered} = part.after_${index}`),
    ...(hasLower ? [`${key} > ${bound('after')}`, ...narrow('>=', 'after')] : []),
    ...(hasUpper ? [`${key} <= ${bound('through')}`, ...narrow('<=', 'through')] : []),
  ];
  return all.length === 0 ? 'true' : all.join(' AND ');
}
