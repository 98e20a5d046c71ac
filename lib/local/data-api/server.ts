/**
 * The RDS Data API (REST-JSON) over real PostgreSQL servers, with its limits and error names, so that an unchanged RDSDataClient
 * works on one machine. It ends a call where Aurora would; it does not verify signatures, but asks for one.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type ClusterAddress, createConnections } from './connections.ts';
import { DataApiError, HTTP_STATUS_OF } from './errors.ts';
import { createFaults, type Faults } from './faults.ts';
import { AURORA_LIMITS, type Limits } from './limits.ts';
import { OPERATIONS, type OperationDeps } from './operations.ts';
import { responseTooLarge } from './results.ts';
import type { SecretResolver } from './secrets.ts';
import { createTransactions } from './transactions.ts';

export interface DataApiOptions {
  /** Cluster ARN to the server that stands for it. */
  readonly clusters: Readonly<Record<string, ClusterAddress>>;
  readonly resolveSecret: SecretResolver;
  /** Default: a free one. */
  readonly port?: number | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Milliseconds; ages transactions. */
  readonly now?: (() => number) | undefined;
}

export interface DataApi {
  readonly url: string;
  readonly port: number;
  readonly faults: Faults;
  stop(): Promise<void>;
}

const SWEEP_MS = 5_000;
/** Longer than any SDK keeps an idle socket, so that the server is never the one to close it. */
const KEEP_ALIVE_MS = 120_000;

/** @throws {Error} when the port is taken. */
export async function startDataApi(options: DataApiOptions): Promise<DataApi> {
  const limits = { ...AURORA_LIMITS, ...options.limits };
  const connections = createConnections(limits);
  const transactions = createTransactions(limits, options.now ?? Date.now);
  const clusters = new Map(Object.entries(options.clusters));
  const deps = {
    clusters,
    limits,
    connections,
    transactions,
    resolveSecret: options.resolveSecret,
    faults: createFaults(),
  };
  const server = createServer((request, response) => void answer(deps, request, response));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const sweeper = setInterval(() => void transactions.sweep(), SWEEP_MS).unref();
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    faults: deps.faults,
    stop: async () => {
      clearInterval(sweeper);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await transactions.close();
      await connections.close();
      await closed;
    },
  };
}

async function answer(deps: OperationDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = randomUUID();
  try {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const body = await readBody(request, deps.limits);
    const text = path.startsWith('/_front/')
      ? front(deps, request, path, body)
      : await operate(deps, request, path, body);
    if (Buffer.byteLength(text) > deps.limits.responseBytes) throw responseTooLarge();
    send(response, 200, text, { 'x-amzn-requestid': id });
  } catch (error) {
    const known =
      error instanceof DataApiError
        ? error
        : new DataApiError('InternalServerErrorException', error instanceof Error ? error.message : String(error));
    const text = JSON.stringify({ message: known.message, ...known.members });
    send(response, HTTP_STATUS_OF[known.name], text, { 'x-amzn-requestid': id, 'x-amzn-errortype': known.name });
  }
}

async function operate(deps: OperationDeps, request: IncomingMessage, path: string, body: string): Promise<string> {
  const operation = OPERATIONS[path];
  if (request.method !== 'POST' || operation === undefined)
    throw new DataApiError('BadRequestException', `Unknown operation ${request.method} ${path}`);
  if (!/^AWS4-/.test(request.headers.authorization ?? ''))
    throw new DataApiError('AccessDeniedException', 'Missing Authentication Token');
  return JSON.stringify(await operation(deps, parseObject(body)));
}

/** The front's own paths; `GET /_front/health`, and `GET|POST|DELETE /_front/faults` for rehearsals. */
function front(deps: OperationDeps, request: IncomingMessage, path: string, body: string): string {
  const call = `${request.method} ${path}`;
  if (call === 'GET /_front/health')
    return JSON.stringify({ status: 'available', clusters: [...deps.clusters.keys()] });
  if (call === 'GET /_front/faults') return JSON.stringify({ faults: deps.faults.list() });
  if (call === 'POST /_front/faults') return JSON.stringify({ faults: deps.faults.set(JSON.parse(body)) });
  if (call === 'DELETE /_front/faults') return JSON.stringify({ faults: deps.faults.set([]) });
  throw new DataApiError('NotFoundException', `Unknown path ${call}`);
}

async function readBody(request: IncomingMessage, limits: Limits): Promise<string> {
  const headerBytes = request.rawHeaders.reduce((sum, text) => sum + Buffer.byteLength(text) + 2, 0);
  const chunks: Buffer[] = [];
  let size = headerBytes;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    // The rest is still read, so that the client sees the answer and not a closed connection.
    if (size <= limits.requestBytes) chunks.push(chunk);
  }
  if (size > limits.requestBytes) {
    throw new DataApiError(
      'BadRequestException',
      `The request of ${size} bytes exceeds the limit of ${limits.requestBytes} bytes`,
    );
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseObject(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    if (value !== null && typeof value === 'object') return value as Record<string, unknown>;
  } catch {
    // Reported below.
  }
  throw new DataApiError('BadRequestException', 'The request body is not a JSON object');
}

function send(response: ServerResponse, status: number, text: string, headers: Readonly<Record<string, string>>): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}
