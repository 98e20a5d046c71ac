/**
 * What lets writes escape capture, or foreign ones in, unseen (design §3, protocol §3.6, §9): triggers that were disabled, dropped or
 * changed, functions that were replaced, tables that were made anew, partitions without a fence, roles that skip triggers, columns that nothing carries.
 */
import { type Direction, receiverOf, STORES, type StoreName, sourceOf } from '../../domain/direction.ts';
import { uncarriedColumns } from '../../domain/schema-parity.ts';
import { type ReplicationRoleRow, replicationRoleSettings } from '../../sql/catalogue/replication-role.ts';
import { type ChangedFunctionRow, changedFunctions } from '../../sql/install/installed-functions.ts';
import type { Migration } from '../migration.ts';
import { appliers, installedTriggers, uncapturedTables, unfencedTables, unwitnessedTables } from './install.ts';

export const BYPASS_KINDS = [
  'capture',
  'fence',
  'fence-roles',
  'witness',
  'function',
  'replication-role',
  'column',
] as const;

export interface Bypass {
  readonly store: StoreName;
  readonly kind: (typeof BYPASS_KINDS)[number];
  /** Table, function, role or column. */
  readonly object: string;
  /** What is wrong and what it means. */
  readonly says: string;
}

export async function findBypasses(migration: Migration, direction: Direction): Promise<readonly Bypass[]> {
  const source = sourceOf(direction);
  const receiver = receiverOf(direction);
  const list = (store: StoreName, kind: Bypass['kind'], objects: readonly string[], says: (object: string) => string) =>
    objects.map((object) => ({ store, kind, object, says: says(object) }));
  return [
    ...list(
      source,
      'capture',
      await uncapturedTables(migration, direction),
      (table) => `capture of ${table} is missing, disabled or changed: writes escape`,
    ),
    ...list(
      receiver,
      'fence',
      await unfencedTables(migration, direction),
      (table) => `the fence of ${table} is missing, disabled or changed: application writes get in`,
    ),
    ...list(
      receiver,
      'fence-roles',
      await fencesThatLetIn(migration, receiver),
      (table) => `the fence of ${table} lets in roles that are not Crossfade's`,
    ),
    ...list(
      receiver,
      'witness',
      await unwitnessedTables(migration, direction),
      (table) => `the witness of ${table} is missing or disabled: nobody writes down who writes past the fence`,
    ),
    ...(await changes(migration)),
    ...list(
      'legacy',
      'column',
      direction === 'forward' ? columnsAddedSince(migration) : [],
      (column) => `column ${column} is only in legacy: what it holds is not carried over, and no comparison sees it`,
    ),
  ];
}

/** Baseline refuses them; somebody may add one while the migration runs (prior art, trap 45). */
function columnsAddedSince({ deps, tables }: Migration): readonly string[] {
  return tables.flatMap(({ name, legacyColumns, targetColumns }) => {
    const rules = Object.entries(deps.plan.tables[name]?.columns ?? {});
    const declared = {
      columns: Object.fromEntries(rules.map(([column, { kind }]) => [column, kind])),
      from: Object.fromEntries(rules.flatMap(([column, rule]) => ('from' in rule ? [[column, rule.from]] : []))),
    };
    return uncarriedColumns(legacyColumns, targetColumns, declared).map((column) => `${name}.${column}`);
  });
}

async function fencesThatLetIn(migration: Migration, store: StoreName): Promise<readonly string[]> {
  const pass = new Set(await appliers(migration.deps, store));
  return (await installedTriggers(migration.deps, store))
    .filter(({ trigger }) => trigger === 'crossfade_fence')
    .filter((row) => (JSON.parse(row.arguments) as string[]).some((role) => !pass.has(role)))
    .map(({ schema, relation }) => `${schema}.${relation}`);
}

async function changes(migration: Migration): Promise<readonly Bypass[]> {
  const found: Bypass[] = [];
  for (const store of STORES) {
    const session = migration.deps.databases.open(store, 'compare');
    for (const { object, missing } of await session.query<ChangedFunctionRow>(changedFunctions)) {
      const says = `function crossfade.${object} ${missing ? 'was dropped' : 'is not the one that was installed'}`;
      found.push({ store, kind: 'function', object, says });
    }
    for (const { holder, setting } of await session.query<ReplicationRoleRow>(replicationRoleSettings)) {
      const says = `${holder} has ${setting}: its writes skip the application's triggers and foreign keys`;
      found.push({ store, kind: 'replication-role', object: holder, says });
    }
  }
  return found;
}
