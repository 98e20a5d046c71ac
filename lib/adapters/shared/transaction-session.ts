/**
 * What both drivers promise of a transaction: one statement at a time (the Data API refuses a second one, so queries queue), and
 * the first failed statement ends it, even when the caller swallows the error (the Data API rolls back at once, so savepoints are of no use).
 */
import { SqlError, type SqlSession } from '../../ports/sql.ts';
import type { Statement } from '../../sql/statement.ts';

export interface TransactionDriver {
  begin(readOnly: boolean): Promise<void>;
  query<Row>(statement: Statement): Promise<readonly Row[]>;
  commit(): Promise<void>;
  /** Also after an error that ended the transaction, or the connection, by itself. Never throws. */
  rollback(cause: unknown): Promise<void>;
}

export async function runTransaction<T>(
  driver: TransactionDriver,
  work: (session: SqlSession) => Promise<T>,
  readOnly: boolean,
): Promise<T> {
  let failure: { readonly error: unknown } | undefined;
  let over = false;
  let turn: Promise<unknown> = Promise.resolve();
  const runNext = async <Row>(statement: Statement): Promise<readonly Row[]> => {
    if (over)
      throw new SqlError('a statement came after the end of its transaction; await every query inside it', {
        kind: 'permanent',
      });
    if (failure !== undefined) {
      throw new SqlError('an earlier statement failed and ended the transaction', { kind: 'transient' });
    }
    try {
      return await driver.query<Row>(statement);
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  const session: SqlSession = {
    query: <Row>(statement: Statement) => {
      const next = turn.then(() => runNext<Row>(statement));
      turn = next.catch(() => undefined);
      return next;
    },
  };
  try {
    await driver.begin(readOnly);
    const result = await work(session);
    await turn;
    over = true;
    if (failure !== undefined) throw failure.error;
    await driver.commit();
    return result;
  } catch (error) {
    over = true;
    await turn;
    await driver.rollback(error);
    throw error;
  }
}
