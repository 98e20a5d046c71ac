/** Errors of `pg` and of its socket, by kind. */
import { SqlError } from '../../ports/sql.ts';
import { fromServerError, kindOfNetworkCode } from '../shared/sql-errors.ts';

/** Errors of `pg` have no common class: server errors carry `severity` and `code`, socket errors a code of Node, the rest a message. */
interface DriverError extends Error {
  readonly code?: string;
  readonly severity?: string;
  readonly constraint?: string;
  readonly where?: string;
}

/** `pg`'s own words for a connection that is lost, or was never made. */
const CONNECTION_LOST =
  /connection terminated|connection error|timeout expired|timeout exceeded when trying to connect|not queryable|Client was closed/i;
const HUNG = /Query read timeout/i;
const TLS_REFUSED = /does not support SSL|self[- ]signed certificate|Hostname\/IP does not match/i;
const WRONG_SECRET = /SASL|password must be a string/i;

export function toSqlError(error: unknown): SqlError {
  if (error instanceof SqlError) return error;
  const { code, severity, constraint, where, message } = (
    error instanceof Error ? error : new Error(String(error))
  ) as DriverError;
  if (severity !== undefined && code !== undefined)
    return fromServerError({ sqlState: code, message, constraint, where });
  const kind = kindOfNetworkCode(code);
  if (kind !== undefined) return new SqlError(`the store cannot be reached: ${message || code}`, { kind });
  if (TLS_REFUSED.test(message)) return new SqlError(`TLS to the store failed: ${message}`, { kind: 'configuration' });
  if (WRONG_SECRET.test(message))
    return new SqlError('the store refused the secret: it holds no usable password', { kind: 'configuration' });
  if (HUNG.test(message))
    return new SqlError('the store did not answer in time; the statement may still have happened', {
      kind: 'unavailable',
    });
  if (CONNECTION_LOST.test(message))
    return new SqlError(`the connection to the store was lost: ${message}`, { kind: 'unavailable' });
  return new SqlError(`the driver failed: ${message}`, { kind: 'transient' });
}

/** A connection after such an error is not used again; a COMMIT that ended so may have happened. */
export function endsConnection(error: unknown): boolean {
  return error instanceof SqlError && error.kind === 'unavailable' && !STATES_THAT_SPARE.has(error.sqlState ?? '');
}

/** Unavailable to writers, but the session lives on. */
const STATES_THAT_SPARE: ReadonlySet<string> = new Set(['25006', '53100', '53200']);
