/** Started by data-api-front.ts; says its URL, and ends when its standard input does. */
import type { ClusterAddress } from '../lib/local/data-api/connections.ts';
import { startDataApi } from '../lib/local/data-api/server.ts';

export interface FrontOptions {
  readonly clusters: Readonly<Record<string, ClusterAddress>>;
}

// Written by the parent.
const { clusters } = JSON.parse(process.env.CROSSFADE_BENCH_FRONT ?? '{}') as FrontOptions;
const front = await startDataApi({
  clusters,
  resolveSecret: async (arn) => {
    const [username = '', password = ''] = arn.split(':').slice(6);
    return { username, password };
  },
});
console.log(front.url);
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
