/** Whom a cycle was about. Tenants may be tens of thousands, and a document ends at 400 KB: a long list lies in the bucket, once for all cycles of the same tenants. */
import type { CycleDocument } from '../../contracts/documents.ts';
import { TENANT_LISTS_PREFIX } from '../../contracts/object-prefixes.ts';
import { FIRST_GENERATION } from '../../domain/drift-clocks.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import type { ObjectStore } from '../../ports/objects.ts';

type Named = Pick<CycleDocument, 'tenants' | 'tenantsList' | 'generations'>;
type TenantList = Pick<CycleDocument, 'tenants' | 'generations'>;

/** Tenants that a document names itself: 80 KB of uuids. */
export const MOST_INLINE = 2_000;

/** Written anew by each cycle, so that a list never expires before the cycles that name it. */
export async function keepTenants(
  objects: ObjectStore,
  tenants: readonly string[],
  generationOf: Readonly<Record<string, number>> = {},
): Promise<Named> {
  const later = tenants.flatMap((tenant) => {
    const generation = generationOf[tenant] ?? FIRST_GENERATION;
    return generation === FIRST_GENERATION ? [] : [[tenant, generation] as const];
  });
  const list: TenantList = { tenants, ...(later.length === 0 ? {} : { generations: Object.fromEntries(later) }) };
  if (tenants.length <= MOST_INLINE) return list;
  const body = JSON.stringify(list);
  const key = `${TENANT_LISTS_PREFIX}${fingerprint(body)}.json`;
  await objects.put(key, body, 'application/json');
  return { tenants: [], tenantsList: key };
}

/** A list that is gone leaves its cycle without tenants: it covers nobody, and makes no clock run. */
export async function withTenantLists(
  objects: ObjectStore,
  cycles: readonly CycleDocument[],
): Promise<readonly CycleDocument[]> {
  const keys = [...new Set(cycles.flatMap(({ tenantsList }) => tenantsList ?? []))];
  if (keys.length === 0) return cycles;
  const lists = new Map(await Promise.all(keys.map(async (key) => [key, await readList(objects, key)] as const)));
  return cycles.map((cycle) => ({ ...cycle, ...lists.get(cycle.tenantsList ?? '') }));
}

async function readList(objects: ObjectStore, key: string): Promise<TenantList | undefined> {
  const body = await objects.get(key).catch(() => undefined);
  // Written above.
  return body === undefined ? undefined : (JSON.parse(body) as TenantList);
}
