/** Joins the plan's tables with both catalogues. Everything that is wrong is listed at once, with what to do. */
import type { StoreName } from '../domain/direction.ts';
import type { Column, MappedColumn, MigratedTable } from '../domain/table.ts';
import { fitOf } from '../domain/type-parity.ts';
import type { ColumnPlan, Plan } from '../plan/plan.ts';
import type { Databases } from '../ports/sql.ts';
import { type ColumnRow, columns } from '../sql/catalogue/columns.ts';
import { type ForeignKeyRow, foreignKeys } from '../sql/catalogue/foreign-keys.ts';
import { type PrimaryKeyRow, primaryKeys } from '../sql/catalogue/primary-keys.ts';
import { quoteIdentifier } from '../sql/identifier.ts';

export class PlanMismatch extends Error {
  override readonly name = 'PlanMismatch';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the plan does not fit the databases:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

interface Catalogue {
  readonly columns: ReadonlyMap<string, readonly ColumnRow[]>;
  readonly keys: ReadonlyMap<string, readonly PrimaryKeyRow[]>;
  readonly references: readonly ForeignKeyRow[];
}

/** @throws {PlanMismatch} when a table, key or column of the plan is missing or cannot be migrated. */
export async function readTables(plan: Plan, databases: Databases): Promise<readonly MigratedTable[]> {
  const relations = Object.keys(plan.tables).map(relationOf);
  // At once: every call of a function begins with it.
  const [legacy, target] = await Promise.all([
    readCatalogue(databases, 'legacy', relations),
    readCatalogue(databases, 'target', relations),
  ]);
  const problems: string[] = [];
  const tables = Object.keys(plan.tables).flatMap((name) => {
    const table = joinTable(plan, name, legacy, target, problems);
    return table === undefined ? [] : [table];
  });
  for (const table of tables) checkParent(table, tables, problems);
  if (problems.length > 0) throw new PlanMismatch(problems);
  return parentsFirst(tables);
}

/** `orders` is `public.orders`. */
export function relationOf(name: string): readonly [string, string] {
  const dot = name.indexOf('.');
  return dot < 0 ? ['public', name] : [name.slice(0, dot), name.slice(dot + 1)];
}

async function readCatalogue(
  databases: Databases,
  store: StoreName,
  relations: readonly (readonly [string, string])[],
): Promise<Catalogue> {
  const session = databases.open(store, 'compare');
  const columnRows = await session.query<ColumnRow>(columns(relations));
  const keyRows = await session.query<PrimaryKeyRow>(primaryKeys(relations));
  const references = await session.query<ForeignKeyRow>(foreignKeys(relations));
  const address = (row: { schema: string; relation: string }) => `${row.schema}.${row.relation}`;
  return { columns: Map.groupBy(columnRows, address), keys: Map.groupBy(keyRows, address), references };
}

function joinTable(
  plan: Plan,
  name: string,
  legacy: Catalogue,
  target: Catalogue,
  problems: string[],
): MigratedTable | undefined {
  const [schema, relation] = relationOf(name);
  const address = `${schema}.${relation}`;
  const spec = plan.tables[name];
  const legacyColumns = legacy.columns.get(address);
  const targetColumns = target.columns.get(address);
  if (spec === undefined) return undefined;
  if (legacyColumns === undefined)
    problems.push(`table ${name} is not in legacy; create it there or take it out of the plan`);
  if (targetColumns === undefined)
    problems.push(`table ${name} is not in the target; create it there or take it out of the plan`);
  if (legacyColumns === undefined || targetColumns === undefined) return undefined;

  const key = joinKey(name, legacy.keys.get(address) ?? [], target.keys.get(address) ?? [], problems);
  const mapping = spec.columns;
  for (const column of Object.keys(mapping)) {
    const known =
      targetColumns.some((candidate) => candidate.name === column) ||
      legacyColumns.some((candidate) => candidate.name === column);
    if (!known) problems.push(`table ${name}: column ${column} of the plan is neither in legacy nor in the target`);
    if (key.some((part) => part.name === column))
      problems.push(
        `table ${name}: key column ${column} cannot be mapped; its name and value are the row's identity in both stores`,
      );
  }
  for (const column of [...spec.criticalColumns, ...(spec.updatedAtColumn === null ? [] : [spec.updatedAtColumn])]) {
    if (!targetColumns.some((candidate) => candidate.name === column))
      problems.push(`table ${name}: column ${column} of the plan is not in the target`);
  }
  const { tenant } = spec;
  if (tenant.kind === 'column') {
    for (const [store, present] of [
      ['legacy', legacyColumns],
      ['the target', targetColumns],
    ] as const) {
      if (!present.some((candidate) => candidate.name === tenant.column))
        problems.push(
          `table ${name}: tenant column ${tenant.column} is not in ${store}; name it under tables.${name}.tenant, or give a path through a parent, or none`,
        );
    }
  }
  const columnsOf = (kind: ColumnPlan['kind']) =>
    Object.entries(mapping).flatMap(([column, rule]) => (rule.kind === kind ? [column] : []));
  const owned = columnsOf('target-owned');
  const dropped = columnsOf('dropped');
  return {
    name,
    schema,
    relation,
    key,
    tenant,
    capture: spec.capture,
    legacyColumns: legacyColumns.map(toColumn),
    targetColumns: targetColumns.map(toColumn),
    forward: mapColumns(
      name,
      legacyColumns,
      targetColumns,
      (column) => fromOf(mapping[column]),
      [...owned, ...dropped],
      problems,
    ),
    reverse: mapColumns(
      name,
      targetColumns,
      legacyColumns,
      (column) => backOf(mapping, column),
      dropped.filter((column) => backOf(mapping, column) === undefined),
      [],
    ),
    targetOwned: owned,
    oneWay: columnsOf('one-way'),
    critical: spec.criticalColumns,
    updatedAt: spec.updatedAtColumn,
    references: target.references
      .filter((reference) => `${reference.schema}.${reference.relation}` === address)
      .flatMap((reference) =>
        Object.keys(plan.tables).filter(
          (candidate) => relationOf(candidate).join('.') === `${reference.parent_schema}.${reference.parent_relation}`,
        ),
      )
      .filter((parent) => parent !== name),
  };
}

function fromOf(rule: ColumnPlan | undefined): string | undefined {
  return rule?.kind === 'mapped' || rule?.kind === 'one-way' ? rule.from : undefined;
}

/** `back` stands with the target column that it reads, keyed by the legacy column that it fills. */
function backOf(mapping: Readonly<Record<string, ColumnPlan>>, legacyColumn: string): string | undefined {
  return Object.values(mapping)
    .map((rule) => (rule.kind === 'mapped' ? rule.back[legacyColumn] : undefined))
    .find((back) => back !== undefined);
}

function joinKey(name: string, legacy: readonly PrimaryKeyRow[], target: readonly PrimaryKeyRow[], problems: string[]) {
  if (legacy.length === 0)
    problems.push(
      `table ${name} has no primary key in legacy; add one, because a row without a key cannot be followed`,
    );
  if (target.length === 0)
    problems.push(`table ${name} has no primary key in the target; add the same one as in legacy`);
  if (legacy.some((part) => part.deferrable))
    problems.push(
      `table ${name}: its primary key in legacy is DEFERRABLE, so the order of its events cannot be known; make it immediate`,
    );
  if (target.some((part) => part.deferrable))
    problems.push(
      `table ${name}: its primary key in the target is DEFERRABLE and cannot arbitrate conflicts; make it immediate`,
    );
  if ([...legacy, ...target].some((part) => !part.deterministic))
    problems.push(
      `table ${name}: its key has a nondeterministic collation, so equal keys may differ in bytes; use a deterministic one`,
    );
  const shape = (rows: readonly PrimaryKeyRow[]) => rows.map((part) => `${part.name} ${part.type}`).join(', ');
  if (
    legacy.length > 0 &&
    target.length > 0 &&
    legacy.map((part) => part.name).join() !== target.map((part) => part.name).join()
  ) {
    problems.push(`table ${name}: the keys differ, (${shape(legacy)}) in legacy and (${shape(target)}) in the target`);
  }
  for (const { name: column, type, nested } of legacy) {
    if (nested)
      problems.push(
        `table ${name}: key column ${column} is ${type}; a key of documents or lists cannot be walked in order`,
      );
  }
  // Keys of both stores are read as the target's type: one that it has no room for would be looked up as another key, or as none.
  for (const { name: column, type } of legacy) {
    const other = target.find((part) => part.name === column)?.type;
    if (other !== undefined && !['same', 'wider'].includes(fitOf(type, other)))
      problems.push(
        `table ${name}: key column ${column} is ${type} in legacy and ${other} in the target, which does not hold every key; give it legacy's type`,
      );
  }
  return target.map(({ name: column, type, like_text: isLikeText }) => ({ name: column, type, isLikeText }));
}

function mapColumns(
  table: string,
  source: readonly ColumnRow[],
  receiver: readonly ColumnRow[],
  ruleOf: (column: string) => string | undefined,
  leftOut: readonly string[],
  problems: string[],
): readonly MappedColumn[] {
  return receiver.flatMap((column) => {
    if (column.generated || leftOut.includes(column.name)) return [];
    const insertOnly = column.identity === 'a';
    const rule = ruleOf(column.name);
    if (rule !== undefined) return [{ column: column.name, type: column.type, expression: rule, insertOnly }];
    if (source.some((candidate) => candidate.name === column.name)) {
      return [{ column: column.name, type: column.type, expression: quoteIdentifier(column.name), insertOnly }];
    }
    if (column.not_null && !column.has_default) {
      problems.push(
        `table ${table}: target column ${column.name} is NOT NULL without a default and nothing fills it; add tables.${table}.columns.${column.name}.from`,
      );
    }
    return [];
  });
}

function checkParent(table: MigratedTable, tables: readonly MigratedTable[], problems: string[]): void {
  if (table.tenant.kind !== 'parent') return;
  const { parent, on } = table.tenant;
  const found = tables.find((candidate) => candidate.name === parent);
  for (const pair of on) {
    for (const present of [table.legacyColumns, table.targetColumns]) {
      if (!present.some((column) => column.name === pair.column))
        problems.push(`table ${table.name}: column ${pair.column} of its tenant path is missing`);
    }
    if (found !== undefined && !found.legacyColumns.some((column) => column.name === pair.parentColumn))
      problems.push(`table ${table.name}: column ${pair.parentColumn} of its parent ${parent} is missing`);
  }
}

/** Parents before children by foreign key; cycles keep the plan's order, because an insert that misses its parent waits. */
export function parentsFirst(tables: readonly MigratedTable[]): readonly MigratedTable[] {
  const placed: MigratedTable[] = [];
  const waiting = [...tables];
  while (waiting.length > 0) {
    const ready = waiting.findIndex((table) =>
      table.references.every((parent) => !waiting.some((other) => other.name === parent && other.name !== table.name)),
    );
    placed.push(...waiting.splice(Math.max(ready, 0), 1));
  }
  return placed;
}

function toColumn(row: ColumnRow): Column {
  return {
    name: row.name,
    type: row.type,
    notNull: row.not_null,
    hasDefault: row.has_default,
    generated: row.generated,
    identity: row.identity === 'a' ? 'always' : row.identity === 'd' ? 'by default' : 'none',
  };
}
