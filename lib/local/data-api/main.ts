/** The Data API front as a process of its own. `CROSSFADE_DATA_API` says where it listens and what it stands for. */
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { ClusterAddress } from './connections.ts';
import { secretsManagerResolver } from './secrets.ts';
import { startDataApi } from './server.ts';

const settings = JSON.parse(process.env.CROSSFADE_DATA_API ?? '{}') as {
  readonly port: number;
  readonly clusters: Readonly<Record<string, ClusterAddress>>;
};

const api = await startDataApi({ ...settings, resolveSecret: secretsManagerResolver(new SecretsManagerClient({})) });
console.log(`Data API on ${api.url} for ${Object.keys(settings.clusters).join(', ')}`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    api.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}
