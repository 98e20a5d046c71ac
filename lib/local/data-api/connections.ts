/** Connections to the real servers: one bounded pool for each cluster, role and database. */
import pg from 'pg';
import { fromServer } from './errors.ts';
import type { Limits } from './limits.ts';
import type { BoundValue } from './parameters.ts';
import type { RawResult } from './results.ts';
import type { Credentials } from './secrets.ts';

export interface ClusterAddress {
  readonly host: string;
  readonly port: number;
  /** Only for servers of the caller's own. */
  readonly ssl?: { readonly rejectUnauthorized: boolean } | undefined;
}

export interface Connection {
  /** Process id of the backend, `dbConnectionId` of the Data API. */
  readonly id: number;
  /** One round trip. @throws {DataApiError} */
  run(text: string, values?: readonly BoundValue[]): Promise<RawResult>;
  /** Asks the server to cancel what runs; resolves when it was asked. */
  cancel(): Promise<void>;
  /** SQLSTATE with which the server ended an idle connection, `lost` without one, undefined while it lives. */
  lossReason(): string | undefined;
  /** Gives it back; a connection with session state or in an unknown state is thrown away. */
  release(options?: { readonly reusable?: boolean }): void;
}

export interface Connections {
  /** @throws {DataApiError} DatabaseUnavailableException, or DatabaseErrorException for a wrong password or database. */
  acquire(address: ClusterAddress, credentials: Credentials, database: string): Promise<Connection>;
  close(): Promise<void>;
}

/** Commands that leave something in the session that the next caller would inherit. */
const SESSION_COMMANDS = new Set([
  'SET',
  'RESET',
  'LISTEN',
  'PREPARE',
  'DECLARE CURSOR',
  'BEGIN',
  'START TRANSACTION',
  'CREATE TABLE',
  'LOAD',
  'DISCARD ALL',
]);
const IDLE_MS = 30_000;
const CLOSE_MS = 2_000;

export function createConnections(limits: Limits): Connections {
  const pools = new Map<string, pg.Pool>();
  const open = (config: pg.PoolConfig) => {
    const pool = new pg.Pool(config);
    // Lost idle connections are replaced by the pool; without a listener they would end this process.
    pool.on('error', () => {});
    pool.on('connect', (client) => client.on('error', () => {}));
    return pool;
  };
  return {
    acquire: async (address, credentials, database) => {
      const config = { ...address, user: credentials.username, password: credentials.password, database };
      const key = JSON.stringify(config);
      const pool =
        pools.get(key) ??
        open({
          ...config,
          max: limits.connections,
          connectionTimeoutMillis: limits.connectMs,
          idleTimeoutMillis: IDLE_MS,
          application_name: 'data-api',
        });
      pools.set(key, pool);
      try {
        return wrap(await pool.connect(), config, limits);
      } catch (error) {
        throw fromServer(error);
      }
    },
    close: async () => {
      const ended = Promise.all([...pools.values()].map((pool) => pool.end()));
      pools.clear();
      // A statement that still runs would keep its pool open.
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref())]);
    },
  };
}

function wrap(client: pg.PoolClient, config: pg.ClientConfig, limits: Limits): Connection {
  let loss: string | undefined;
  let sessionState = false;
  const lose = (error: Error & { code?: string }) => {
    loss ??= error.code ?? 'lost';
  };
  client.on('error', lose);
  const id = (client as unknown as { processID: number }).processID;
  return {
    id,
    run: async (text, values = []) => {
      try {
        const result = (await client.query(toQuery(text, values))) as unknown as RawResult;
        sessionState ||= SESSION_COMMANDS.has(result.command);
        return result;
      } catch (error) {
        const known = fromServer(error);
        if (known.name === 'DatabaseUnavailableException') loss ??= 'lost';
        throw known;
      }
    },
    cancel: async () => {
      const other = new pg.Client({ ...config, connectionTimeoutMillis: limits.connectMs });
      other.on('error', () => {});
      try {
        await other.connect();
        await other.query('SELECT pg_cancel_backend($1)', [id]);
      } catch {
        // The server does not answer: release() closes the connection instead.
      } finally {
        await other.end().catch(() => {});
      }
    },
    lossReason: () => loss,
    release: ({ reusable = true } = {}) => {
      client.off('error', lose);
      const idle = (client as unknown as { getTransactionStatus(): string | null }).getTransactionStatus() === 'I';
      client.release(!reusable || sessionState || !idle || loss !== undefined);
    },
  };
}

/**
 * `types` has two readers in the driver: as an array it declares the parameters' types to the server, and its getTypeParser parses
 * results. Both are wanted: declared types as the Data API declares them, and results as the text that PostgreSQL printed.
 */
function toQuery(text: string, values: readonly BoundValue[]): pg.QueryConfig {
  const types = Object.assign(
    values.map((value) => value.type),
    { getTypeParser: () => (value: unknown) => value },
  );
  // queryMode: several statements in one text are refused by the extended protocol, also when there are no parameters.
  const query = { text, values: values.map((value) => value.value), rowMode: 'array', types, queryMode: 'extended' };
  return query as unknown as pg.QueryConfig;
}
