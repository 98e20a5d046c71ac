/** `plan roles`: the SQL that a database administrator runs before the first deployment. Crossfade never has the right to make roles itself. */
import type { StoreName } from '../../domain/direction.ts';
import { loadPlan, type Plan, ROLE_PURPOSES, type RolePurpose, type StorePlan } from '../../plan/plan.ts';
import { createRoles, roleNames } from '../../sql/install/roles.ts';
import { relationOf } from '../read-tables.ts';
import { OperatorError } from './operator.ts';

export interface PlanRolesPayload {
  readonly plan: string;
  readonly store: StoreName;
  readonly database: string;
  readonly roles: Readonly<Record<RolePurpose, string>>;
  /** psql variables that hold the passwords; a missing one makes psql stop. */
  readonly variables: readonly string[];
  readonly sql: string;
  readonly next: string;
}

export interface PlanRolesRequest {
  readonly text: string;
  readonly file: string;
  readonly store: StoreName;
  readonly database?: string | undefined;
  /** Roles that own the plan's tables. */
  readonly owners: readonly string[];
  readonly prefix: string;
}

/** Legacy answers reads that the target could not: it gets more time than `reads.timeout`. */
const LEGACY_READ_MS = 5_000;

/** @throws {PlanError} when the plan is faulty. */
export function planRoles({ text, file, store, database, owners, prefix }: PlanRolesRequest): PlanRolesPayload {
  const plan = loadPlan(text, file);
  const name = database ?? databaseOf(plan[store]);
  if (name === undefined) {
    throw new OperatorError(
      'usage',
      `the plan does not name the database of ${store} (its URL comes from the environment); give --database`,
      {
        next: `npx crossfade plan roles ${file} --store ${store} --database <database>`,
      },
    );
  }
  const roles = roleNames(prefix);
  const statements = createRoles({
    database: name,
    logins: mapPurposes((purpose) => ({ role: roles[purpose], password: placeholderOf(purpose) })),
    schemas: [...new Set(Object.keys(plan.tables).map((table) => relationOf(table)[0]))],
    owners,
    limits: limitsOf(plan, store),
  });
  const sql = ROLE_PURPOSES.reduce(
    (texts, purpose) => texts.replaceAll(`'${placeholderOf(purpose)}'`, `:'${variableOf(purpose)}'`),
    statements.map((statement) => `${statement.text};`).join('\n'),
  );
  const variables = ROLE_PURPOSES.map(variableOf);
  return {
    plan: plan.name,
    store,
    database: name,
    roles,
    variables,
    sql: `${headerOf(plan, store, name, owners, file)}\n${sql}`,
    next: `npx crossfade plan check ${file}`,
  };
}

function headerOf(plan: Plan, store: StoreName, database: string, owners: readonly string[], file: string): string {
  const given = ROLE_PURPOSES.map((purpose) => `-v ${variableOf(purpose)}=…`).join(' ');
  return [
    `-- Roles of Crossfade for plan ${plan.name}, store ${store}, database ${database}. May be run again; a second run sets passwords and grants anew.`,
    `-- Run as an administrator: psql --set ON_ERROR_STOP=on -d ${database} ${given} -f <this file>`,
    ...(owners.length > 0
      ? []
      : [
          `-- No owner was given: only an owner may create triggers. Repeat with: crossfade plan roles ${file} --store ${store} --owner <role>`,
        ]),
  ].join('\n');
}

function limitsOf(plan: Plan, store: StoreName) {
  return {
    applyMs: plan.targetTimeout,
    backfillMs: plan.backfill.statementTimeout,
    readMs: store === 'target' ? plan.reads.timeout : Math.max(LEGACY_READ_MS, plan.reads.timeout),
  };
}

function databaseOf(store: Readonly<StorePlan>): string | undefined {
  return store.database;
}

function placeholderOf(purpose: RolePurpose): string {
  return `crossfade-password-of-${purpose}`;
}

function variableOf(purpose: RolePurpose): string {
  return `${purpose}_password`;
}

function mapPurposes<Value>(make: (purpose: RolePurpose) => Value): Readonly<Record<RolePurpose, Value>> {
  // Object.fromEntries forgets the names that it was given.
  return Object.fromEntries(ROLE_PURPOSES.map((purpose) => [purpose, make(purpose)])) as Record<RolePurpose, Value>;
}
