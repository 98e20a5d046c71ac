/** The plan's tables as the catalogues have them, with the deps that reach them: what every use case on rows starts from. */
import type { MigratedTable } from '../domain/table.ts';
import type { TablesByName } from '../sql/row.ts';
import type { Deps } from './deps.ts';
import { readTables } from './read-tables.ts';

export interface Migration {
  readonly deps: Deps;
  /** Parents before children. */
  readonly tables: readonly MigratedTable[];
  readonly byName: TablesByName;
}

/** @throws {PlanMismatch} when the plan does not fit the databases. */
export async function loadMigration(deps: Deps): Promise<Migration> {
  const tables = await readTables(deps.plan, deps.databases);
  return { deps, tables, byName: new Map(tables.map((table) => [table.name, table])) };
}

export function tableNamed(migration: Migration, name: string): MigratedTable {
  const table = migration.byName.get(name);
  if (table === undefined) {
    throw new RangeError(
      `table ${name} is not in the plan; it has ${migration.tables.map((known) => known.name).join(', ')}`,
    );
  }
  return table;
}
