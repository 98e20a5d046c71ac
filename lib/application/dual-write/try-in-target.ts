/**
 * Makes the write in the target as the relay would, in a transaction that is always rolled back. Parents that are not there yet
 * are brought along from legacy, because the relay would carry them too; one that neither store has is a fault.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError, type SqlSession } from '../../ports/sql.ts';
import { type MappedPayload, readMapped } from '../../sql/dry-run/map-payload.ts';
import {
  missesParent,
  type ParentKeyRow,
  parentKey,
  type RuleRow,
  targetRules,
} from '../../sql/dry-run/target-rules.ts';
import { checkConstraintsNow, readWritten, tryWrite, type WrittenRow } from '../../sql/dry-run/try-write.ts';
import { quoteRelation } from '../../sql/identifier.ts';
import type { Migration } from '../migration.ts';
import { type Fault, fault, isRowsFault, toFault } from './fault.ts';

export interface Tried {
  /** JSON text of every column; null when the target would refuse the row. */
  readonly row: string | null;
  readonly faults: readonly Fault[];
  /** Parents that the target does not have yet. */
  readonly waits: readonly string[];
}

const VANISHED =
  'the statement succeeds and leaves no row under its key: a trigger or rule of the target discards or changes it';
/** Deeper chains of parents than this are left to fail. */
const MOST_GENERATIONS = 12;

export async function tryInTarget(migration: Migration, table: MigratedTable, mapped: MappedPayload): Promise<Tried> {
  const { databases } = migration.deps;
  const parents = await findParents(migration, databases.open('target', 'compare'), table, mapped.row, 0);
  const { waits } = parents;
  if (parents.faults.length > 0) return { row: null, faults: parents.faults, waits };
  try {
    return await databases.open('target', 'apply').transaction(async (session) => {
      for (const parent of parents.rows) await session.query(tryWrite(parent.table, parent.row, 'keep'));
      await session.query(tryWrite(table, mapped.row, 'replace'));
      await session.query(checkConstraintsNow);
      const [written] = await session.query<WrittenRow>(readWritten(table, mapped.row_key));
      throw new RolledBack(written?.row ?? null);
    });
  } catch (error) {
    if (error instanceof RolledBack) {
      const vanished = fault('target', 'other', VANISHED);
      return { row: error.row, faults: error.row === null ? [vanished] : [], waits };
    }
    // A time-out or a lock: the relay would try again, so the caller is told of it, and not of a failure.
    if (!isRowsFault(error) && !(error instanceof SqlError && error.kind === 'transient')) throw error;
    return { row: null, faults: [toFault('target', 'other', error)], waits };
  }
}

/** Ends the transaction without a fault. */
class RolledBack extends Error {
  readonly row: string | null;

  constructor(row: string | null) {
    super('a dry run is always rolled back');
    this.row = row;
  }
}

interface Parents extends Pick<Tried, 'faults' | 'waits'> {
  /** Grandparents before parents. */
  readonly rows: readonly { readonly table: MigratedTable; readonly row: string }[];
}

const NO_PARENTS: Parents = { rows: [], faults: [], waits: [] };

async function findParents(
  migration: Migration,
  target: SqlSession,
  table: MigratedTable,
  row: string,
  generation: number,
): Promise<Parents> {
  let found = NO_PARENTS;
  if (generation > MOST_GENERATIONS) return found;
  for (const rule of await target.query<RuleRow>(targetRules(table))) {
    if (rule.kind !== 'foreign-key') continue;
    const [answer] = await target.query<{ broken: boolean }>(missesParent(table, rule, row));
    if (answer?.broken === true)
      found = join(found, await bringParent(migration, target, table, rule, row, generation));
  }
  return found;
}

async function bringParent(
  migration: Migration,
  target: SqlSession,
  table: MigratedTable,
  rule: RuleRow,
  row: string,
  generation: number,
): Promise<Parents> {
  const refused = (message: string): Parents => ({
    ...NO_PARENTS,
    faults: [fault('target', 'foreign-key', message, { constraint: rule.name })],
  });
  const parent = migration.tables.find((candidate) => quoteRelation(candidate) === rule.parent);
  if (parent === undefined)
    return refused(`the row's parent is not in ${rule.parent}, which the plan does not migrate`);
  const statement = parentKey(table, rule, parent, row);
  if (statement === null) {
    return {
      ...NO_PARENTS,
      waits: [`${rule.name}: the row waits for its parent in ${parent.name}, which is found by a unique value`],
    };
  }
  const [key] = await target.query<ParentKeyRow>(statement);
  // The row itself may be its own parent.
  if (key === undefined || key.is_self) return NO_PARENTS;
  const legacy = migration.deps.databases.open('legacy', 'compare');
  const [read] = await legacy.query<WrittenRow>(readMapped(parent, key.row_key));
  if (read === undefined) return refused(`the row's parent in ${parent.name} is in neither store`);
  const older = await findParents(migration, target, parent, read.row, generation + 1);
  return join(older, {
    rows: [{ table: parent, row: read.row }],
    faults: [],
    waits: [`${rule.name}: the parent ${parent.name} ${key.row_key} is not in the target yet; the row waits for it`],
  });
}

function join(one: Parents, other: Parents): Parents {
  return {
    rows: [...one.rows, ...other.rows],
    faults: [...one.faults, ...other.faults],
    waits: [...one.waits, ...other.waits],
  };
}
