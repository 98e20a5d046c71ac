/** The databases of a run: a pair of equal tables, and copies of it in which something was planted. Nothing writes to them afterwards. */
import { STORES } from '../../lib/domain/direction.ts';
import { type BenchRoles, benchDeps, createStores, installEngine, newRoles, openAs } from '../engine-deps.ts';
import { ordersTable } from '../orders.ts';
import { type BenchServers, type Urls, withClient } from '../servers.ts';
import {
  CHANGE_SHARE,
  CHANGED_SHARE,
  changeRows,
  fillOrders,
  type Planted,
  plantedIds,
  removeRows,
  TENANTS,
} from './planted.ts';

export const STATES = ['equal', 'drifted', 'changed'] as const;
export type StateName = (typeof STATES)[number];

export interface State {
  readonly name: StateName;
  readonly rows: number;
  readonly urls: Urls;
  readonly roles: BenchRoles;
  readonly planted: Planted;
  /** Default: the guide's. */
  readonly chunkRows?: number | undefined;
}

export interface Pair {
  readonly rows: number;
  readonly roles: BenchRoles;
  readonly urls: Urls;
  readonly names: Urls;
}

const NOTHING: Planted = { missing: [], extra: [], changed: [] };

/** Dev's plan: the guide's chunks of 5000 rows. */
export const PLAN_SECTIONS = `tenants: { column: tenant_id }
tables:
  orders: { updatedAtColumn: updated_at }
`;

/** @param prepare DDL that peers need in both databases. */
export async function createPair(
  servers: BenchServers,
  rows: number,
  prepare = '',
  { targetIsEmpty = false } = {},
): Promise<Pair> {
  const roles = newRoles();
  const { urls, names } = await createStores(servers, roles, `${prepare}${ordersTable()}`);
  await Promise.all(
    STORES.map((store) =>
      withClient(urls[store], async (client) => {
        if (store === 'legacy' || !targetIsEmpty) await client.query(fillOrders(rows));
        // Frozen: no variant pays for the hint bits of the first reader.
        await client.query('VACUUM (FREEZE, ANALYZE) public.orders');
      }),
    ),
  );
  const databases = openAs(urls, roles);
  await installEngine(benchDeps(databases, PLAN_SECTIONS), TENANTS);
  await databases.close();
  return { rows, roles, urls, names };
}

export function equalState({ rows, roles, urls }: Pair): State {
  return { name: 'equal', rows, urls, roles, planted: NOTHING };
}

/** 20 rows that only legacy has, 20 that only the target has, 100 that differ, scattered. */
export async function driftedState(servers: BenchServers, { rows, roles, names }: Pair): Promise<State> {
  const legacy = await servers.create('legacy', names.legacy);
  const target = await servers.create('target', names.target);
  const planted = plantedIds(rows);
  await plant(legacy.url, [removeRows(planted.extra)]);
  await plant(target.url, [removeRows(planted.missing), changeRows(planted.changed)]);
  return { name: 'drifted', rows, urls: { legacy: legacy.url, target: target.url }, roles, planted };
}

/** One row in a hundred differs: every chunk does. */
export async function changedState(servers: BenchServers, { rows, roles, urls, names }: Pair): Promise<State> {
  const target = await servers.create('target', names.target);
  await plant(target.url, [CHANGE_SHARE]);
  const changed = Array.from({ length: Math.floor(rows / CHANGED_SHARE) }, (_, place) => (place + 1) * CHANGED_SHARE);
  return {
    name: 'changed',
    rows,
    urls: { legacy: urls.legacy, target: target.url },
    roles,
    planted: { ...NOTHING, changed },
  };
}

/** Drift is what no event tells of: those that capture made of the planting are taken away. */
export async function plant(url: string, statements: readonly string[]): Promise<void> {
  await withClient(url, async (client) => {
    for (const statement of statements) await client.query(statement);
    await client.query('DELETE FROM crossfade.outbox');
    await client.query('VACUUM ANALYZE public.orders');
  });
}

/** @throws {Error} unless exactly the planted rows were found, each once. */
export function checkFound(state: State, found: { readonly ids: readonly number[]; readonly what: string }): void {
  const { missing, extra, changed } = state.planted;
  const expected = new Set([...missing, ...extra, ...changed]);
  const seen = new Set(found.ids);
  const lost = [...expected].filter((id) => !seen.has(id)).length;
  const wrong = [...seen].filter((id) => !expected.has(id)).length;
  const twice = found.ids.length - seen.size;
  if (lost > 0 || wrong > 0 || twice > 0)
    throw new Error(
      `${found.what} found ${seen.size} of ${expected.size} planted rows: ${lost} not found, ${wrong} that are equal, ${twice} twice`,
    );
}
