/** Puts Crossfade into the two databases: its schema in both, capture in the store that applications write, the fence on the other (protocol §3.8, §9.1). */
import { type Direction, receiverOf, STORES, type StoreName, sourceOf } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { PURPOSES, type Purpose, type SqlSession } from '../../ports/sql.ts';
import { crossfadeTriggers, type TriggerRow } from '../../sql/catalogue/crossfade-triggers.ts';
import { type PartitionRow, withPartitions } from '../../sql/catalogue/partitions.ts';
import { sessionUser } from '../../sql/catalogue/session-user.ts';
import { CASCADE_TRIGGER, guardCascades, unguardCascades } from '../../sql/fence/cascade-guard.ts';
import { fenceTable, unfenceTable } from '../../sql/fence/fence-table.ts';
import {
  dismissWitness,
  WITNESS_TRIGGER,
  WITNESS_TRUNCATE_TRIGGER,
  witnessFunction,
  witnessTable,
} from '../../sql/fence/witness-table.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import {
  CAPTURE_TRIGGER,
  captureFunctions,
  captureTriggers,
  dropCapture,
  TRUNCATE_TRIGGER,
} from '../../sql/install/capture.ts';
import { protocolGrants } from '../../sql/install/grants.ts';
import { forgetMissingFunctions, namesOfFunctions, rememberFunctions } from '../../sql/install/installed-functions.ts';
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
  const schema = protocolSchema();
  await runAll(session, [...schema, ...protocolGrants(roles), rememberFunctions(namesOfFunctions(schema))]);
}

/** Installs capture in the direction's source, table by table; running writers are waited for, so no write is missed. */
export async function installCapture(migration: Migration, direction: Direction): Promise<readonly string[]> {
  const { deps, tables, byName } = migration;
  const store = sourceOf(direction);
  const session = deps.databases.open(store, 'install');
  const pass = await appliers(deps, store);
  for (const table of tables) {
    const functions = captureFunctions(table, byName, direction, pass);
    const all = [...functions, rememberFunctions(namesOfFunctions(functions))];
    await session.transaction((transaction) => runAll(transaction, all));
  }
  const installed = await installedTriggers(deps, store);
  const captured: string[] = [];
  for (const table of tables) {
    const relations = await partitionsOf(migration, store, table);
    if (hasTriggers(installed, table, relations)) continue;
    await withLock(deps, session, deps.plan.capture, `capture of ${table.name}`, captureTriggers(table, relations));
    captured.push(table.name);
  }
  return captured;
}

export async function removeCapture(migration: Migration, direction: Direction): Promise<void> {
  const { deps, tables } = migration;
  const store = sourceOf(direction);
  const session = deps.databases.open(store, 'install');
  for (const table of tables) {
    const drop = dropCapture(table, await partitionsOf(migration, store, table));
    const all = [...drop, rememberFunctions(namesOfFunctions(drop))];
    await withLock(deps, session, deps.plan.capture, `removing capture of ${table.name}`, all);
  }
  await session.query(forgetMissingFunctions);
}

