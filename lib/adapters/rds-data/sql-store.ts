/**
 * SqlStore over the RDS Data API. The SDK repeats nothing by itself (a repeated COMMIT or write hides what happened); only a
 * database that resumes is waited for, because such a call was never carried out. Session settings are pinned on the login role.
 */
import {
  BeginTransactionCommand,
  CommitTransactionCommand,
  ExecuteStatementCommand,
  RDSDataClient,
  RollbackTransactionCommand,
} from '@aws-sdk/client-rds-data';
import type { Clock } from '../../ports/clock.ts';
import { SqlError, type SqlStore } from '../../ports/sql.ts';
import type { Statement } from '../../sql/statement.ts';
import { unknownOutcome } from '../shared/sql-errors.ts';
import { runTransaction, type TransactionDriver } from '../shared/transaction-session.ts';
import { isResuming, leavesOutcomeUnknown, toSqlError } from './errors.ts';
import { toParameters, toRows } from './fields.ts';
import { nameParameters } from './named-parameters.ts';

/** May take longer than the 45 s of a call and is looked after by the catalogue: cut off, it would leave an invalid index. */
const GOES_ON = /^(?:CREATE|DROP|REINDEX) INDEX CONCURRENTLY/;

export interface RdsDataOptions {
  readonly client: RDSDataClient;
  readonly clock: Clock;
  readonly clusterArn: string;
  readonly secretArn: string;
  readonly database: string;
  /** Calls that may find the database resuming before the store counts as unavailable. Default 8, about 90 s; 1 for callers that cannot wait. */
  readonly resumeTries?: number | undefined;
}

/** Statements may run for 45 s; a shorter socket timeout would give up on statements that then happen unseen. */
const REQUEST_TIMEOUT_MS = 65_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** 4 MiB less what headers, ARNs and the frame of JSON take. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024 - 64 * 1024;
const RESUME_TRIES = 8;
const RESUME_FIRST_MS = 1_000;
const RESUME_MAX_MS = 30_000;

/** One client serves every store and role of a process: it holds the connections. */
export function createRdsDataClient(): RDSDataClient {
  return new RDSDataClient({
    maxAttempts: 1,
    requestHandler: {
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpsAgent: { keepAlive: true },
      httpAgent: { keepAlive: true },
    },
  });
}

export function createRdsDataStore(options: RdsDataOptions): SqlStore {
  const { client, clusterArn: resourceArn, secretArn, database } = options;
  const target = { resourceArn, secretArn, database };
  const execute = async <Row>(statement: Statement, transactionId?: string): Promise<readonly Row[]> => {
    refuseLargeRequest(statement);
    const send = () =>
      client.send(
        new ExecuteStatementCommand({
          ...target,
          sql: nameParameters(statement.text),
          parameters: toParameters(statement.values),
          includeResultMetadata: true,
          resultSetOptions: { longReturnType: 'STRING', decimalReturnType: 'STRING' },
          ...(transactionId === undefined ? {} : { transactionId }),
          ...(GOES_ON.test(statement.text) ? { continueAfterTimeout: true } : {}),
        }),
      );
    const result = await (transactionId === undefined ? whileResuming(options, send) : call(send));
    // Rows are as fields.ts makes them; their columns are the caller's claim about its own SQL.
    return toRows(result.columnMetadata, result.records) as readonly Row[];
  };
  const createTransaction = (): TransactionDriver => {
    let transactionId: string | undefined;
    const started = () => {
      if (transactionId === undefined)
        throw new SqlError('the Data API began a transaction without an id', { kind: 'transient' });
      return transactionId;
    };
    return {
      begin: async (readOnly) => {
        ({ transactionId } = await whileResuming(options, () => client.send(new BeginTransactionCommand(target))));
        // The Data API begins under the role's default isolation, which is READ COMMITTED; a second call would double the cost of every write.
        if (readOnly) await execute({ text: 'SET TRANSACTION READ ONLY', values: [] }, started());
      },
      query: (statement) => execute(statement, started()),
      commit: async () => {
        try {
          await client.send(new CommitTransactionCommand({ resourceArn, secretArn, transactionId: started() }));
        } catch (error) {
          throw leavesOutcomeUnknown(error) ? unknownOutcome(toSqlError(error)) : toSqlError(error);
        }
      },
      rollback: async () => {
        if (transactionId === undefined) return;
        // What cannot be rolled back now is rolled back by the Data API itself when it has been idle for 3 minutes.
        await client
          .send(new RollbackTransactionCommand({ resourceArn, secretArn, transactionId }))
          .catch(() => undefined);
      },
    };
  };
  return {
    query: (statement) => execute(statement),
    transaction: (work, { readOnly = false } = {}) => runTransaction(createTransaction(), work, readOnly),
    // The client is shared; whoever created it destroys it.
    close: async () => undefined,
  };
}

/** Checked here because the service does not say by name that a request was too large. */
function refuseLargeRequest({ text, values }: Statement): void {
  const characters = values.reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? value.length : 0),
    text.length,
  );
  // A quarter of the limit in characters cannot reach it, even if each one becomes four bytes of JSON.
  if (characters < MAX_REQUEST_BYTES / 4) return;
  const bytes = Buffer.byteLength(JSON.stringify([text, ...values.map(String)]));
  if (bytes > MAX_REQUEST_BYTES) {
    throw new SqlError(`a request of ${bytes} bytes is over the Data API's 4 MiB; send fewer rows at once`, {
      kind: 'limit',
    });
  }
}

async function call<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw toSqlError(error);
  }
}

/** Waits 1, 2, 4 … 30 s between tries. */
async function whileResuming<T>(
  { clock, resumeTries = RESUME_TRIES }: RdsDataOptions,
  send: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      if (!isResuming(error) || attempt >= resumeTries) throw toSqlError(error);
      await clock.sleep(Math.min(RESUME_MAX_MS, RESUME_FIRST_MS * 2 ** (attempt - 1)));
    }
  }
}
