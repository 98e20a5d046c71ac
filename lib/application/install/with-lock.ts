/** DDL on a busy table: a short lock timeout, then again with backoff, so that application writes never queue for long. */

import { SqlError, type SqlSession, type SqlStore } from '../../ports/sql.ts';
import { setLockTimeout } from '../../sql/install/set-lock-timeout.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Deps } from '../deps.ts';

const LOCK_NOT_AVAILABLE = '55P03';

export interface LockPatience {
  /** Milliseconds that one attempt may wait for the lock. */
  readonly lockTimeout: number;
  readonly lockRetries: number;
}

/** @throws {SqlError} when the lock could not be had in `lockRetries` attempts, naming the table. */
export async function withLock(
  deps: Deps,
  store: SqlStore,
  patience: LockPatience,
  what: string,
  statements: readonly Statement[],
): Promise<void> {
  await withLockTimeout(deps, store, patience, what, async (session) => {
    for (const statement of statements) await session.query(statement);
  });
}

/** The same for work that looks before it does: it begins anew with every attempt. */
export async function withLockTimeout<T>(
  deps: Deps,
  store: SqlStore,
  patience: LockPatience,
  what: string,
  work: (session: SqlSession) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.transaction(async (session) => {
        await session.query(setLockTimeout(patience.lockTimeout));
        return work(session);
      });
    } catch (error) {
      if (!(error instanceof SqlError) || error.sqlState !== LOCK_NOT_AVAILABLE) throw error;
      if (attempt >= patience.lockRetries) {
        throw new SqlError(
          `${what}: no lock in ${attempt} attempts of ${patience.lockTimeout} ms; find who holds it in pg_locks, then start again`,
          {
            kind: 'transient',
            sqlState: LOCK_NOT_AVAILABLE,
            cause: error,
          },
        );
      }
      deps.log.info('the table is busy; trying again', { what, attempt });
      await deps.clock.sleep(Math.min(5_000, 100 * 2 ** Math.min(attempt, 6)));
    }
  }
}
