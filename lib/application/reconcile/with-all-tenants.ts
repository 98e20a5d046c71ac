/** A cycle's document names some hundreds of tenants; the clocks of a scope want all of theirs. */
import type { CycleDocument } from '../../contracts/documents.ts';
import type { ObjectStore } from '../../ports/objects.ts';
import { readTenants } from './cycle-store.ts';
import { MAX_TENANTS } from './record-cycle.ts';
import { withTenantLists } from './tenant-list.ts';

/** Cycles whose list is read at most: more of them drifted in so many tenants that one more or less decides nothing. */
const MOST_LISTS = 50;

/**
 * With the bucket's whole list in the newest full pass, which says how many rows each tenant has, and in cycles whose drifted
 * tenants outgrew their document. A list that cannot be read changes nothing: what is not known counts as drift (ADR 027).
 */
export async function withAllTenants(
  objects: ObjectStore,
  stored: readonly CycleDocument[],
): Promise<readonly CycleDocument[]> {
  const cycles = await withTenantLists(objects, stored);
  const cut = cycles
    .filter(({ byTenant = {} }) => Object.keys(byTenant).length >= MAX_TENANTS)
    .toSorted((one, other) => (one.startedAt < other.startedAt ? 1 : -1));
  const newestFull = cut.find(({ scopeKind, complete }) => scopeKind === 'full' && complete);
  const unlisted = cut.filter(({ tenantsUnlisted = 0 }) => tenantsUnlisted > 0);
  const wanted = new Set([...(newestFull === undefined ? [] : [newestFull]), ...unlisted].slice(0, MOST_LISTS));
  if (wanted.size === 0) return cycles;
  return Promise.all(cycles.map((cycle) => (wanted.has(cycle) ? withList(objects, cycle) : cycle)));
}

async function withList(objects: ObjectStore, cycle: CycleDocument): Promise<CycleDocument> {
  const byTenant = await readTenants(objects, cycle.startedAt).catch(() => undefined);
  if (byTenant === undefined) return cycle;
  const { tenantsUnlisted: _known, ...rest } = cycle;
  return { ...rest, byTenant };
}
