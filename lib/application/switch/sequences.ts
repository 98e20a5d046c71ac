/** Sequences of the store that takes over start above everything that either store has handed out or holds (prior art, trap 21). */
import { type Direction, receiverOf, sourceOf } from '../../domain/direction.ts';
import { highestValue, type SequenceRow, sequencesOf, setSequence } from '../../sql/switchover/sequences.ts';
import type { Migration } from '../migration.ts';

/** Values that sessions of the old store may have cached and not used. */
const HEADROOM = 1000n;

/**
 * @param from the direction in force until now: its receiver takes over.
 * @returns one line for each sequence.
 */
export async function raiseSequences(
  migration: Migration,
  from: Direction,
  dryRun: boolean,
): Promise<readonly string[]> {
  const { databases } = migration.deps;
  const relations = migration.tables.map(({ schema, relation }) => [schema, relation] as const);
  const old = await databases.open(sourceOf(from), 'fence').query<SequenceRow>(sequencesOf(relations));
  const store = databases.open(receiverOf(from), 'fence');
  const lines: string[] = [];
  for (const row of await store.query<SequenceRow>(sequencesOf(relations))) {
    const [held] = await store.query<{ highest: string | null }>(highestValue(row, row.column));
    const other = old.find(
      (candidate) =>
        candidate.schema === row.schema && candidate.relation === row.relation && candidate.column === row.column,
    );
    const known = [row.last_value, other?.last_value, held?.highest].flatMap((value) =>
      value == null ? [] : [BigInt(value)],
    );
    if (known.length === 0 || row.increment.startsWith('-')) continue;
    // biome-ignore lint/complexity/useMathMinMax: Math.max takes no bigints
    const highest = known.reduce((one, two) => (one > two ? one : two));
    const next = highest + HEADROOM * BigInt(row.increment);
    if (!dryRun) await store.query(setSequence({ schema: row.sequence_schema, relation: row.sequence }, String(next)));
    lines.push(`${row.sequence_schema}.${row.sequence}: ${row.last_value ?? 'unused'} -> ${next}`);
  }
  return lines;
}
