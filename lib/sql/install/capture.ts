/**
 * Capture of one table (protocol §3): functions, and an AFTER ROW trigger that fires for every row that a statement touched. TRUNCATE
 * has no rows and is refused, on the table and on each of its partitions, because a statement trigger of the one does not fire for the other.
 */
import type { Direction } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteRelation } from '../identifier.ts';
import type { TablesByName } from '../row.ts';
import type { Statement } from '../statement.ts';
import {
  captureName,
  clientFunction,
  clientName,
  emitFunction,
  emitName,
  emitTypes,
  idleClientFunction,
  triggerFunction,
} from './capture-functions.ts';

export const CAPTURE_TRIGGER = 'crossfade_capture';
export const TRUNCATE_TRIGGER = 'crossfade_truncate';

/** The table itself and its partitions, in any order. */
export type Relations = readonly { readonly schema: string; readonly relation: string }[];

/** Functions first: they may be replaced while the trigger of an earlier install is in place. */
export function captureFunctions(
  table: MigratedTable,
  tables: TablesByName,
  direction: Direction,
  appliers: readonly string[],
): readonly Statement[] {
  const emit = `${emitName(table)}(${emitTypes(table)})`;
  const statements = [emitFunction(table, tables, direction), `REVOKE ALL ON FUNCTION ${emit} FROM PUBLIC`];
  if (table.capture === 'client') {
    statements.push(clientFunction(table), `GRANT EXECUTE ON FUNCTION ${clientName(table)}(json, text) TO PUBLIC`);
  } else {
    statements.push(triggerFunction(table, tables, direction, appliers));
  }
  return statements.map((text) => ({ text, values: [] }));
}

/**
 * Waits for the writers already in the table and refuses to wait longer than the session's lock_timeout, so application
 * writes never queue behind it for long; the caller retries. ENABLE ALWAYS: also under session_replication_role = replica.
 */
export function captureTriggers(table: MigratedTable, relations: Relations = [table]): readonly Statement[] {
  const relation = quoteRelation(table);
  const statements = relations
    .map(quoteRelation)
    .flatMap((each) => [
      `CREATE OR REPLACE TRIGGER ${TRUNCATE_TRIGGER} BEFORE TRUNCATE ON ${each} FOR EACH STATEMENT EXECUTE FUNCTION crossfade.refuse_truncate()`,
      `ALTER TABLE ${each} ENABLE ALWAYS TRIGGER ${TRUNCATE_TRIGGER}`,
    ]);
  if (table.capture === 'trigger') {
    statements.push(
      `CREATE OR REPLACE TRIGGER ${CAPTURE_TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON ${relation} FOR EACH ROW EXECUTE FUNCTION ${captureName(table)}()`,
      `ALTER TABLE ${relation} ENABLE ALWAYS TRIGGER ${CAPTURE_TRIGGER}`,
    );
  }
  return statements.map((text) => ({ text, values: [] }));
}

export function dropCapture(table: MigratedTable, relations: Relations = [table]): readonly Statement[] {
  const emit = `${emitName(table)}(${emitTypes(table)})`;
  return [
    `DROP TRIGGER IF EXISTS ${CAPTURE_TRIGGER} ON ${quoteRelation(table)}`,
    ...relations.map((each) => `DROP TRIGGER IF EXISTS ${TRUNCATE_TRIGGER} ON ${quoteRelation(each)}`),
    `DROP FUNCTION IF EXISTS ${captureName(table)}()`,
    ...(table.capture === 'client' ? [idleClientFunction(table)] : []),
    `DROP FUNCTION IF EXISTS ${emit}`,
  ].map((text) => ({ text, values: [] }));
}
