import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export function countRows(table: MigratedTable): Statement {
  return { text: `SELECT count(*)::text AS rows FROM ${quoteRelation(table)}`, values: [] };
}
