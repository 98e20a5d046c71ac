/**
 * What a cycle is a proof of: tables in a shape, tenants in a generation. When either is not as it was, what was proved before says
 * nothing of what there is now: no window goes on from it, and no drift clock runs on it (ADR 026, 027).
 */
import type { Direction, StoreName } from '../../domain/direction.ts';
import { STORES } from '../../domain/direction.ts';
import type { CycleSubject } from '../../domain/drift-clocks.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import type { Column, MigratedTable } from '../../domain/table.ts';
import { type ColumnNumbersRow, columnNumbers } from '../../sql/compare/column-numbers.ts';
import type { Deps } from '../deps.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { copiedTenants } from './settle-round.ts';

interface Identity {
  readonly oid: string;
  readonly numbers: ReadonlyMap<string, number>;
}

type Identities = Readonly<Record<StoreName, ReadonlyMap<string, Identity>>>;

/** As it stands in both databases now, of every table of the plan and of every tenant that is copied. */
export async function readSubject(deps: Deps, direction: Direction): Promise<CycleSubject> {
  const [migration, states] = await Promise.all([loadMigration(deps), tenantStates(deps, direction)]);
  const copied = new Set(copiedTenants(states));
  return {
    shapes: await readShapes(migration),
    generations: generationsOf(states.filter(({ tenant }) => copied.has(tenant))),
  };
}

export function generationsOf(
  states: readonly { readonly tenant: string; readonly generation: number }[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(states.map(({ tenant, generation }) => [tenant, generation]));
}

/**
 * By table, a hash of what is compared of it: key, mapping, tenant path, and the columns of both stores that they name. A column
 * that nothing carries may come and go.
 */
export async function readShapes(migration: Migration): Promise<Readonly<Record<string, string>>> {
  const relations = migration.tables.map(({ schema, relation }) => [schema, relation] as const);
  const [legacy, target] = await Promise.all(STORES.map((store) => readIdentities(migration, store, relations)));
  const identities: Identities = { legacy: legacy ?? new Map(), target: target ?? new Map() };
  return Object.fromEntries(migration.tables.map((table) => [table.name, shapeOf(migration, table, identities)]));
}

async function readIdentities(
  { deps }: Migration,
  store: StoreName,
  relations: readonly (readonly [string, string])[],
): Promise<ReadonlyMap<string, Identity>> {
  const rows = await deps.databases.open(store, 'compare').query<ColumnNumbersRow>(columnNumbers(relations));
  // Built by the statement.
  const parse = (numbers: string) => new Map(JSON.parse(numbers) as [string, number][]);
  return new Map(
    rows.map(({ schema, relation, oid, numbers }) => [`${schema}.${relation}`, { oid, numbers: parse(numbers) }]),
  );
}

function shapeOf(migration: Migration, table: MigratedTable, identities: Identities): string {
  const { forward, key, critical } = table;
  const path = pathColumns(table);
  const names = [...key.map(({ name }) => name), ...path];
  const expressions = forward.map(({ expression }) => expression);
  // Which columns an expression reads is not known: a name that it merely contains is one too many, which does no harm.
  const isRead = ({ name }: Column) => names.includes(name) || expressions.some((text) => text.includes(name));
  const isFilled = ({ name }: Column) => names.includes(name) || forward.some(({ column }) => column === name);
  return fingerprint({
    key,
    forward: forward.map(({ column, type, expression }) => [column, type, expression]),
    critical,
    tenant: tenantShape(migration, table, identities),
    legacy: describe(table, 'legacy', table.legacyColumns.filter(isRead), identities),
    target: describe(table, 'target', table.targetColumns.filter(isFilled), identities),
  });
}

/** Whose a row is depends on its ancestors' columns. */
function tenantShape(migration: Migration, table: MigratedTable, identities: Identities): readonly unknown[] {
  if (table.tenant.kind !== 'parent') return [table.tenant];
  const parent = migration.byName.get(table.tenant.parent);
  if (parent === undefined) return [table.tenant];
  const names = [...pathColumns(parent), ...table.tenant.on.map(({ parentColumn }) => parentColumn)];
  const columns = (of: readonly Column[]) => of.filter(({ name }) => names.includes(name));
  return [
    table.tenant,
    describe(parent, 'legacy', columns(parent.legacyColumns), identities),
    describe(parent, 'target', columns(parent.targetColumns), identities),
    ...tenantShape(migration, parent, identities),
  ];
}

function pathColumns({ tenant }: MigratedTable): readonly string[] {
  if (tenant.kind === 'none') return [];
  return tenant.kind === 'column' ? [tenant.column] : tenant.on.map(({ column }) => column);
}

function describe(
  { schema, relation }: MigratedTable,
  store: StoreName,
  columns: readonly Column[],
  identities: Identities,
): readonly unknown[] {
  const known = identities[store].get(`${schema}.${relation}`);
  return [known?.oid, columns.map(({ name, type, generated }) => [name, type, generated, known?.numbers.get(name)])];
}
