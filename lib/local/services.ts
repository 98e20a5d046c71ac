/** Starts the services of a rehearsal: two PostgreSQL servers of different majors, the emulator, the Data API front. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { STORES, type StoreName } from '../domain/direction.ts';
import { clusterArn } from './adopt-plan.ts';
import type { AwsCredentials } from './checkout.ts';
import type { ClusterAddress } from './data-api/connections.ts';
import { startDataApiService } from './data-api-service.ts';
import { givenEndpoint, startEmulator, useEndpoint } from './emulator.ts';
import type { ServiceName, ServiceState } from './environment-state.ts';
import type { LifetimeScope } from './lifetime-scope.ts';
import { freePort, isPortTaken } from './ports.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import type { Major } from './postgres-programs.ts';
import type { Lifetime } from './spawn-service.ts';
import { type LocalStore, ownStores } from './stores.ts';

export interface ServicesOptions {
  readonly folder: string;
  /** `fixed`: the documented ports, which people and their tools know; `free`: any. */
  readonly ports: 'fixed' | 'free';
  readonly lifetime: Lifetime;
  readonly scope: LifetimeScope;
  readonly progress: (line: string) => void;
  /** Told of each service as soon as it runs. */
  readonly started?: ((name: ServiceName, state: ServiceState) => void) | undefined;
  /** More variables for the emulator, e.g. `SFN_WAIT_SCALE`. */
  readonly emulatorEnvironment?: Readonly<Record<string, string>> | undefined;
  /** False only where a crash of the machine may lose everything. Default true. */
  readonly fsync?: boolean | undefined;
  /** Settings of both servers. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

export interface Services {
  /** The servers that Crossfade started; undefined with servers of the caller's own. */
  readonly servers: Readonly<Record<StoreName, PostgresServer>> | undefined;
  /** The caller's own databases; undefined with servers that Crossfade started. */
  readonly ownStores: Readonly<Record<StoreName, LocalStore>> | undefined;
  readonly endpoint: string;
  readonly credentials: AwsCredentials;
  readonly dataApiUrl: string;
}

const MAJOR_OF: Readonly<Record<StoreName, Major>> = { legacy: 15, target: 17 };

/** Default ports and the variable that changes each. */
export const PORTS: Readonly<Record<ServiceName, { readonly port: number; readonly variable: string }>> = {
  emulator: { port: 4566, variable: 'CROSSFADE_PORT_EMULATOR' },
  front: { port: 4567, variable: 'CROSSFADE_PORT_FRONT' },
  legacy: { port: 54015, variable: 'CROSSFADE_PORT_LEGACY' },
  target: { port: 54017, variable: 'CROSSFADE_PORT_TARGET' },
};

/** What started is ended by the scope when something fails. @throws {Error} one line that says what to do. */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { folder, scope, lifetime, progress } = options;
  mkdirSync(folder, { recursive: true });
  const own = ownStores();
  const endpointUrl = givenEndpoint();
  const needed: ServiceName[] = [
    'front',
    ...(own === undefined ? STORES : []),
    ...(endpointUrl ? [] : ['emulator' as const]),
  ];
  const ports = await choosePorts(needed, options.ports);
  const report = (name: ServiceName, state: ServiceState) => options.started?.(name, state);

  const startServer = async (store: StoreName) => {
    const major = MAJOR_OF[store];
    const server = await startPostgres({
      major,
      folder: join(folder, store),
      port: ports[store],
      lifetime,
      fsync: options.fsync,
      settings: { max_connections: '200', ...options.settings },
    });
    scope.defer(async () => {
      await server.stop();
      // The log stays. Data of a rehearsal would only fill the disk: every start is clean.
      rmSync(server.dataFolder, { recursive: true, force: true });
    });
    report(store, { process: server.identity(), url: server.url });
    progress(`${store}: PostgreSQL ${major} on port ${server.port}`);
    return server;
  };
  const startEndpoint = async () => {
    const emulator = endpointUrl
      ? await useEndpoint(endpointUrl)
      : await startEmulator({
          folder: join(folder, 'emulator'),
          port: ports.emulator,
          lifetime,
          environment: options.emulatorEnvironment,
        });
    scope.defer(() => emulator.stop());
    report('emulator', { process: emulator.identity, url: emulator.url });
    progress(`AWS: ${emulator.url}${emulator.identity === undefined ? ' (AWS_ENDPOINT_URL)' : ''}`);
    return emulator;
  };
  // All settle before a failure is thrown, so that the scope knows of everything that started.
  const [legacy, target, emulator] = await settleAll([
    own === undefined ? startServer('legacy') : undefined,
    own === undefined ? startServer('target') : undefined,
    startEndpoint(),
  ] as const);
  const servers = legacy === undefined || target === undefined ? undefined : { legacy, target };
  if (own !== undefined) {
    for (const store of STORES) {
      report(store, { url: own[store].url });
      progress(`${store}: ${new URL(own[store].url).host} (yours)`);
    }
  }
  const addresses =
    own === undefined ? undefined : { legacy: addressOf(own.legacy.url), target: addressOf(own.target.url) };
  const front = await startDataApiService({
    folder,
    port: ports.front,
    clusters: Object.fromEntries(
      STORES.map((store) => [
        clusterArn(store),
        addresses?.[store] ?? { host: '127.0.0.1', port: servers?.[store].port ?? 0 },
      ]),
    ),
    endpoint: emulator.url,
    credentials: emulator.credentials,
    lifetime,
  });
  scope.defer(() => front.stop());
  report('front', { process: front.identity, url: front.url });
  progress(`Data API: ${front.url}`);
  return { servers, ownStores: own, endpoint: emulator.url, credentials: emulator.credentials, dataApiUrl: front.url };
}

async function choosePorts(
  needed: readonly ServiceName[],
  choice: 'fixed' | 'free',
): Promise<Readonly<Record<ServiceName, number>>> {
  const chosen: Record<ServiceName, number> = { legacy: 0, target: 0, emulator: 0, front: 0 };
  for (const name of needed) {
    const { port, variable } = PORTS[name];
    chosen[name] = choice === 'free' ? await freePort() : Number(process.env[variable] ?? port);
    if (!Number.isInteger(chosen[name]) || chosen[name] < 1 || chosen[name] > 65_535) {
      throw new Error(`${variable}=${process.env[variable]} is no port; set it to a number from 1 to 65535`);
    }
    if (await isPortTaken(chosen[name])) {
      throw new Error(`port ${chosen[name]} (${name}) is taken; stop what uses it, or set ${variable} to another port`);
    }
  }
  return chosen;
}

function addressOf(url: string): ClusterAddress {
  const { hostname, port, searchParams } = new URL(url);
  const mode = searchParams.get('sslmode');
  return {
    host: hostname,
    port: Number(port || 5432),
    ...(mode === null || mode === 'disable' ? {} : { ssl: { rejectUnauthorized: mode.startsWith('verify') } }),
  };
}

async function settleAll<const T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(work);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return Promise.all(work) as Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }>;
}
