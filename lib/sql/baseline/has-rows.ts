import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export function hasRows(table: MigratedTable): Statement {
  return { text: `SELECT EXISTS (SELECT FROM ${quoteRelation(table)}) AS found`, values: [] };
}
