/** Every tenant of the migration: those that the plan names, and those that own rows. The shared tenant `*` is not among them. */

import type { StoreName } from '../../domain/direction.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { listTenants } from '../../sql/tenants/list-tenants.ts';
import type { Migration } from '../migration.ts';

export async function allTenants(migration: Migration, store: StoreName): Promise<readonly string[]> {
  const { plan, databases } = migration.deps;
  if (plan.tenants.kind === 'none') return [NO_TENANT];
  const session = databases.open(store, 'compare');
  const found = new Set(plan.tenants.known.map((tenant) => tenant.id));
  for (const table of migration.tables.filter((candidate) => candidate.tenant.kind === 'column')) {
    for (const row of await session.query<{ tenant: string }>(listTenants(table, migration.byName)))
      found.add(row.tenant);
  }
  found.delete(NO_TENANT);
  return [...found].toSorted();
}
