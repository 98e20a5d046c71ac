/**
 * Makes a plan runnable on this machine: Crossfade's roles in both stores, a secret for each of them in the emulator, and a copy
 * of the plan whose stores are the local ones. Everything else in the plan stays as it was written.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import pg from 'pg';
import { parseDocument } from 'yaml';
import { STORES, type StoreName } from '../domain/direction.ts';
import { loadPlan, type Plan, ROLE_PURPOSES, type RolePurpose } from '../plan/plan.ts';
import { createRoles, roleNames } from '../sql/install/roles.ts';
import { type AwsCredentials, LOCAL_ACCOUNT, LOCAL_REGION } from './checkout.ts';
import type { LocalStore } from './stores.ts';

export interface AdoptedPlan {
  readonly name: string;
  /** The resolved copy, which is deployed and which the CLI uses. */
  readonly file: string;
  readonly plan: Plan;
  /** ARN of the secret of each role. */
  readonly secrets: Readonly<Record<StoreName, Readonly<Record<RolePurpose, string>>>>;
}

export interface AdoptOptions {
  /** The plan as its author wrote it. */
  readonly planFile: string;
  /** Where the resolved copy goes. */
  readonly folder: string;
  readonly stores: Readonly<Record<StoreName, LocalStore>>;
  readonly endpoint: string;
  readonly credentials: AwsCredentials;
}

/** Legacy answers when the target does not, and is not hurried (design §6: the target has `reads.timeout`). */
const LEGACY_READ_MS = 5_000;

/** @throws {PlanError} for a plan that is not valid, Error naming a table that a store lacks, or what a role may not do. */
export async function adoptPlan(options: AdoptOptions): Promise<AdoptedPlan> {
  const text = readFileSync(options.planFile, 'utf8');
  const plan = loadPlan(text, options.planFile);
  // Roles belong to a server: both stores may be on one, so a purpose has one password on both.
  const passwords = mapPurposes(() => randomBytes(18).toString('base64url'));
  for (const store of STORES) await makeRoles(store, plan, options.stores[store], passwords);
  const client = new SecretsManagerClient({
    endpoint: options.endpoint,
    region: LOCAL_REGION,
    credentials: options.credentials,
  });
  const names = roleNames();
  const secretsOf = async (store: StoreName) => {
    const arns = await Promise.all(
      ROLE_PURPOSES.map((purpose) =>
        putSecret(client, `crossfade/${plan.name}/${store}/${purpose}`, {
          username: names[purpose],
          password: passwords[purpose],
        }),
      ),
    );
    return mapPurposes((_, index) => arns[index] ?? '');
  };
  const secrets = { legacy: await secretsOf('legacy'), target: await secretsOf('target') };
  client.destroy();
  const file = join(options.folder, `${basename(plan.name)}.plan.yaml`);
  mkdirSync(options.folder, { recursive: true });
  const resolved = resolveStores(text, options.stores, secrets);
  writeFileSync(file, resolved);
  return { name: plan.name, file, plan: loadPlan(resolved, file), secrets };
}

/** ARN of the cluster that stands for a store; the Data API front knows it by this name. */
export function clusterArn(store: StoreName): string {
  return `arn:aws:rds:${LOCAL_REGION}:${LOCAL_ACCOUNT}:cluster:crossfade-${store}`;
}

/** The stores are replaced, comments and everything else stay. */
function resolveStores(text: string, stores: AdoptOptions['stores'], secrets: AdoptedPlan['secrets']): string {
  const document = parseDocument(text);
  for (const store of STORES) {
    document.set(store, {
      driver: 'rds-data',
      clusterArn: clusterArn(store),
      database: stores[store].database,
      roles: secrets[store],
    });
  }
  document.delete('network');
  document.commentBefore = ` Written by \`npm run local -- up\`; the stores are local ones. Edit the plan that it was made from.\n${document.commentBefore ?? ''}`;
  return document.toString({ lineWidth: 0 });
}

