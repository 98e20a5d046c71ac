/** Rows to write come parents first, rows to remove children first: so neither misses a foreign key. */
import { inPages } from '../../domain/chunk.ts';
import type { DriftKind } from '../../domain/drift.ts';
import type { Migration } from '../migration.ts';

/** @returns pages of one table each. */
export function inRepairOrder<Row extends { readonly table: string; readonly kind: DriftKind }>(
  migration: Migration,
  rows: readonly Row[],
  rowsAtOnce: number,
): readonly (readonly Row[])[] {
  const order = migration.tables.map((table) => table.name);
  const pick = (tables: readonly string[], isWanted: (row: Row) => boolean) =>
    tables.flatMap((table) =>
      inPages(
        rows.filter((row) => row.table === table && isWanted(row)),
        rowsAtOnce,
      ),
    );
  return [...pick(order, ({ kind }) => kind !== 'extra'), ...pick(order.toReversed(), ({ kind }) => kind === 'extra')];
}
