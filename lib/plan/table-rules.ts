/** Rules of tables, columns and services: names that refer to each other exist, parents form no circle, a column is carried in one way. */
import { type Finding, finding, type WellFormed } from './findings.ts';
import { nearest } from './nearest.ts';
import type { ColumnFile, TableFile } from './tables.ts';

type Tables = Readonly<Record<string, TableFile>>;

export function checkTables(plan: WellFormed, tableNames: readonly string[]): Finding[] {
  const { tables = {}, tenants } = plan;
  return [
    ...checkSameTable(tableNames),
    ...Object.entries(tables).flatMap(([name, table]) => [
      ...(tenants === 'none' ? checkWithoutTenants(name, table) : checkParent(name, tables, tableNames)),
      ...Object.entries(table.columns).flatMap(([column, mapping]) => checkColumn([name, column], mapping)),
      ...checkUses(name, table, tenants === undefined || tenants === 'none' ? undefined : tenants.column),
    ]),
    ...checkServices(plan, tableNames),
  ];
}

function checkSameTable(names: readonly string[]): Finding[] {
  return names
    .filter((name) => !name.includes('.') && names.includes(`public.${name}`))
    .map((name) => finding(['tables', name], `expected each table once; public.${name} is the same table`, 'key'));
}

function checkWithoutTenants(name: string, { tenant }: TableFile): Finding[] {
  if (tenant === undefined || tenant === 'none') return [];
  return [finding(['tables', name, 'tenant'], 'expected none or nothing: the plan says `tenants: none`')];
}

function checkParent(name: string, tables: Tables, tableNames: readonly string[]): Finding[] {
  const tenant = tables[name]?.tenant;
  if (typeof tenant !== 'object') return [];
  const path = ['tables', name, 'tenant', 'parent'];
  if (!tableNames.includes(tenant.parent))
    return [finding(path, `expected a table of this plan${nearest(tenant.parent, tableNames)}`)];
  if (Object.hasOwn(tables, tenant.parent) && tables[tenant.parent]?.tenant === 'none') {
    return [finding(path, `expected a parent that has a tenant; the tenant of ${tenant.parent} is none`)];
  }
  const circle = circleFrom(name, tables);
  return circle === undefined
    ? []
    : [
        finding(
          path,
          `expected parents that lead to a table with a tenant column; got a circle: ${circle.join(' → ')}`,
        ),
      ];
}

/** The circle of parents that `start` is in; undefined where its parents end, or where the circle is only further up. */
function circleFrom(start: string, tables: Tables): readonly string[] | undefined {
  const trail = [start];
  for (let at = parentOf(start, tables); at !== undefined; at = parentOf(at, tables)) {
    if (at === start) return [...trail, start];
    if (trail.includes(at)) return undefined;
    trail.push(at);
  }
  return undefined;
}

function parentOf(name: string, tables: Tables): string | undefined {
  const tenant = Object.hasOwn(tables, name) ? tables[name]?.tenant : undefined;
  return typeof tenant === 'object' ? tenant.parent : undefined;
}

function checkColumn([table, column]: readonly [string, string], mapping: ColumnFile): Finding[] {
  const { from, back, oneWay, owner, drop } = mapping;
  const path = ['tables', table, 'columns', column];
  const beside = (keys: Record<string, unknown>) =>
    Object.keys(keys).filter((key) => keys[key] !== undefined && keys[key] !== false);
  if (drop === true)
    return beside({ from, back, oneWay, owner }).map((key) =>
      finding([...path, key], 'expected nothing beside `drop: true`', 'key'),
    );
  if (owner === 'target')
    return beside({ from, back, oneWay }).map((key) =>
      finding([...path, key], 'expected nothing beside `owner: target`: the target fills the column itself', 'key'),
    );
  if (from === undefined)
    return [finding(path, 'expected `from` (with `back` or `oneWay: true`), `owner: target` or `drop: true`', 'key')];
  if (oneWay === true && back !== undefined)
    return [finding([...path, 'back'], 'expected `back` or `oneWay: true`, not both', 'key')];
  if (oneWay !== true && back === undefined)
    return [finding(path, 'expected `back` beside `from`, or `oneWay: true` where it cannot be inverted', 'key')];
  return [];
}

/** Columns that Crossfade relies on must be carried. */
function checkUses(name: string, table: TableFile, defaultTenantColumn: string | undefined): Finding[] {
  const path = ['tables', name];
  const tenantColumn = table.tenant === undefined ? defaultTenantColumn : table.tenant;
  const uses = [
    ...table.criticalColumns.map((column, index) => ({ column, path: [...path, 'criticalColumns', index] })),
    ...(table.updatedAtColumn === undefined
      ? []
      : [{ column: table.updatedAtColumn, path: [...path, 'updatedAtColumn'] }]),
    ...(typeof tenantColumn !== 'string' || tenantColumn === 'none'
      ? []
      : [{ column: tenantColumn, path: [...path, 'columns', tenantColumn] }]),
  ];
  return uses.flatMap(({ column, path: at }) => {
    const mapping = Object.hasOwn(table.columns, column) ? table.columns[column] : undefined;
    if (mapping?.drop === true)
      return [finding(at, `expected a column that is carried; \`columns.${column}\` drops it`)];
    if (mapping?.owner === 'target')
      return [finding(at, `expected a column that both stores have; \`columns.${column}\` is owned by the target`)];
    return [];
  });
}

function checkServices({ services = {} }: WellFormed, tableNames: readonly string[]): Finding[] {
  const owner = new Map<string, string>();
  return Object.entries(services).flatMap(([service, { tables }]) =>
    tables.flatMap((table, index) => {
      const path = ['services', service, 'tables', index];
      if (!tableNames.includes(table))
        return [finding(path, `expected a table of this plan${nearest(table, tableNames)}`)];
      const other = owner.get(table);
      owner.set(table, service);
      return other === undefined
        ? []
        : [finding(path, `expected a table that ${service} alone writes; ${other} has it too`)];
    }),
  );
}
