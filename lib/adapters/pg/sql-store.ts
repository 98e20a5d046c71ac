/**
 * SqlStore over the PostgreSQL protocol. Session settings (TimeZone, DateStyle, extra_float_digits, search_path, row_security,
 * statement_timeout) are pinned on the login role at install and not here: RDS Proxy refuses startup options, and the Data API has none.
 */
import pg from 'pg';
import type { SqlSession, SqlStore } from '../../ports/sql.ts';
import type { Statement } from '../../sql/statement.ts';
import { unknownOutcome } from '../shared/sql-errors.ts';
import { runTransaction } from '../shared/transaction-session.ts';
import { endsConnection, toSqlError } from './errors.ts';
import { RAW_TYPES } from './raw-types.ts';

export interface PgOptions {
  /** With password: never logged. Settings of the URL win over the other options. */
  readonly connectionString?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly ssl?: pg.ClientConfig['ssl'];
  /** Connections of this process. Default 4. */
  readonly connections?: number | undefined;
  /** The server's own statement_timeout should strike first; this one frees a caller from a server that hangs. Default 60 s. */
  readonly queryTimeoutMs?: number | undefined;
  /** Default 5 s. */
  readonly connectTimeoutMs?: number | undefined;
}

const DEFAULT_CONNECTIONS = 4;
const DEFAULT_QUERY_TIMEOUT_MS = 60_000;
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
/** Below the 350 s after which NAT gateways and load balancers forget a silent connection. */
const IDLE_TIMEOUT_MS = 60_000;

export function createPgStore(options: PgOptions): SqlStore {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    host: options.host,
    port: options.port,
    database: options.database,
    user: options.user,
    password: options.password,
    // `ssl: undefined` would override what the connection string says.
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    max: options.connections ?? DEFAULT_CONNECTIONS,
    query_timeout: options.queryTimeoutMs ?? DEFAULT_QUERY_TIMEOUT_MS,
    connectionTimeoutMillis: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    keepAlive: true,
    allowExitOnIdle: true,
    application_name: 'crossfade',
    types: RAW_TYPES,
  });
  // An idle connection that the server closes must not end the process; the next query gets another one.
  pool.on('error', () => undefined);
  let closing: Promise<void> | undefined;
  return {
    query: <Row>(statement: Statement) => withClient(pool, (client) => runStatement<Row>(client, statement)),
    transaction: (work, { readOnly = false } = {}) =>
      withClient(pool, (client, discard) => runPgTransaction(client, discard, work, readOnly)),
    close: () => {
      closing ??= pool.end();
      return closing;
    },
  };
}

async function withClient<T>(
  pool: pg.Pool,
  use: (client: pg.PoolClient, discard: () => void) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toSqlError(error);
  });
  let broken = false;
  const discard = () => {
    broken = true;
  };
  client.on('error', discard);
  try {
    return await use(client, discard);
  } catch (error) {
    broken ||= endsConnection(error);
    throw error;
  } finally {
    client.off('error', discard);
    client.release(broken);
  }
}

function runPgTransaction<T>(
  client: pg.PoolClient,
  discard: () => void,
  work: (session: SqlSession) => Promise<T>,
  readOnly: boolean,
): Promise<T> {
  return runTransaction(
    {
      begin: async (onlyReads) => {
        await runStatement(client, {
          text: `BEGIN ISOLATION LEVEL READ COMMITTED ${onlyReads ? 'READ ONLY' : 'READ WRITE'}`,
          values: [],
        });
      },
      query: (statement) => runStatement(client, statement),
      commit: async () => {
        await runStatement(client, { text: 'COMMIT', values: [] }).catch((error: unknown) => {
          if (!endsConnection(error)) throw error;
          discard();
          throw unknownOutcome(toSqlError(error));
        });
      },
      rollback: async (cause) => {
        // The server rolls back what loses its connection, and a hung one would hold us for another timeout.
        if (endsConnection(cause)) discard();
        else await runStatement(client, { text: 'ROLLBACK', values: [] }).catch(discard);
      },
    },
    work,
    readOnly,
  );
}

async function runStatement<Row>(client: pg.PoolClient, statement: Statement): Promise<readonly Row[]> {
  try {
    const result = await client.query({ text: statement.text, values: [...statement.values] });
    // Rows are as raw-types.ts makes them; their columns are the caller's claim about its own SQL.
    return (result.rows ?? []) as Row[];
  } catch (error) {
    throw toSqlError(error);
  }
}
