/** Started by data-api-front.ts; says its URL, then a line of {@link FrontTraffic} for each that it reads, and ends when its standard input does. */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { ClusterAddress } from '../lib/local/data-api/connections.ts';
import { startDataApi } from '../lib/local/data-api/server.ts';

export interface FrontOptions {
  readonly clusters: Readonly<Record<string, ClusterAddress>>;
}

/** Since the line before: a round trip a statement. */
export interface FrontTraffic {
  readonly requests: number;
  /** With HTTP's own headers. */
  readonly requestBytes: number;
  readonly answerBytes: number;
}

const NOTHING: FrontTraffic = { requests: 0, requestBytes: 0, answerBytes: 0 };

// Written by the parent.
const { clusters } = JSON.parse(process.env.CROSSFADE_BENCH_FRONT ?? '{}') as FrontOptions;
let traffic = NOTHING;
const known = new WeakMap<Socket, { readonly read: number; readonly written: number }>();
subscribe('http.server.response.finish', (message) => {
  // Node's own message: https://nodejs.org/api/diagnostics_channel.html#http
  const { socket } = (message as { readonly request: IncomingMessage }).request;
  const { bytesRead: read, bytesWritten: written } = socket;
  const before = known.get(socket) ?? { read: 0, written: 0 };
  known.set(socket, { read, written });
  traffic = {
    requests: traffic.requests + 1,
    requestBytes: traffic.requestBytes + read - before.read,
    answerBytes: traffic.answerBytes + written - before.written,
  };
});
const front = await startDataApi({
  clusters,
  resolveSecret: async (arn) => {
    const [username = '', password = ''] = arn.split(':').slice(6);
    return { username, password };
  },
});
console.log(front.url);
const lines = createInterface({ input: process.stdin });
lines.on('line', () => {
  console.log(JSON.stringify(traffic));
  traffic = NOTHING;
});
lines.once('close', () => process.exit(0));