async function makeRoles(
  name: StoreName,
  plan: Plan,
  store: LocalStore,
  passwords: Readonly<Record<RolePurpose, string>>,
): Promise<void> {
  const client = new pg.Client({ connectionString: store.url, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
  } catch (error) {
    const { hostname, port } = new URL(store.url);
    throw new Error(
      `${name}: ${hostname}:${port || 5432} cannot be reached: ${error instanceof Error ? error.message : error}`,
    );
  }
  try {
    const found = await findTables(client, plan);
    const missing = tableNames(plan).filter(
      ([schema, relation]) => !found.some((row) => row.schema === schema && row.relation === relation),
    );
    if (missing.length > 0) {
      throw new Error(
        `${name} (database ${store.database}) has no table ${missing.map((table) => table.join('.')).join(', ')}; load its schema first (--${name}-sql FILE)`,
      );
    }
    const names = roleNames();
    const statements = createRoles({
      database: store.database,
      logins: mapPurposes((purpose) => ({ role: names[purpose], password: passwords[purpose] })),
      schemas: unique(found.map((row) => row.schema)),
      owners: unique(found.map((row) => row.owner)),
      limits: {
        applyMs: plan.targetTimeout,
        backfillMs: plan.backfill.statementTimeout,
        readMs: name === 'target' ? plan.reads.timeout : LEGACY_READ_MS,
      },
    });
    await client.query('BEGIN');
    for (const { text } of statements) await client.query(text);
    await client.query('COMMIT');
  } catch (error) {
    const isDenied = (error as { code?: string }).code === '42501';
    if (!isDenied) throw error;
    throw new Error(
      `${name}: the role of the given URL may not create Crossfade's roles (${error instanceof Error ? error.message : error}); use a superuser, or a role with CREATEROLE that may grant the owner of the tables and pg_monitor (GRANT … TO it WITH ADMIN OPTION)`,
    );
  } finally {
    await client.end();
  }
}

/** Whether the store has none of the plan's tables yet. */
export async function isEmptyFor(plan: Plan, store: LocalStore): Promise<boolean> {
  const client = new pg.Client({ connectionString: store.url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return (await findTables(client, plan)).length === 0;
  } finally {
    await client.end();
  }
}

interface FoundTable {
  readonly schema: string;
  readonly relation: string;
  readonly owner: string;
}

async function findTables(client: pg.Client, plan: Plan): Promise<readonly FoundTable[]> {
  const found = await client.query<FoundTable>(
    `SELECT n.nspname::text AS schema, c.relname::text AS relation, pg_get_userbyid(c.relowner)::text AS owner
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND (n.nspname, c.relname) IN (SELECT t ->> 0, t ->> 1 FROM json_array_elements($1::json) AS t)`,
    [JSON.stringify(tableNames(plan))],
  );
  return found.rows;
}

function tableNames(plan: Plan): readonly (readonly [string, string])[] {
  return Object.keys(plan.tables).map(splitName);
}

async function putSecret(
  client: SecretsManagerClient,
  name: string,
  value: { readonly username: string; readonly password: string },
): Promise<string> {
  const SecretString = JSON.stringify(value);
  try {
    return (await client.send(new CreateSecretCommand({ Name: name, SecretString }))).ARN ?? '';
  } catch (error) {
    if (!(error instanceof ResourceExistsException)) throw error;
    return (await client.send(new PutSecretValueCommand({ SecretId: name, SecretString }))).ARN ?? '';
  }
}

function mapPurposes<T>(make: (purpose: RolePurpose, index: number) => T): Readonly<Record<RolePurpose, T>> {
  return Object.fromEntries(ROLE_PURPOSES.map((purpose, index) => [purpose, make(purpose, index)])) as Record<
    RolePurpose,
    T
  >;
}

function splitName(name: string): readonly [string, string] {
  const [first = '', second] = name.split('.');
  return second === undefined ? ['public', first] : [first, second];
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
