/**
 * A JSON list of records whose `r` is already JSON text. The text is passed through untouched: parsing it here would round
 * bigints and numerics to doubles.
 */
export function jsonRows<Row>(
  rows: readonly Row[],
  fieldsOf: (row: Row) => object,
  textOf: (row: Row) => string | null,
): string {
  return `[${rows.map((row) => `${JSON.stringify(fieldsOf(row)).slice(0, -1)},"r":${textOf(row) ?? 'null'}}`).join(',')}]`;
}
