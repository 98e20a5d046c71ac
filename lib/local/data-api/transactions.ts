/** Transactions that live between calls: idle for at most three minutes, one statement at a time, ended by any error. */
import { randomBytes } from 'node:crypto';
import type { Connection } from './connections.ts';
import { DataApiError } from './errors.ts';
import type { Limits } from './limits.ts';

export interface Transactions {
  /** Takes the connection over and returns the transaction's id. */
  begin(resourceArn: string, connection: Connection): Promise<string>;
  /** Runs `work` in it. @throws {DataApiError} TransactionNotFoundException, or DatabaseErrorException while it is busy. */
  use<T>(id: string, resourceArn: string, work: (connection: Connection) => Promise<T>): Promise<T>;
  end(id: string, resourceArn: string, command: 'COMMIT' | 'ROLLBACK'): Promise<void>;
  /** Rolls back what has been idle, or open, for too long. */
  sweep(): Promise<void>;
  /** Rolls back everything. */
  close(): Promise<void>;
}

interface OpenTransaction {
  readonly connection: Connection;
  readonly resourceArn: string;
  readonly startedAt: number;
  usedAt: number;
  busy: boolean;
}

/** SQLSTATE with which a server ends a session after its idle_in_transaction_session_timeout. */
const IDLE_IN_TRANSACTION = '25P03';

export function createTransactions(limits: Limits, now: () => number): Transactions {
  const open = new Map<string, OpenTransaction>();
  /** Why recent ones are gone; the real message gives the cause too. */
  const gone = new Map<string, string>();

  const forget = (id: string, cause: string) => {
    open.delete(id);
    gone.set(id, cause);
    const oldest = gone.keys().next().value;
    if (gone.size > 10_000 && oldest !== undefined) gone.delete(oldest);
  };
  const rollBack = async (id: string, transaction: OpenTransaction, cause: string) => {
    forget(id, cause);
    transaction.connection.release({
      reusable: await isDoneInTime(transaction.connection.run('ROLLBACK'), limits.connectMs),
    });
  };
  const sweep = async () => {
    const time = now();
    const expired = [...open].filter(
      ([, { busy, usedAt, startedAt }]) =>
        !busy && (time - usedAt >= limits.transactionIdleMs || time - startedAt >= limits.transactionMs),
    );
    await Promise.all(expired.map(([id, transaction]) => rollBack(id, transaction, 'Transaction may be expired')));
  };
  const take = (id: string, resourceArn: string): OpenTransaction => {
    const transaction = open.get(id);
    if (transaction === undefined || transaction.resourceArn !== resourceArn) {
      throw new DataApiError(
        'TransactionNotFoundException',
        `Transaction ${id} is not found: ${gone.get(id) ?? 'no such transaction was begun'}`,
      );
    }
    if (transaction.busy) throw new DataApiError('DatabaseErrorException', 'Transaction is still running a query');
    return transaction;
  };

  return {
    begin: async (resourceArn, connection) => {
      try {
        await connection.run('BEGIN');
      } catch (error) {
        connection.release({ reusable: false });
        throw error;
      }
      const id = randomBytes(48).toString('base64');
      open.set(id, { connection, resourceArn, startedAt: now(), usedAt: now(), busy: false });
      return id;
    },
    use: async (id, resourceArn, work) => {
      await sweep();
      const transaction = take(id, resourceArn);
      transaction.busy = true;
      try {
        return await work(transaction.connection);
      } catch (error) {
        await rollBack(id, transaction, 'Transaction has been aborted due to an error from a previous call');
        if (transaction.connection.lossReason() !== IDLE_IN_TRANSACTION) throw error;
        throw new DataApiError(
          'TransactionNotFoundException',
          `Transaction ${id} is not found: Transaction may be expired`,
        );
      } finally {
        transaction.busy = false;
        transaction.usedAt = now();
      }
    },
    end: async (id, resourceArn, command) => {
      await sweep();
      const transaction = take(id, resourceArn);
      forget(id, 'One previous call resulted in a termination of your transaction');
      let clean = false;
      try {
        await transaction.connection.run(command);
        clean = true;
      } finally {
        transaction.connection.release({ reusable: clean });
      }
    },
    sweep,
    close: async () => {
      await Promise.all([...open].map(([id, transaction]) => rollBack(id, transaction, 'the service was stopped')));
    },
  };
}

/** False also when a server that does not answer lets it hang. */
async function isDoneInTime(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false);
  });
  const done = work.then(
    () => true,
    () => false,
  );
  return Promise.race([done, timeout]).finally(() => clearTimeout(timer));
}
