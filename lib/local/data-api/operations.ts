/** The five operations of the RDS Data API, over open connections. Requests are checked as the service's model says. */
import type {
  BatchExecuteStatementRequest,
  BeginTransactionRequest,
  CommitTransactionRequest,
  ExecuteStatementRequest,
  SqlParameter,
} from '@aws-sdk/client-rds-data';
import type { ClusterAddress, Connection, Connections } from './connections.ts';
import { DataApiError } from './errors.ts';
import type { Faults } from './faults.ts';
import type { Limits } from './limits.ts';
import { numberParameters } from './named-parameters.ts';
import { bindParameters } from './parameters.ts';
import { describeColumns, encodeRows, formatRows, type RawResult } from './results.ts';
import type { SecretResolver } from './secrets.ts';
import type { Transactions } from './transactions.ts';

export interface OperationDeps {
  readonly clusters: ReadonlyMap<string, ClusterAddress>;
  readonly limits: Limits;
  readonly resolveSecret: SecretResolver;
  readonly connections: Connections;
  readonly transactions: Transactions;
  readonly faults: Faults;
}

export type Operation = (deps: OperationDeps, request: Readonly<Record<string, unknown>>) => Promise<unknown>;

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  '/Execute': (deps, request) => execute(deps, request as unknown as ExecuteStatementRequest),
  '/BatchExecute': (deps, request) => batchExecute(deps, request as unknown as BatchExecuteStatementRequest),
  '/BeginTransaction': (deps, request) => begin(deps, request as unknown as BeginTransactionRequest),
  '/CommitTransaction': async (deps, request) => {
    await end(deps, request as unknown as CommitTransactionRequest, 'COMMIT');
    return { transactionStatus: 'Transaction Committed' };
  },
  '/RollbackTransaction': async (deps, request) => {
    await end(deps, request as unknown as CommitTransactionRequest, 'ROLLBACK');
    return { transactionStatus: 'Rollback Complete' };
  },
};

/** Longest values that the service's model allows, in characters. */
const LENGTHS = { resourceArn: 100, secretArn: 100, database: 64, transactionId: 192 } as const;
const COUNTED = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

async function execute(deps: OperationDeps, request: ExecuteStatementRequest): Promise<unknown> {
  checkRequest(deps, request, ['sql']);
  const sql = String(request.sql);
  await deps.faults.meet({ cluster: String(request.resourceArn), secret: String(request.secretArn), sql });
  const result = await withConnection(deps, request, (connection) =>
    runLimited(deps, connection, sql, request.parameters ?? [], request.continueAfterTimeout === true),
  );
  const numberOfRecordsUpdated = COUNTED.has(result.command) ? (result.rowCount ?? 0) : 0;
  if (result.fields.length === 0) return { generatedFields: [], numberOfRecordsUpdated };
  if (request.formatRecordsAs === 'JSON') {
    if (result.command !== 'SELECT')
      throw new DataApiError('ValidationException', 'formatRecordsAs JSON is supported for SELECT statements only');
    return { formattedRecords: formatRows(result, deps.limits), numberOfRecordsUpdated };
  }
  return {
    records: encodeRows(result, request.resultSetOptions ?? {}, deps.limits),
    numberOfRecordsUpdated,
    ...(numberOfRecordsUpdated > 0 || COUNTED.has(result.command) ? { generatedFields: [] } : {}),
    ...(request.includeResultMetadata === true ? { columnMetadata: describeColumns(result) } : {}),
  };
}

/** Without a transaction each parameter set commits by itself: the service promises no atomicity across sets. */
async function batchExecute(deps: OperationDeps, request: BatchExecuteStatementRequest): Promise<unknown> {
  checkRequest(deps, request, ['sql']);
  const sql = String(request.sql);
  const sets = request.parameterSets ?? [];
  await deps.faults.meet({ cluster: String(request.resourceArn), secret: String(request.secretArn), sql });
  await withConnection(deps, request, async (connection) => {
    for (const parameters of sets.length === 0 ? [[]] : sets)
      await runLimited(deps, connection, sql, parameters, false);
  });
  return { updateResults: sets.map(() => ({ generatedFields: [] })) };
}

async function begin(deps: OperationDeps, request: BeginTransactionRequest): Promise<unknown> {
  checkRequest(deps, request, []);
  await deps.faults.meet({ cluster: String(request.resourceArn), secret: String(request.secretArn), sql: 'BEGIN' });
  const connection = await connect(deps, request);
  return { transactionId: await deps.transactions.begin(String(request.resourceArn), connection) };
}

