/** Writes real rows the way that a direction will write them, in transactions that are rolled back: the path works before it is needed. */
import { type Direction, receiverOf, sourceOf } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import { readPage, type SourceRow } from '../../sql/source/read-rows.ts';
import { tryWrite } from '../../sql/switchover/try-write.ts';
import type { Migration } from '../migration.ts';

const ROWS_A_TABLE = 5;

/** @returns the violations found, one a line, without values. */
export async function rehearseWrites(migration: Migration, direction: Direction): Promise<readonly string[]> {
  const { databases } = migration.deps;
  const source = databases.open(sourceOf(direction), 'compare');
  const receiver = databases.open(receiverOf(direction), 'apply');
  const violations: string[] = [];
  for (const table of migration.tables) {
    const page = { after: null, through: null, limit: ROWS_A_TABLE, bytes: databases.pageBytes, tenants: null };
    const rows = await source.query<SourceRow>(readPage(table, migration.byName, direction, page));
    for (const { row, row_key } of rows) {
      if (row === null) continue;
      const rolledBack = new Error('rolled back');
      try {
        await receiver.transaction(async (session) => {
          await session.query(tryWrite(table, direction, row));
          await session.query({ text: 'SET CONSTRAINTS ALL IMMEDIATE', values: [] });
          throw rolledBack;
        });
      } catch (error) {
        if (error instanceof SqlError) violations.push(`${table.name} ${row_key}: ${error.message}`);
        else if (error !== rolledBack) throw error;
      }
    }
  }
  return violations;
}
