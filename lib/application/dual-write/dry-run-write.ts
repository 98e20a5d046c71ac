/**
 * What would become of one legacy row if the relay carried it to the target now: mapped by legacy, tried in the target in a
 * transaction that is always rolled back, with every rule that it breaks (guide phase 2, dry run). Changes nothing anywhere.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { type SqlErrorKind, SqlError, type SqlSession } from '../../ports/sql.ts';
import { findHolder } from '../../sql/apply/collision.ts';
import { type UniqueIndexRow, uniqueIndex } from '../../sql/catalogue/unique-index.ts';
import {
  columnDefaults,
  type DefaultRow,
  type MappedPayload,
  mapColumn,
  mapPayload,
  pickColumn,
  typeRow,
} from '../../sql/dry-run/map-payload.ts';
import { breaksCheck, missesParent, type RuleRow, targetRules } from '../../sql/dry-run/target-rules.ts';
import { checkConstraintsNow, readWritten, tryWrite, type WrittenRow } from '../../sql/dry-run/try-write.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import { type Migration, tableNamed } from '../migration.ts';

export const VIOLATIONS = ['column', 'type', 'mapping', 'not-null', 'check', 'unique', 'foreign-key', 'other'] as const;
export type ViolationKind = (typeof VIOLATIONS)[number];

/** Names of columns and constraints, never values. */
export interface Violation {
  readonly store: 'legacy' | 'target';
  readonly kind: ViolationKind;
  readonly column: string | null;
  readonly constraint: string | null;
  readonly message: string;
}

export interface DryRunWrite {
  readonly violations: readonly Violation[];
  /** The row as the target would hold it (JSON text, every column); null when it would not. */
  readonly row: string | null;
  /** The row as the relay would send it (JSON text of the mapped columns); null when legacy cannot map it. */
  readonly mapped: string | null;
  readonly rowKey: string | null;
  readonly tenant: string | null;
}

export interface WriteToTry {
  readonly table: string;
  /** JSON text of a legacy row; absent columns get their defaults. */
  readonly payload: string;
}

const NOTHING: Omit<DryRunWrite, 'violations'> = { row: null, mapped: null, rowKey: null, tenant: null };

/** @throws {RangeError} for a table that is not in the plan. @throws {SqlError} when a store cannot be asked. */
export async function dryRunWrite(migration: Migration, { table: name, payload }: WriteToTry): Promise<DryRunWrite> {
  const table = tableNamed(migration, name);
  const legacy = migration.deps.databases.open('legacy', 'compare');
  const defaults = await legacy.query<DefaultRow>(columnDefaults(table));
  const faults = findPayloadFaults(table, payload, defaults);
  if (faults.length > 0) return { ...NOTHING, violations: faults };

  const mapped = await mapRow(migration, legacy, table, payload, defaults);
  if ('violations' in mapped) return { ...NOTHING, violations: mapped.violations };
  const known = { mapped: mapped.row, rowKey: mapped.row_key, tenant: mapped.tenant };

  const target = migration.deps.databases.open('target', 'compare');
  const typed = await findTypeFaults(target, table, mapped.row);
  if (typed.length > 0) return { ...known, row: null, violations: typed };
  const broken = [...findNulls(table, mapped.row), ...(await findBrokenRules(target, table, mapped))];
  const tried = await tryInTarget(migration, table, mapped);
  const isNew = !broken.some(({ kind, constraint, column }) =>
    tried.violations.some((other) => other.kind === kind && (other.constraint === constraint || column !== null)),
  );
  return { ...known, row: tried.row, violations: isNew ? [...broken, ...tried.violations] : broken };
}

function findPayloadFaults(table: MigratedTable, payload: string, defaults: readonly DefaultRow[]): readonly Violation[] {
  const given: unknown = JSON.parse(payload);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return [violation('legacy', 'column', 'the payload is not a JSON object of legacy columns')];
  }
  const values = new Map(Object.entries(given));
  const unknown = [...values.keys()].filter((name) => !table.legacyColumns.some((column) => column.name === name));
  const isFilled = (name: string) => defaults.some(({ column }) => column === name);
  const empty = table.legacyColumns.filter(
    ({ name, notNull, generated }) => notNull && !generated && (values.has(name) ? values.get(name) === null : !isFilled(name)),
  );
  return [
    ...unknown.map((name) => violation('legacy', 'column', `${table.name} has no column ${name} in legacy`, { column: name })),
    ...empty.map(({ name }) =>
      violation('legacy', 'not-null', `legacy column ${name} has no value; a dry run draws none from a sequence`, { column: name }),
    ),
  ];
}

type Mapped = MappedPayload | { readonly violations: readonly Violation[] };

async function mapRow(
  migration: Migration,
  legacy: SqlSession,
  table: MigratedTable,
  payload: string,
  defaults: readonly DefaultRow[],
): Promise<Mapped> {
  const whole = await ask(legacy.query<MappedPayload>(mapPayload(table, migration.byName, payload, defaults)));
  if ('answer' in whole) {
    const [mapped] = whole.answer;
    if (mapped !== undefined) return mapped;
  }
  const violations: Violation[] = [];
  for (const column of Object.keys(JSON.parse(payload) as object)) {
    const alone = await ask(typeAlone(legacy, table, payload, column));
    if ('error' in alone) violations.push(toViolation('legacy', 'type', alone.error, column));
  }
  for (const { column, expression } of violations.length > 0 ? [] : table.forward) {
    const alone = await ask(legacy.query(mapColumn(table, expression, payload, defaults)));
    if ('error' in alone) violations.push(toViolation('legacy', 'mapping', alone.error, column));
  }
  if (violations.length === 0 && 'error' in whole) violations.push(toViolation('legacy', 'other', whole.error));
  return { violations };
}