async function end(
  deps: OperationDeps,
  request: CommitTransactionRequest,
  command: 'COMMIT' | 'ROLLBACK',
): Promise<void> {
  checkRequest(deps, request, ['transactionId']);
  await deps.faults.meet({ cluster: String(request.resourceArn), secret: String(request.secretArn), sql: command });
  await deps.resolveSecret(String(request.secretArn));
  await deps.transactions.end(String(request.transactionId), String(request.resourceArn), command);
}

type StatementRequest = Pick<ExecuteStatementRequest, 'resourceArn' | 'secretArn' | 'database' | 'transactionId'>;

async function withConnection<T>(
  deps: OperationDeps,
  request: StatementRequest,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  if (request.transactionId !== undefined) {
    await deps.resolveSecret(String(request.secretArn));
    return deps.transactions.use(request.transactionId, String(request.resourceArn), work);
  }
  const connection = await connect(deps, request);
  let abandoned = false;
  try {
    return await work(connection);
  } catch (error) {
    abandoned = error instanceof DataApiError && error.name === 'StatementTimeoutException';
    throw error;
  } finally {
    connection.release({ reusable: !abandoned });
  }
}

async function connect(deps: OperationDeps, request: StatementRequest): Promise<Connection> {
  const address = deps.clusters.get(String(request.resourceArn)) as ClusterAddress;
  const secretArn = String(request.secretArn);
  const database = request.database ?? 'postgres';
  const credentials = await deps.resolveSecret(secretArn);
  try {
    return await deps.connections.acquire(address, credentials, database);
  } catch (error) {
    if (!(error instanceof DataApiError) || !WRONG_LOGIN.test(error.message)) throw error;
    // The secret may have been mended since it was read.
    const fresh = await deps.resolveSecret(secretArn, { fresh: true });
    if (fresh.username === credentials.username && fresh.password === credentials.password) throw error;
    return deps.connections.acquire(address, fresh, database);
  }
}

/** Class 28: invalid authorization specification. */
const WRONG_LOGIN = /SQLState: 28/;

/** @throws {DataApiError} StatementTimeoutException; the statement is cancelled, unless it may go on. */
async function runLimited(
  deps: OperationDeps,
  connection: Connection,
  sql: string,
  parameters: readonly SqlParameter[],
  continueAfterTimeout: boolean,
): Promise<RawResult> {
  const { text, names } = numberParameters(sql);
  const running = connection.run(text, bindParameters(names, parameters));
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'timeout'>((resolve) => {
    timer = setTimeout(resolve, deps.limits.statementMs, 'timeout');
  });
  const first = await Promise.race([running, timeout]).finally(() => clearTimeout(timer));
  if (first !== 'timeout') return first;
  const settled = running.then(
    () => {},
    () => {},
  );
  if (continueAfterTimeout) await settled;
  else {
    await connection.cancel();
    // A server that does not answer at all is left behind: the connection is closed by whoever holds it.
    await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, deps.limits.connectMs))]);
  }
  throw new DataApiError('StatementTimeoutException', `Request timed out after ${deps.limits.statementMs} ms`, {
    dbConnectionId: connection.id,
  });
}

function checkRequest(deps: OperationDeps, request: object, required: readonly string[]): void {
  const members = request as Readonly<Record<string, unknown>>;
  for (const name of ['resourceArn', 'secretArn', ...required]) {
    if (typeof members[name] !== 'string' || members[name] === '') {
      throw new DataApiError(
        'ValidationException',
        `1 validation error detected: Value at '${name}' failed to satisfy constraint: Member must not be null`,
      );
    }
  }
  for (const [name, length] of Object.entries({ ...LENGTHS, sql: deps.limits.sqlCharacters })) {
    if (String(members[name] ?? '').length > length) {
      throw new DataApiError(
        'ValidationException',
        `1 validation error detected: Value at '${name}' failed to satisfy constraint: Member must have length less than or equal to ${length}`,
      );
    }
  }
  if (members.schema !== undefined)
    throw new DataApiError('ValidationException', "The schema parameter isn't supported");
  if (!deps.clusters.has(String(members.resourceArn))) {
    throw new DataApiError(
      'HttpEndpointNotEnabledException',
      `HttpEndpoint is not enabled for resource ${members.resourceArn}`,
    );
  }
}
