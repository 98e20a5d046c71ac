/** The deployed HTTP API as an application calls it: signed requests to the emulator, under the API's own host name. */
import { Agent, request } from 'node:http';
import type { StoreName } from '../../domain/direction.ts';
import { signGet } from './sigv4.ts';

export interface ApiOptions {
  /** Output of the deployment, e.g. `http://1a2b3c4d.execute-api.127.0.0.1:4566`. */
  readonly apiUrl: string;
  /** Of the emulator. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export interface ApiAnswer {
  readonly status: number;
  readonly servedBy: StoreName | undefined;
  /** Why legacy answered instead of the target. */
  readonly fallback: string | undefined;
  readonly body: string;
  readonly milliseconds: number;
}

export interface Api {
  /** @throws {Error} when there is no answer within ten seconds. */
  get(path: string, query?: Readonly<Record<string, string>>): Promise<ApiAnswer>;
  /** The store that the routing document names for writes; undefined when it names none. */
  writeStore(): Promise<StoreName | undefined>;
  close(): void;
}

const TIMEOUT_MS = 10_000;

export function openApi({ apiUrl, endpoint, region, credentials }: ApiOptions): Api {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const { hostname, port } = new URL(endpoint);
  // The host name of an API does not resolve everywhere, so the connection goes to the endpoint and the name into the header.
  // (`….127.0.0.1` is no valid host of a URL, which is why it is not parsed as one.)
  const id = /^https?:\/\/([^./]+)\./.exec(apiUrl)?.[1];
  if (id === undefined) throw new Error(`${apiUrl} names no API`);
  const host = `${id}.execute-api.${hostname}:${port}`;
  const get: Api['get'] = (path, query = {}) => {
    const signed = signGet({ host, path, query, region, service: 'execute-api', credentials, now: new Date() });
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const call = request(
        { agent, host: hostname, port, path: signed.target, headers: signed.headers, timeout: TIMEOUT_MS },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              servedBy: storeOf(response.headers['x-served-by']),
              fallback: textOf(response.headers['x-fallback']),
              body: Buffer.concat(chunks).toString('utf8'),
              milliseconds: performance.now() - started,
            }),
          );
        },
      );
      call.on('timeout', () => call.destroy(new Error(`no answer from ${path} in ${TIMEOUT_MS} ms`)));
      call.on('error', reject);
      call.end();
    });
  };
  return {
    get,
    writeStore: async () => {
      const { status, body } = await get('/api/v2/routing');
      return status === 200 ? writeStoreIn(body) : undefined;
    },
    close: () => agent.destroy(),
  };
}

/** All tenants move together at switchover. */
function writeStoreIn(body: string): StoreName | undefined {
  const document = JSON.parse(body) as { readonly tenants?: readonly { readonly writes?: unknown }[] };
  return storeOf(document.tenants?.[0]?.writes);
}

function storeOf(value: unknown): StoreName | undefined {
  return value === 'legacy' || value === 'target' ? value : undefined;
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}
