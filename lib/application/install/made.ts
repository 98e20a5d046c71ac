/** What Crossfade made in a store: listed for an approval, and dropped when the list is still what was approved. */
import { STORES, type StoreName } from '../../domain/direction.ts';
import { SqlError, type SqlSession } from '../../ports/sql.ts';
import { crossfadeSchemaExists } from '../../sql/catalogue/crossfade-schema.ts';
import { namesOfFunctions } from '../../sql/install/installed-functions.ts';
import {
  describeMade,
  dropMade,
  type ForeignRow,
  foreignObjects,
  hasInstalledNames,
  installedNames,
  lockTenants,
  type MadeRow,
  madeObjects,
} from '../../sql/install/made-objects.ts';
import { protocolSchema } from '../../sql/install/schema.ts';
import type { Deps } from '../deps.ts';
import { readTenantStates } from '../tenants/read-pages.ts';
import { withLockTimeout } from './with-lock.ts';

export interface Made {
  readonly rows: readonly MadeRow[];
  /** The same, one line each: what a person approves. */
  readonly lines: readonly string[];
  /** Somebody else's, in the schema or hanging on what is in it. */
  readonly foreign: readonly string[];
}

/** SQLSTATE of a table and of a schema that are not there. */
const UNDEFINED: ReadonlySet<string> = new Set(['42P01', '3F000']);
/** SQLSTATE of a DROP without CASCADE of what something hangs on. */
const STILL_NEEDED = '2BP01';

export async function hasSchema(deps: Deps, store: StoreName): Promise<boolean> {
  const [row] = await deps.databases.open(store, 'compare').query<{ exists: boolean }>(crossfadeSchemaExists);
  return row?.exists === true;
}

/** Before dual-write, and after the schema was rolled back. */
export async function isUninstalled(deps: Deps): Promise<boolean> {
  const there = await Promise.all(STORES.map((store) => hasSchema(deps, store)));
  return there.includes(false);
}

/** Whether a statement failed because what it names is gone for good. */
export async function failedUninstalled(deps: Deps, { sqlState }: SqlError): Promise<boolean> {
  return UNDEFINED.has(sqlState ?? '') && (await isUninstalled(deps));
}

/** By the role that would drop it: names are printed by the same search path. */
export function listMade(deps: Deps, store: StoreName): Promise<Made> {
  return look(deps.databases.open(store, 'install'));
}

async function look(session: SqlSession): Promise<Made> {
  const [remembers] = await session.query<{ exists: boolean }>(hasInstalledNames);
  const installed = remembers?.exists === true ? await session.query<{ name: string }>(installedNames) : [];
  const functions = [...new Set([...namesOfFunctions(protocolSchema()), ...installed.map(({ name }) => name)])];
  const rows = await session.query<MadeRow>(madeObjects(functions));
  const foreign = await session.query<ForeignRow>(foreignObjects(functions));
  return { rows, lines: rows.map(describeMade), foreign: foreign.map(({ object }) => object) };
}

export interface Approved {
  /** One line an object, as `Made.lines`. */
  readonly lines: readonly string[];
  /** True where the other store has lost its schema: nobody can be turned off any more. */
  readonly mayBeOn: boolean;
}

/** @returns why nothing may be dropped; empty when all that there is was approved. What is gone already is no hindrance. */
export function objectionsTo({ lines, foreign }: Made, store: StoreName, approved: Approved): readonly string[] {
  const unknown = lines.filter((line) => !approved.lines.includes(line));
  return [
    ...unknown.map((line) => `${store} has ${line}, which was not on the list`),
    ...foreign.map((object) => `${store} has ${object}, which is not Crossfade's`),
  ];
}

/** All of a store in one transaction. @returns why nothing was dropped; empty when nothing of Crossfade is left. */
export async function dropApproved(deps: Deps, store: StoreName, approved: Approved): Promise<readonly string[]> {
  const session = deps.databases.open(store, 'install');
  const what = `what Crossfade made in ${store}`;
  try {
    return await withLockTimeout(deps, session, deps.plan.capture, what, async (transaction) => {
      const exposed = approved.mayBeOn ? [] : await exposedTenants(transaction);
      const made = await look(transaction);
      const objections = [
        ...exposed.map((tenant) => `tenant ${tenant} is on in ${store}`),
        ...objectionsTo(made, store, approved),
      ];
      if (objections.length > 0) return objections;
      for (const statement of dropMade(made.rows)) await transaction.query(statement);
      return [];
    });
  } catch (error) {
    if (!(error instanceof SqlError) || error.sqlState !== STILL_NEEDED) throw error;
    return [`something hangs on ${what} since it was listed: ${error.message}`];
  }
}

/** Of a store that has none of it any more: nobody. */
async function exposedTenants(session: SqlSession): Promise<readonly string[]> {
  const [remembers] = await session.query<{ exists: boolean }>(hasInstalledNames);
  if (remembers?.exists !== true) return [];
  await session.query(lockTenants);
  return (await readTenantStates(session)).filter(({ is_on }) => is_on).map(({ tenant }) => tenant);
}
