/**
 * A whole rehearsal on one machine: services, databases, roles and secrets, and the same `cdk deploy` as on AWS. In one process for
 * the demo and the tests (ends with it), or detached for `npm run local` (up.ts).
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STORES, type StoreName } from '../domain/direction.ts';
import { loadPlan, type Plan } from '../plan/plan.ts';
import { type AdoptedPlan, adoptPlan } from './adopt-plan.ts';
import { localAwsVariables } from './checkout.ts';
import type { Fault } from './data-api/faults.ts';
import { setFaults } from './data-api-service.ts';
import { bootstrapEndpoint, deployPlan } from './deploy.ts';
import { type LifetimeScope, openLifetimeScope } from './lifetime-scope.ts';
import { type Services, type ServicesOptions, startServices } from './services.ts';
import { ensureDatabase, type LocalStore } from './stores.ts';

export interface EnvironmentOptions {
  /** State, data and logs of this rehearsal. */
  readonly folder: string;
  /** The plan as its author wrote it; its stores are replaced by local ones. */
  readonly planFile: string;
  /** Default `free`. */
  readonly ports?: 'fixed' | 'free' | undefined;
  /** Fills the new databases: Crossfade needs the plan's tables to be there. Not called for databases of the caller's own. */
  readonly prepare?: ((stores: Readonly<Record<StoreName, LocalStore>>) => Promise<void>) | undefined;
  /** Default true. False: services, roles and secrets only. */
  readonly deploy?: boolean | undefined;
  readonly progress?: ((line: string) => void) | undefined;
  readonly emulatorEnvironment?: Readonly<Record<string, string>> | undefined;
  readonly fsync?: boolean | undefined;
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Ends the services; default: a scope of its own, which also ends them on signals. */
  readonly scope?: LifetimeScope | undefined;
}

export interface LocalEnvironment extends Services {
  readonly folder: string;
  readonly stores: Readonly<Record<StoreName, LocalStore>>;
  readonly adopted: AdoptedPlan;
  readonly plan: Plan;
  /** AWS variables for SDK clients and for the CLI of this rehearsal. */
  readonly variables: Readonly<Record<string, string>>;
  /** Makes calls of the Data API slow or fail; an empty list heals. */
  setFaults(faults: readonly Fault[]): Promise<void>;
  stop(): Promise<void>;
}

/** Everything is ended when it cannot be completed. @throws {Error} one line that says what to do. */
export async function startEnvironment(options: EnvironmentOptions): Promise<LocalEnvironment> {
  const scope = options.scope ?? openLifetimeScope();
  const progress = options.progress ?? (() => {});
  try {
    const plan = loadPlan(readFileSync(options.planFile, 'utf8'), options.planFile);
    const services = await startServices({ ...servicesOptions(options, scope, progress), lifetime: 'attached' });
    const deploying = {
      folder: join(options.folder, 'deploy'),
      endpoint: services.endpoint,
      credentials: services.credentials,
      progress,
      signal: scope.signal,
    };
    const isDeployed = options.deploy ?? true;
    // The two take about as long as each other and need nothing of each other.
    const bootstrapped = isDeployed ? bootstrapEndpoint(deploying) : Promise.resolve();
    const prepared = openStores(services, plan).then(async ({ stores, created }) => {
      if (created) await options.prepare?.(stores);
      return stores;
    });
    const [stores] = await Promise.all([prepared, bootstrapped]);
    const { endpoint, credentials, dataApiUrl } = services;
    const adopted = await adoptPlan({
      planFile: options.planFile,
      folder: options.folder,
      stores,
      endpoint,
      credentials,
    });
    progress(`roles and secrets for plan ${adopted.name}`);
    if (isDeployed)
      await deployPlan({ ...deploying, planFile: adopted.file, functionVariables: functionVariables(dataApiUrl) });
    return {
      ...services,
      folder: options.folder,
      stores,
      adopted,
      plan: adopted.plan,
      variables: { ...localAwsVariables(endpoint, credentials), AWS_ENDPOINT_URL_RDS_DATA: dataApiUrl },
      setFaults: (faults) => setFaults(dataApiUrl, faults),
      stop: () => scope.close(),
    };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

/** Variables of every deployed function: the SDK's own way of finding the Data API. */
export function functionVariables(dataApiUrl: string): Readonly<Record<string, string>> {
  return { AWS_ENDPOINT_URL_RDS_DATA: dataApiUrl };
}

/** The two databases: the caller's own, or the plan's on the servers that were started. `created`: they are new and empty. */
export async function openStores(
  services: Pick<Services, 'ownStores'> & {
    readonly servers: Readonly<Record<StoreName, { readonly url: string }>> | undefined;
  },
  plan: Plan,
): Promise<{ readonly stores: Readonly<Record<StoreName, LocalStore>>; readonly created: boolean }> {
  const { servers, ownStores } = services;
  if (ownStores !== undefined) return { stores: ownStores, created: false };
  if (servers === undefined) throw new Error('neither servers nor URLs of databases are known');
  const [legacy, target] = await Promise.all(
    STORES.map((store) => ensureDatabase(servers[store].url, plan[store].database ?? plan.name)),
  );
  if (legacy === undefined || target === undefined) throw new Error('two stores are expected');
  return { stores: { legacy: legacy.store, target: target.store }, created: legacy.created || target.created };
}

function servicesOptions(
  options: EnvironmentOptions,
  scope: LifetimeScope,
  progress: (line: string) => void,
): Omit<ServicesOptions, 'lifetime'> {
  const { folder, ports = 'free', emulatorEnvironment, fsync, settings } = options;
  return { folder, ports, scope, progress, emulatorEnvironment, fsync, settings };
}
