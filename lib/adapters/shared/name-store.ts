/** Errors of a store say which store and which of Crossfade's roles: whoever reads them at night has two stores and seven roles. */
import type { StoreName } from '../../domain/direction.ts';
import { type Purpose, SqlError, type SqlStore } from '../../ports/sql.ts';

export interface StoreIdentity {
  readonly store: StoreName;
  readonly purpose: Purpose;
  /** ARN of the secret, or the name of the variable that holds the URL. */
  readonly credentials: string | undefined;
}

/** Only what a person has to mend gets the name: other errors are decided by code. */
export function nameStore(inner: SqlStore, identity: StoreIdentity): SqlStore {
  const named = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw error instanceof SqlError ? nameError(error, identity) : error;
    }
  };
  return {
    query: (statement) => named(inner.query(statement)),
    transaction: (work, options) => named(inner.transaction(work, options)),
    close: () => inner.close(),
  };
}

function nameError(error: SqlError, { store, purpose, credentials }: StoreIdentity): SqlError {
  if (error.kind !== 'unavailable' && error.kind !== 'configuration') return error;
  const name = `${store}, as role ${purpose}: `;
  if (error.message.startsWith(name)) return error;
  const isRefused = error.sqlState?.startsWith('28') === true || /secret/i.test(error.message);
  const next = isRefused && credentials !== undefined ? `; check user and password in ${credentials}` : '';
  const { kind, sqlState, constraint, cause } = error;
  return new SqlError(`${name}${error.message}${next}`, { kind, sqlState, constraint, cause });
}
