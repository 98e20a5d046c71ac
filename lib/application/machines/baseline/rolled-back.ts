/** Work in a transaction that never commits: how baseline tries writes without leaving any behind (invariant 4). */
import type { SqlSession, SqlStore } from '../../../ports/sql.ts';

export async function rolledBack<T>(store: SqlStore, work: (session: SqlSession) => Promise<T>): Promise<T> {
  const done = new Done<T>();
  try {
    await store.transaction(async (session) => {
      done.value = { result: await work(session) };
      throw done;
    });
  } catch (error) {
    if (error !== done) throw error;
  }
  // The transaction ended by our own throw, which comes after the value.
  return (done.value as { result: T }).result;
}

/** Thrown to end the transaction; carries the result past the rollback. */
class Done<T> extends Error {
  override readonly name = 'RolledBack';
  value: { readonly result: T } | undefined;
}
