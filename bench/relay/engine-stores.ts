/** A legacy database with a captured backlog and an empty target, as the product's own installation leaves them; each run gets a copy. */
import type { Deps } from '../../lib/application/deps.ts';
import type { Metrics } from '../../lib/ports/metrics.ts';
import type { Databases } from '../../lib/ports/sql.ts';
import {
  type BenchRoles,
  benchDeps,
  type Copy,
  copyStores,
  createStores,
  installEngine,
  newRoles,
  openAs,
} from '../engine-deps.ts';
import { tenantNames } from '../orders.ts';
import { type BenchServers, withClient } from '../servers.ts';
import { orderRow, TENANTS, VERSIONED_TABLE } from './versions.ts';

export interface RelaySettings {
  readonly shards: number;
  readonly batchRows: number;
}

export interface EngineStores {
  readonly events: number;
  readonly roles: BenchRoles;
  /** Two databases of this run only. */
  copy(): Promise<Copy>;
}

export const DEFAULT_SETTINGS: RelaySettings = { shards: 2, batchRows: 1000 };

/** @param events even; 0 for stores with capture on and nothing captured. */
export async function prepareEngineStores(servers: BenchServers, events: number): Promise<EngineStores> {
  const roles = newRoles();
  const { urls, names } = await createStores(servers, roles, VERSIONED_TABLE);
  const databases = openAs(urls, roles);
  await installEngine(relayDeps(databases, DEFAULT_SETTINGS), tenantNames(TENANTS));
  await databases.close();
  await withClient(urls.legacy, async (client) => {
    await client.query(`INSERT INTO public.orders SELECT ${orderRow(1)} FROM generate_series(1, ${events / 2}) AS i`);
    await client.query(`UPDATE public.orders SET version = 2, status = 'paid'`);
    await client.query('VACUUM ANALYZE');
  });
  return { events, roles, copy: () => copyStores(servers, names) };
}

export function relayDeps(databases: Databases, { shards, batchRows }: RelaySettings, metrics?: Metrics): Deps {
  const sections = `tenants: { column: tenant_id }
relay: { shards: ${shards}, batchRows: ${batchRows} }
tables:
  orders: { updatedAtColumn: updated_at }
`;
  return benchDeps(databases, sections, metrics);
}
