/**
 * Whether two stores gave the same answer. Both print a row after a cast to the same types, so equal rows are equal texts; the
 * texts are never parsed to decide, because that would round numbers.
 */
export const ROW_MISSING = '(row)';

/** Names of the columns that differ; `(row)` when one store has no row; empty when the answers are equal. */
export function differingColumns(one: string | null, other: string | null): readonly string[] {
  if (one === other) return [];
  if (one === null || other === null) return [ROW_MISSING];
  const left = fieldsOf(one);
  const right = fieldsOf(other);
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  const found = names.filter((name) => JSON.stringify(left[name]) !== JSON.stringify(right[name]));
  return found.length > 0 ? found : [REPRESENTATION];
}

/** The texts differ although JavaScript reads the same values: digits beyond a double, or the order inside a json column. */
const REPRESENTATION = '(representation)';

function fieldsOf(row: string): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(row);
  return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
}
