/** Finds everything that is wrong with a row, rule by rule: PostgreSQL itself stops at the first. */
import type { MigratedTable } from '../../domain/table.ts';
import type { SqlSession } from '../../ports/sql.ts';
import { findHolder } from '../../sql/apply/collision.ts';
import { type UniqueIndexRow, uniqueIndex } from '../../sql/catalogue/unique-index.ts';
import {
  type DefaultRow,
  type MappedPayload,
  mapColumn,
  mapPayload,
  pickColumn,
  typeRow,
} from '../../sql/dry-run/map-payload.ts';
import { breaksCheck, type RuleRow, targetRules } from '../../sql/dry-run/target-rules.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import type { TablesByName } from '../../sql/row.ts';
import { ask, type Fault, fault, toFault } from './fault.ts';

/** What legacy itself would refuse. */
export function findPayloadFaults(
  table: MigratedTable,
  payload: string,
  defaults: readonly DefaultRow[],
): readonly Fault[] {
  const given: unknown = JSON.parse(payload);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return [fault('legacy', 'column', 'the payload is not a JSON object of legacy columns')];
  }
  const values = new Map<string, unknown>(Object.entries(given));
  const unknown = [...values.keys()].filter((name) => !table.legacyColumns.some((column) => column.name === name));
  const isFilled = (name: string) => defaults.some(({ column }) => column === name);
  const isEmpty = (name: string) => (values.has(name) ? values.get(name) === null : !isFilled(name));
  const empty = table.legacyColumns.filter(({ name, notNull, generated }) => notNull && !generated && isEmpty(name));
  return [
    ...unknown.map((column) => fault('legacy', 'column', `${table.name} has no such column in legacy`, { column })),
    ...empty.map(({ name: column }) =>
      fault('legacy', 'not-null', 'the column has no value, and a dry run draws none from a sequence', { column }),
    ),
  ];
}

/** The row as legacy maps it, or why it cannot: columns of a wrong type first, then expressions that fail. */
export async function mapRow(
  legacy: SqlSession,
  table: MigratedTable,
  tables: TablesByName,
  payload: string,
  defaults: readonly DefaultRow[],
): Promise<MappedPayload | { readonly faults: readonly Fault[] }> {
  const whole = await ask(legacy.query<MappedPayload>(mapPayload(table, tables, payload, defaults)));
  if ('answer' in whole) {
    const [mapped] = whole.answer;
    if (mapped === undefined) throw new RangeError(`mapping one row of ${table.name} gave none`);
    return mapped;
  }
  const faults: Fault[] = [];
  for (const column of Object.keys(JSON.parse(payload) as object)) {
    const alone = await ask(typeAlone(legacy, table, payload, column));
    if ('error' in alone) faults.push(toFault('legacy', 'type', alone.error, column));
  }
  for (const { column, expression } of faults.length > 0 ? [] : table.forward) {
    const alone = await ask(legacy.query(mapColumn(table, expression, payload, defaults)));
    if ('error' in alone) faults.push(toFault('legacy', 'mapping', alone.error, column));
  }
  return { faults: faults.length > 0 ? faults : [toFault('legacy', 'other', whole.error)] };
}

/** Values that the target's types refuse. */
export async function findTypeFaults(target: SqlSession, table: MigratedTable, row: string): Promise<readonly Fault[]> {
  const whole = await ask(target.query(typeRow(table, row)));
  if (!('error' in whole)) return [];
  const faults: Fault[] = [];
  for (const { column } of table.forward) {
    const alone = await ask(typeAlone(target, table, row, column));
    if ('error' in alone) faults.push(toFault('target', 'type', alone.error, column));
  }
  return faults.length > 0 ? faults : [toFault('target', 'type', whole.error)];
}

/** NOT NULL, checks and unique values; foreign keys are asked with the parents at hand (try-in-target.ts). */
export async function findBrokenRules(
  target: SqlSession,
  table: MigratedTable,
  { row, row_key }: MappedPayload,
): Promise<readonly Fault[]> {
  const faults = [...findNulls(table, row)];
  for (const rule of await target.query<RuleRow>(targetRules(table))) {
    if (rule.kind === 'unique') {
      const index = await target.query<UniqueIndexRow>(uniqueIndex(quoteRelation(table), rule.name));
      const [holder] = await target.query<{ row_key: string }>(findHolder(table, index, row_key, row));
      const message = `row ${holder?.row_key} holds the value; the relay would decide by version`;
      if (holder !== undefined) faults.push(fault('target', 'unique', message, { constraint: rule.name }));
    }
    if (rule.kind === 'check') {
      const [answer] = await target.query<{ broken: boolean }>(breaksCheck(table, rule, row));
      if (answer?.broken)
        faults.push(fault('target', 'check', `the row breaks ${rule.name}`, { constraint: rule.name }));
    }
  }
  return faults;
}

function findNulls(table: MigratedTable, row: string): readonly Fault[] {
  const values: Readonly<Record<string, unknown>> = JSON.parse(row);
  return table.targetColumns
    .filter(({ name, notNull, generated }) => notNull && !generated && values[name] === null)
    .map(({ name: column }) => fault('target', 'not-null', 'the column is NOT NULL and would get NULL', { column }));
}

async function typeAlone(session: SqlSession, table: MigratedTable, row: string, column: string): Promise<void> {
  const [picked] = await session.query<{ row: string }>(pickColumn(row, column));
  if (picked !== undefined) await session.query(typeRow(table, picked.row));
}