async function findTypeFaults(target: SqlSession, table: MigratedTable, row: string): Promise<readonly Violation[]> {
  const whole = await ask(target.query(typeRow(table, row)));
  if (!('error' in whole)) return [];
  const violations: Violation[] = [];
  for (const { column } of table.forward) {
    const alone = await ask(typeAlone(target, table, row, column));
    if ('error' in alone) violations.push(toViolation('target', 'type', alone.error, column));
  }
  return violations.length > 0 ? violations : [toViolation('target', 'type', whole.error)];
}

async function typeAlone(session: SqlSession, table: MigratedTable, row: string, column: string): Promise<void> {
  const [picked] = await session.query<{ row: string }>(pickColumn(row, column));
  if (picked !== undefined) await session.query(typeRow(table, picked.row));
}

function findNulls(table: MigratedTable, row: string): readonly Violation[] {
  const values: Readonly<Record<string, unknown>> = JSON.parse(row);
  return table.targetColumns
    .filter(({ name, notNull, generated }) => notNull && !generated && values[name] === null)
    .map(({ name }) => violation('target', 'not-null', `target column ${name} is NOT NULL and would get NULL`, { column: name }));
}

async function findBrokenRules(target: SqlSession, table: MigratedTable, mapped: MappedPayload): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  for (const rule of await target.query<RuleRow>(targetRules(table))) {
    const message = await breaks(target, table, rule, mapped);
    if (message !== null) violations.push(violation('target', rule.kind, message, { constraint: rule.name }));
  }
  return violations;
}

async function breaks(target: SqlSession, table: MigratedTable, rule: RuleRow, { row, row_key }: MappedPayload): Promise<string | null> {
  if (rule.kind === 'unique') {
    const index = await target.query<UniqueIndexRow>(uniqueIndex(quoteRelation(table), rule.name));
    const [holder] = await target.query<{ row_key: string }>(findHolder(table, index, row_key, row));
    return holder === undefined ? null : `${rule.name}: row ${holder.row_key} holds the value; the relay would decide by version`;
  }
  const statement = rule.kind === 'check' ? breaksCheck(table, rule, row) : missesParent(table, rule, row);
  const [answer] = await target.query<{ broken: boolean }>(statement);
  if (answer?.broken !== true) return null;
  return rule.kind === 'check'
    ? `${rule.name}: the row does not keep the check`
    : `${rule.name}: the row's parent is not in ${rule.parent}; the relay would wait for it`;
}

/** Ends the transaction without an error of its own. */
class RollBack extends Error {
  readonly row: string | null;

  constructor(row: string | null) {
    super('a dry run is always rolled back');
    this.row = row;
  }
}

async function tryInTarget(
  migration: Migration,
  table: MigratedTable,
  { row, row_key }: MappedPayload,
): Promise<{ readonly row: string | null; readonly violations: readonly Violation[] }> {
  const store = migration.deps.databases.open('target', 'apply');
  try {
    return await store.transaction(async (session) => {
      await session.query(tryWrite(table, row));
      await session.query(checkConstraintsNow);
      const [written] = await session.query<WrittenRow>(readWritten(table, row_key));
      throw new RollBack(written?.row ?? null);
    });
  } catch (error) {
    if (error instanceof RollBack) return { row: error.row, violations: [] };
    if (!(error instanceof SqlError) || !isRowsFault(error)) throw error;
    return { row: null, violations: [toViolation('target', KIND_OF[error.kind] ?? 'other', error)] };
  }
}

const KIND_OF: Readonly<Partial<Record<SqlErrorKind, ViolationKind>>> = { unique: 'unique', 'foreign-key': 'foreign-key' };
const NOT_NULL_VIOLATION = '23502';
const CHECK_VIOLATION = '23514';

type Asked<T> = { readonly answer: T } | { readonly error: SqlError };

/** The answer, or the error where the row is to blame for it. */
async function ask<T>(question: Promise<T>): Promise<Asked<T>> {
  try {
    return { answer: await question };
  } catch (error) {
    if (error instanceof SqlError && isRowsFault(error)) return { error };
    throw error;
  }
}

function isRowsFault({ kind }: SqlError): boolean {
  return kind === 'permanent' || kind === 'unique' || kind === 'foreign-key';
}

function toViolation(store: Violation['store'], kind: ViolationKind, error: SqlError, column?: string): Violation {
  const exact = error.sqlState === NOT_NULL_VIOLATION ? 'not-null' : error.sqlState === CHECK_VIOLATION ? 'check' : kind;
  return violation(store, exact, error.message, { column, constraint: error.constraint });
}

function violation(
  store: Violation['store'],
  kind: ViolationKind,
  message: string,
  { column, constraint }: { readonly column?: string | undefined; readonly constraint?: string | undefined } = {},
): Violation {
  return { store, kind, column: column ?? null, constraint: constraint ?? null, message };
}
