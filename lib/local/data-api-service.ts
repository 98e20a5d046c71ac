/** The Data API front as a service: a process of its own, so that it never waits for the work of whoever started it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AwsCredentials, CHECKOUT, localEnvironment, NODE_FOLDER } from './checkout.ts';
import type { ClusterAddress } from './data-api/connections.ts';
import type { Fault } from './data-api/faults.ts';
import { endTree, type ProcessIdentity } from './processes.ts';
import { type Lifetime, spawnService } from './spawn-service.ts';

export interface DataApiServiceOptions {
  readonly folder: string;
  readonly port: number;
  readonly clusters: Readonly<Record<string, ClusterAddress>>;
  /** Endpoint and credentials for Secrets Manager. */
  readonly endpoint: string;
  readonly credentials: AwsCredentials;
  readonly lifetime?: Lifetime | undefined;
}

export interface DataApiService {
  readonly url: string;
  readonly identity: ProcessIdentity;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
const GRACE_MS = 5_000;

export async function startDataApiService(options: DataApiServiceOptions): Promise<DataApiService> {
  const url = `http://127.0.0.1:${options.port}`;
  const logFile = join(options.folder, 'data-api.log');
  const service = spawnService({
    command: join(NODE_FOLDER, 'node'),
    args: [join(CHECKOUT, 'lib/local/data-api/main.ts')],
    environment: {
      ...localEnvironment(options.endpoint, options.credentials),
      CROSSFADE_DATA_API: JSON.stringify({ port: options.port, clusters: options.clusters }),
    },
    folder: options.folder,
    logFile,
    lifetime: options.lifetime ?? 'attached',
  });
  const stop = () => endTree(service.identity, 'SIGTERM', GRACE_MS);
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isDataApiHealthy(url))) {
    if (service.hasEnded() || Date.now() > deadline) {
      await stop();
      const log = readFileSync(logFile, 'utf8');
      throw new Error(
        `the Data API front did not start: ${/^\w*Error.*$/m.exec(log)?.[0] ?? 'no message'} (log: ${logFile})`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return { url, identity: service.identity, stop };
}

export async function isDataApiHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/_front/health`, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

/** Replaces the faults of a running front; an empty list heals it. */
export async function setFaults(url: string, faults: readonly Fault[]): Promise<void> {
  const response = await fetch(`${url}/_front/faults`, { method: 'POST', body: JSON.stringify(faults) });
  const text = await response.text();
  if (!response.ok) throw new Error(`the Data API front refused the faults: ${text}`);
}
