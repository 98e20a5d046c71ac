/** The Data API front over the run's servers, reached by the real SDK client. Secrets are held by the test instead of an emulator. */
import { RDSDataClient } from '@aws-sdk/client-rds-data';
import type { StoreName } from '../../lib/domain/direction.ts';
import { DataApiError } from '../../lib/local/data-api/errors.ts';
import type { Limits } from '../../lib/local/data-api/limits.ts';
import type { Credentials } from '../../lib/local/data-api/secrets.ts';
import { type DataApi, startDataApi } from '../../lib/local/data-api/server.ts';
import { testServers } from './postgres.ts';

export interface TestDataApi {
  readonly front: DataApi;
  readonly client: RDSDataClient;
  readonly clusterArns: Readonly<Record<StoreName, string>>;
  /** Secret of the superuser of both servers' roles of that name. */
  readonly secretArns: Readonly<Record<StoreName, string>>;
  /** Registers another secret and returns its ARN. */
  addSecret(name: string, credentials: Credentials): string;
  stop(): Promise<void>;
}

const CLUSTER_PREFIX = 'arn:aws:rds:us-east-1:000000000000:cluster:';
const SECRET_PREFIX = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:';

export async function startTestDataApi(
  options: { limits?: Partial<Limits>; now?: () => number } = {},
): Promise<TestDataApi> {
  const servers = testServers();
  const secrets = new Map<string, Credentials>();
  const addSecret = (name: string, credentials: Credentials) => {
    secrets.set(`${SECRET_PREFIX}${name}`, credentials);
    return `${SECRET_PREFIX}${name}`;
  };
  const front = await startDataApi({
    clusters: {
      [`${CLUSTER_PREFIX}legacy`]: addressOf(servers.legacy),
      [`${CLUSTER_PREFIX}target`]: addressOf(servers.target),
    },
    resolveSecret: async (arn) => {
      const credentials = secrets.get(arn);
      if (credentials === undefined)
        throw new DataApiError('SecretsErrorException', `Error fetching secret ${arn}: there is none`);
      return credentials;
    },
    ...options,
  });
  const client = new RDSDataClient({
    endpoint: front.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });
  return {
    front,
    client,
    clusterArns: { legacy: `${CLUSTER_PREFIX}legacy`, target: `${CLUSTER_PREFIX}target` },
    secretArns: {
      legacy: addSecret('legacy-superuser', credentialsIn(servers.legacy)),
      target: addSecret('target-superuser', credentialsIn(servers.target)),
    },
    addSecret,
    stop: async () => {
      client.destroy();
      await front.stop();
    },
  };
}

/** Name of the database that a URL of {@link freshDatabase} names. */
export function databaseIn(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

export function credentialsIn(url: string): Credentials {
  const { username, password } = new URL(url);
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
}

function addressOf(url: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}