/** Fences every table of a store, partitions included. Ends when the writers that were in are gone (protocol §9). */
export async function fenceStore(migration: Migration, store: StoreName): Promise<readonly string[]> {
  const { deps } = migration;
  const session = deps.databases.open(store, 'fence');
  const pass = await appliers(deps, store);
  const installed = await installedTriggers(deps, store);
  const fenced: string[] = [];
  for (const relation of await relationsOf(migration, store)) {
    if (isFenced(installed, relation, pass)) continue;
    await withLock(
      deps,
      session,
      deps.plan.switchover,
      `fence of ${relation.schema}.${relation.relation}`,
      fenceTable(relation, pass),
    );
    fenced.push(`${relation.schema}.${relation.relation}`);
  }
  await callWitnesses(migration, store, installed, pass);
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

/** Behind the fence: they write down who came past it. Needed by nobody's delivery, so a fence that stands is worth more than a witness. */
async function callWitnesses(
  migration: Migration,
  store: StoreName,
  installed: readonly TriggerRow[],
  pass: readonly string[],
): Promise<void> {
  const { deps } = migration;
  const install = deps.databases.open(store, 'install');
  const fence = deps.databases.open(store, 'fence');
  for (const table of migration.tables) {
    const definition = witnessFunction(table);
    const all = [definition, rememberFunctions(namesOfFunctions([definition]))];
    await install.transaction((transaction) => runAll(transaction, all));
    const relations = await partitionsOf(migration, store, table);
    if (isWitnessed(installed, table, relations)) continue;
    await withLock(deps, fence, deps.plan.switchover, `witness of ${table.name}`, witnessTable(table, relations, pass));
  }
}

export async function unfenceStore(migration: Migration, store: StoreName): Promise<void> {
  const { deps } = migration;
  const session = deps.databases.open(store, 'fence');
  for (const relation of await relationsOf(migration, store)) {
    await withLock(deps, session, deps.plan.switchover, `unfencing ${relation.schema}.${relation.relation}`, [
      unfenceTable(relation),
    ]);
  }
  for (const table of migration.tables) {
    const dismiss = dismissWitness(table, await partitionsOf(migration, store, table));
    await withLock(deps, session, deps.plan.switchover, `guard of ${table.name}`, [unguardCascades(table), ...dismiss]);
  }
}

export async function relationsOf(migration: Migration, store: StoreName): Promise<readonly PartitionRow[]> {
  const found = await Promise.all(migration.tables.map((table) => partitionsOf(migration, store, table)));
  return found.flat();
}

/** A table and its partitions. */
export function partitionsOf(
  migration: Migration,
  store: StoreName,
  table: MigratedTable,
): Promise<readonly PartitionRow[]> {
  const session = migration.deps.databases.open(store, 'compare');
  return session.query<PartitionRow>(withPartitions(quoteRelation(table)));
}

export async function installedTriggers(deps: Deps, store: StoreName): Promise<readonly TriggerRow[]> {
  return deps.databases.open(store, 'compare').query<TriggerRow>(crossfadeTriggers);
}

/** @param pass where given, the fence must let in these roles and no others. */
export function isFenced(triggers: readonly TriggerRow[], relation: PartitionRow, pass?: readonly string[]): boolean {
  const wanted = pass === undefined ? undefined : JSON.stringify([...pass].sort());
  return triggers.some(
    (row) =>
      isInForce(row, 'crossfade_fence', relation) &&
      row.unconditional &&
      row.function === 'crossfade.refuse_write' &&
      (wanted === undefined || JSON.stringify((JSON.parse(row.arguments) as string[]).sort()) === wanted),
  );
}

/** Whether writes past the fence of a table are written down. */
export function isWitnessed(
  triggers: readonly TriggerRow[],
  table: MigratedTable,
  relations: readonly PartitionRow[],
): boolean {
  return (
    relations.every((relation) => triggers.some((row) => isInForce(row, WITNESS_TRUNCATE_TRIGGER, relation))) &&
    [table, ...relations].every((relation) => triggers.some((row) => isInForce(row, WITNESS_TRIGGER, relation)))
  );
}

function isInForce(row: TriggerRow, trigger: string, { schema, relation }: PartitionRow): boolean {
  return row.trigger === trigger && row.enabled === 'A' && row.schema === schema && row.relation === relation;
}

/** Tables of a direction's source whose capture is missing or was disabled: writes there escape unseen. */
export async function uncapturedTables(migration: Migration, direction: Direction): Promise<readonly string[]> {
  const store = sourceOf(direction);
  const installed = await installedTriggers(migration.deps, store);
  const found: string[] = [];
  for (const table of migration.tables)
    if (!hasTriggers(installed, table, await partitionsOf(migration, store, table))) found.push(table.name);
  return found;
}

/** Tables of a direction's receiver that application writes could reach. */
export async function unfencedTables(migration: Migration, direction: Direction): Promise<readonly string[]> {
  const store = receiverOf(direction);
  const installed = await installedTriggers(migration.deps, store);
  return (await relationsOf(migration, store))
    .filter((relation) => !isFenced(installed, relation))
    .map(({ schema, relation }) => `${schema}.${relation}`);
}

/** Tables of a direction's receiver where a write past the fence would leave no name. */
export async function unwitnessedTables(migration: Migration, direction: Direction): Promise<readonly string[]> {
  const store = receiverOf(direction);
  const installed = await installedTriggers(migration.deps, store);
  const found: string[] = [];
  for (const table of migration.tables)
    if (!isWitnessed(installed, table, await partitionsOf(migration, store, table))) found.push(table.name);
  return found;
}

/** On partitions too: a row trigger was cloned there and may be disabled there, a statement trigger was not. */
function hasTriggers(
  installed: readonly TriggerRow[],
  table: MigratedTable,
  relations: readonly PartitionRow[],
): boolean {
  const wanted = [
    { trigger: TRUNCATE_TRIGGER, calls: 'crossfade.refuse_truncate' },
    ...(table.capture === 'trigger'
      ? [{ trigger: CAPTURE_TRIGGER, calls: `crossfade.capture_${table.schema}_${table.relation}` }]
      : []),
  ];
  return [table, ...relations].every((relation) =>
    wanted.every(({ trigger, calls }) =>
      installed.some((row) => isInForce(row, trigger, relation) && row.unconditional && row.function === stored(calls)),
    ),
  );
}

/** `crossfade.` and a name as PostgreSQL keeps it: 63 bytes. */
function stored(name: string): string {
  return name.slice(0, 'crossfade.'.length + 63);
}

async function runAll(session: SqlSession, statements: readonly Statement[]): Promise<void> {
  for (const statement of statements) await session.query(statement);
}
