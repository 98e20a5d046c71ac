/** Puts Crossfade into the two databases: its schema in both, capture in the store that applications write, the fence on the other (protocol §3.8, §9.1). */
import { type Direction, receiverOf, STORES, type StoreName, sourceOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { PURPOSES, type Purpose, type SqlSession } from '../../ports/sql.ts';
import { crossfadeTriggers, type TriggerRow } from '../../sql/catalogue/crossfade-triggers.ts';
import { type PartitionRow, withPartitions } from '../../sql/catalogue/partitions.ts';
import { sessionUser } from '../../sql/catalogue/session-user.ts';
import { CASCADE_TRIGGER, guardCascades, unguardCascades } from '../../sql/fence/cascade-guard.ts';
import { fenceTable, unfenceTable } from '../../sql/fence/fence-table.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import { captureFunctions, captureTriggers, dropCapture } from '../../sql/install/capture.ts';
import { protocolGrants } from '../../sql/install/grants.ts';
import { protocolSchema } from '../../sql/install/schema.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Deps } from '../deps.ts';
import type { Migration } from '../migration.ts';
import { withLock } from './with-lock.ts';

export type StoreRoles = Readonly<Record<Purpose, string>>;

/** The login role behind each purpose, as the store itself knows it: capture and fence go by `session_user`. */
export async function storeRoles(deps: Deps, store: StoreName): Promise<StoreRoles> {
  const roles = await Promise.all(
    PURPOSES.map(async (purpose) => [purpose, await loginOf(deps, store, purpose)] as const),
  );
  // PURPOSES names every purpose.
  return Object.fromEntries(roles) as Record<Purpose, string>;
}

async function loginOf(deps: Deps, store: StoreName, purpose: Purpose): Promise<string> {
  const [row] = await deps.databases.open(store, purpose).query<{ name: string }>(sessionUser);
  return row?.name ?? '';
}

/** Roles whose writes are Crossfade's own: not captured back, and let through the fence. */
export async function appliers(deps: Deps, store: StoreName): Promise<readonly string[]> {
  return [...new Set([await loginOf(deps, store, 'apply'), await loginOf(deps, store, 'backfill')])];
}

/** Crossfade's roles that applications use too: their writes would pass the fence and escape capture (design §3.8). */
export function rolesOfApplications(deps: Deps, roles: StoreRoles): readonly string[] {
  return [...new Set(Object.values(roles))].filter((role) => deps.plan.applicationRoles.includes(role));
}

export async function installSchemas(deps: Deps): Promise<void> {
  for (const store of STORES) {
    const session = deps.databases.open(store, 'install');
    const roles = await storeRoles(deps, store);
    await session.transaction((transaction) => runSchema(transaction, roles));
  }
}

async function runSchema(session: SqlSession, roles: StoreRoles): Promise<void> {
  for (const statement of [...protocolSchema(), ...protocolGrants(roles)]) await session.query(statement);
}

/** Installs capture in the direction's source, table by table; running writers are waited for, so no write is missed. */
export async function installCapture(migration: Migration, direction: Direction): Promise<readonly string[]> {
  const { deps, tables, byName } = migration;
  const store = sourceOf(direction);
  const session = deps.databases.open(store, 'install');
  const pass = await appliers(deps, store);
  for (const table of tables)
    await session.transaction((transaction) => runAll(transaction, captureFunctions(table, byName, direction, pass)));
  const installed = await installedTriggers(deps, store);
  const missing = tables.filter((table) => !hasTriggers(installed, table));
  for (const table of missing)
    await withLock(deps, session, deps.plan.capture, `capture of ${table.name}`, captureTriggers(table));
  return missing.map((table) => table.name);
}

export async function removeCapture(migration: Migration, direction: Direction): Promise<void> {
  const session = migration.deps.databases.open(sourceOf(direction), 'install');
  for (const table of migration.tables) {
    await withLock(
      migration.deps,
      session,
      migration.deps.plan.capture,
      `removing capture of ${table.name}`,
      dropCapture(table),
    );
  }
}

/** Fences every table of a store, partitions included. Ends when the writers that were in are gone (protocol §9). */
export async function fenceStore(migration: Migration, store: StoreName): Promise<readonly string[]> {
  const { deps } = migration;
  const session = deps.databases.open(store, 'fence');
  const pass = await appliers(deps, store);
  const installed = await installedTriggers(deps, store);
  const fenced: string[] = [];
  for (const relation of await relationsOf(migration, store)) {
    if (isFenced(installed, relation)) continue;
    await withLock(
      deps,
      session,
      deps.plan.switchover,
      `fence of ${relation.schema}.${relation.relation}`,
      fenceTable(relation, pass),
    );
    fenced.push(`${relation.schema}.${relation.relation}`);
  }
  // Not on partitions: they get a row trigger from their parent.
  for (const table of migration.tables) {
    const guarded = installed.some(
      ({ trigger, schema, relation }) =>
        trigger === CASCADE_TRIGGER && schema === table.schema && relation === table.relation,
    );
    if (guarded) continue;
    await withLock(deps, session, deps.plan.switchover, `guard of ${table.name}`, [guardCascades(table, pass)]);
  }
  return fenced;
}

export async function unfenceStore(migration: Migration, store: StoreName): Promise<void> {
  const { deps } = migration;
  const session = deps.databases.open(store, 'fence');
  for (const relation of await relationsOf(migration, store)) {
    await withLock(deps, session, deps.plan.switchover, `unfencing ${relation.schema}.${relation.relation}`, [
      unfenceTable(relation),
    ]);
  }
  for (const table of migration.tables)
    await withLock(deps, session, deps.plan.switchover, `guard of ${table.name}`, [unguardCascades(table)]);
}

export async function relationsOf(migration: Migration, store: StoreName): Promise<readonly PartitionRow[]> {
  const session = migration.deps.databases.open(store, 'compare');
  const found = await Promise.all(
    migration.tables.map((table) => session.query<PartitionRow>(withPartitions(quoteRelation(table)))),
  );
  return found.flat();
}

export async function installedTriggers(deps: Deps, store: StoreName): Promise<readonly TriggerRow[]> {
  return deps.databases.open(store, 'compare').query<TriggerRow>(crossfadeTriggers);
}

export function isFenced(triggers: readonly TriggerRow[], relation: PartitionRow): boolean {
  return triggers.some(
    (row) =>
      row.trigger === 'crossfade_fence' &&
      row.enabled === 'A' &&
      row.schema === relation.schema &&
      row.relation === relation.relation,
  );
}

/** Tables of a direction's source whose capture is missing or was disabled: writes there escape unseen. */
export async function uncapturedTables(migration: Migration, direction: Direction): Promise<readonly string[]> {
  const installed = await installedTriggers(migration.deps, sourceOf(direction));
  return migration.tables.filter((table) => !hasTriggers(installed, table)).map((table) => table.name);
}

/** Tables of a direction's receiver that application writes could reach. */
export async function unfencedTables(migration: Migration, direction: Direction): Promise<readonly string[]> {
  const store = receiverOf(direction);
  const installed = await installedTriggers(migration.deps, store);
  return (await relationsOf(migration, store))
    .filter((relation) => !isFenced(installed, relation))
    .map(({ schema, relation }) => `${schema}.${relation}`);
}

function hasTriggers(installed: readonly TriggerRow[], table: MigratedTable): boolean {
  const wanted = table.capture === 'trigger' ? ['crossfade_capture', 'crossfade_truncate'] : ['crossfade_truncate'];
  return wanted.every((name) =>
    installed.some(
      (row) =>
        row.trigger === name && row.enabled === 'A' && row.schema === table.schema && row.relation === table.relation,
    ),
  );
}

async function runAll(session: SqlSession, statements: readonly Statement[]): Promise<void> {
  for (const statement of statements) await session.query(statement);
}
