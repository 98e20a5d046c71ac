/** The advice for a name that was mistyped. */
const FARTHEST = 3;

/** `; did you mean x?` where one of `known` is near, else the list of a few that are known, else nothing. */
export function nearest(written: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, distance: distanceBetween(simplify(written), simplify(name)) }))
    .filter(
      ({ name, distance }) => distance <= Math.min(FARTHEST, Math.floor(Math.max(written.length, name.length) / 2)),
    )
    .sort((left, right) => left.distance - right.distance);
  return best === undefined ? '' : `; did you mean ${best.name}?`;
}

/** `chunk_rows`, `ChunkRows` and `chunkRows` are one name to a person. */
function simplify(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '');
}

/** Single letters to insert, delete, replace or swap with the next (optimal string alignment). */
function distanceBetween(left: string, right: string): number {
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= left.length; row += 1) {
    const cells = [row];
    rows.push(cells);
    for (let column = 1; column <= right.length; column += 1) {
      const changed = left[row - 1] === right[column - 1] ? 0 : 1;
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      cells.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + changed,
          swapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(left.length, right.length);
}
