/** Every tenant of the migration: those that the plan names, and those that own rows. The shared tenant `*` is not among them. */

import type { StoreName } from '../../domain/direction.ts';
import { type MigratedTable, NO_TENANT } from '../../domain/table.ts';
import { hasTenantIndex, jumpTenants, scanTenants, type TenantRow } from '../../sql/tenants/list-tenants.ts';
import type { Migration } from '../migration.ts';

/** A table without an index on its tenant is read from end to end. If that took long, it is not done again before many times as long has passed. */
const LONG_MS = 1_000;
const SCAN_PAUSES = 100;
/** A document of DynamoDB holds 400 KB. */
const MOST_BYTES = 300_000;

interface Scan {
  readonly tenants: readonly string[];
  readonly freshUntil: string;
}

export async function allTenants(migration: Migration, store: StoreName): Promise<readonly string[]> {
  const { plan } = migration.deps;
  if (plan.tenants.kind === 'none') return [NO_TENANT];
  const found = new Set(plan.tenants.known.map((tenant) => tenant.id));
  for (const table of migration.tables) {
    if (table.tenant.kind !== 'column') continue;
    for (const tenant of await tenantsOf(migration, store, table, table.tenant.column)) found.add(tenant);
  }
  found.delete(NO_TENANT);
  return [...found].toSorted();
}

async function tenantsOf(
  { deps }: Migration,
  store: StoreName,
  table: MigratedTable,
  column: string,
): Promise<readonly string[]> {
  const session = deps.databases.open(store, 'compare');
  const [index] = await session.query<{ readonly indexed: boolean }>(hasTenantIndex(table, column));
  if (index?.indexed === true) return (await session.query<TenantRow>(jumpTenants(table, column))).map(toTenant);

  const work = `tenants/${store}/${table.name}`;
  const began = deps.clock.now();
  // Written below by the same code.
  const known = (await deps.documents.get('progress', work))?.value.state as Scan | undefined;
  if (known !== undefined && began < new Date(known.freshUntil)) return known.tenants;
  const tenants = (await session.query<TenantRow>(scanTenants(table, column))).map(toTenant);
  const ended = deps.clock.now();
  const tookMs = ended.getTime() - began.getTime();
  const state = { tenants, freshUntil: new Date(ended.getTime() + SCAN_PAUSES * tookMs).toISOString() };
  if (tookMs > LONG_MS && JSON.stringify(state).length <= MOST_BYTES)
    await deps.documents.put('progress', work, { work, state, at: ended.toISOString() }, 'any');
  return tenants;
}

function toTenant({ tenant }: TenantRow): string {
  return tenant;
}
