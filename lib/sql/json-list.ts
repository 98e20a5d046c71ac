/**
 * A JSON list of rows that are JSON text already; `{}` stands for a row that is not there. The texts pass through untouched:
 * parsing them here would round bigints and numerics to doubles.
 */
export function jsonList(rows: readonly (string | null)[]): string {
  return `[${rows.map((row) => row ?? '{}').join(',')}]`;
}
