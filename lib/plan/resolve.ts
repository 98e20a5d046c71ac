/** From what stands in the file to what the code reads: optional keys get their values, forms that mean the same become one. */
import type { TenantPath } from '../domain/table.ts';
import type { ColumnPlan, DeepReadonly, KnownTenant, Plan, PlanFile, TablePlan, TenantsPlan } from './schema.ts';
import type { StorePlan } from './stores.ts';
import type { ColumnFile, TableFile, TenantsFile } from './tables.ts';

const POSTGRESQL_PORT = 5432;
/** A column name that needs no quotes: what `from` must be for a plain rename. */
const BARE_COLUMN = /^[A-Za-z_][\w$]*$/;

export function resolvePlan(file: PlanFile): Plan {
  const services = file.services ?? {};
  const serviceOf = new Map(
    Object.entries(services).flatMap(([service, { tables }]) => tables.map((table) => [table, service] as const)),
  );
  const tables = Object.entries(file.tables).map(
    ([name, table]) => [name, resolveTable(table, file.tenants, serviceOf.get(name) ?? null)] as const,
  );
  return freeze({
    ...file,
    legacy: resolveStore(file.legacy),
    target: resolveStore(file.target),
    tenants: resolveTenants(file.tenants),
    regions: file.regions ?? [],
    services,
    tables: Object.fromEntries(tables),
    pools: { ...file.pools, target: file.pools.target ?? targetPool(file.pools) },
  });
}

/** Connections that the target needs: the legacy pool times the multiplier of the environment (guide, phase 1). */
export function targetPool(pools: { readonly legacy: number; readonly multiplier: number }): number {
  return Math.ceil(pools.legacy * pools.multiplier);
}

function resolveStore(store: StorePlan): StorePlan {
  return store.driver === 'pg' && store.host !== undefined ? { ...store, port: store.port ?? POSTGRESQL_PORT } : store;
}

function resolveTenants(tenants: TenantsFile): TenantsPlan {
  if (tenants === 'none') return { kind: 'none', known: [] };
  const known = tenants.known ?? [];
  const listed = Array.isArray(known)
    ? known
    : Object.entries(known).map(([id, attributes]) => ({ id, ...attributes }));
  return { kind: 'column', column: tenants.column, known: listed.map(resolveTenant) };
}

function resolveTenant(tenant: {
  id: string;
  region?: string | undefined;
  services?: string[] | undefined;
}): KnownTenant {
  return { id: tenant.id, region: tenant.region ?? null, services: tenant.services ?? null };
}

function resolveTable(table: TableFile, tenants: TenantsFile, service: string | null): TablePlan {
  return {
    tenant: resolveTenantPath(table, tenants),
    updatedAtColumn: table.updatedAtColumn ?? null,
    capture: table.capture,
    columns: Object.fromEntries(
      Object.entries(table.columns).map(([name, column]) => [name, resolveColumn(name, column)]),
    ),
    criticalColumns: table.criticalColumns,
    every: table.every ?? null,
    service,
  };
}

function resolveTenantPath({ tenant }: TableFile, tenants: TenantsFile): TenantPath {
  if (typeof tenant === 'object') {
    const on = Object.entries(tenant.on).map(([column, parentColumn]) => ({ column, parentColumn }));
    return { kind: 'parent', parent: tenant.parent, on };
  }
  if (tenants === 'none' || tenant === 'none') return { kind: 'none' };
  return { kind: 'column', column: tenant ?? tenants.column };
}

function resolveColumn(name: string, column: ColumnFile): ColumnPlan {
  if (column.drop === true) return { kind: 'dropped' };
  const { from, back } = column;
  // rules.ts has refused columns that are neither.
  if (column.owner === 'target' || from === undefined) return { kind: 'target-owned' };
  if (back === undefined) return { kind: 'one-way', from };
  return {
    kind: 'mapped',
    from,
    back: typeof back === 'string' ? { [BARE_COLUMN.test(from) ? from : name]: back } : back,
  };
}

function freeze<Value>(value: Value): DeepReadonly<Value> {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  // Frozen all the way down, which is what the type says.
  return value as DeepReadonly<Value>;
}
