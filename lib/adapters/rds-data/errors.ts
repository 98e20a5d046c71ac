/** Errors of the RDS Data API, by kind (its names are the SDK's; which of them the SDK repeats by itself does not matter: attempts are 1). */
import { SqlError, type SqlErrorKind } from '../../ports/sql.ts';
import { fromServerError, kindOfNetworkCode } from '../shared/sql-errors.ts';

const KIND_OF_NAME: Readonly<Record<string, SqlErrorKind>> = {
  AccessDeniedException: 'configuration',
  CredentialsProviderError: 'configuration',
  DatabaseNotFoundException: 'configuration',
  DatabaseResumingException: 'unavailable',
  DatabaseUnavailableException: 'unavailable',
  ExpiredTokenException: 'configuration',
  ForbiddenException: 'configuration',
  HttpEndpointNotEnabledException: 'configuration',
  IncompleteSignatureException: 'configuration',
  InternalServerErrorException: 'transient',
  InvalidResourceStateException: 'unavailable',
  InvalidSecretException: 'configuration',
  InvalidSignatureException: 'configuration',
  NotFoundException: 'configuration',
  SecretsErrorException: 'configuration',
  ServiceUnavailableError: 'unavailable',
  SignatureDoesNotMatch: 'configuration',
  StatementTimeoutException: 'transient',
  ThrottlingException: 'transient',
  TimeoutError: 'unavailable',
  TooManyRequestsException: 'transient',
  TransactionNotFoundException: 'transient',
  UnrecognizedClientException: 'configuration',
  UnsupportedResultException: 'permanent',
  ValidationException: 'permanent',
};

const TOO_LARGE =
  /response (?:exceeded|size)|exceeded size limit|more than the allowed response|too large|request size|maximum allowed payload/i;
/** Older engines say it so, under BadRequestException. */
const TRANSACTION_GONE = /transaction .*(?:is not found|not found|expired|aborted)/i;

export function isResuming(error: unknown): boolean {
  return error instanceof Error && error.name === 'DatabaseResumingException';
}

/** Whether a COMMIT that failed so may have happened all the same. */
export function leavesOutcomeUnknown(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  const status = (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode;
  // No status: no answer arrived. TransactionNotFound: an earlier attempt, or a time-out, ended it.
  return status === undefined || status >= 500 || error.name === 'TransactionNotFoundException';
}

export function toSqlError(error: unknown): SqlError {
  if (error instanceof SqlError) return error;
  const { name, message, code } = (error instanceof Error ? error : new Error(String(error))) as Error & {
    readonly code?: string;
  };
  const sqlState = /SQLState:\s*([0-9A-Z]{5})/.exec(message)?.[1];
  if (sqlState !== undefined) return fromServerError({ sqlState, message: primaryMessage(message) });
  if (TOO_LARGE.test(message) || name === 'PayloadTooLargeException' || name === 'RequestEntityTooLargeException') {
    return new SqlError(`the Data API refused the size: ${message}; ask for less at once`, { kind: 'limit' });
  }
  if (TRANSACTION_GONE.test(message)) return new SqlError(`the transaction is gone: ${message}`, { kind: 'transient' });
  const kind =
    KIND_OF_NAME[name] ?? kindOfNetworkCode(code) ?? (name === 'BadRequestException' ? 'permanent' : 'transient');
  return new SqlError(`${name}: ${firstLine(message) || code || 'no message'}`, { kind });
}

/** `ERROR: <message>; Position: 8; SQLState: 42P01`, or with `\n  Detail: …` on engines that give one: neither may stay. */
function primaryMessage(message: string): string {
  return firstLine(message)
    .replace(/^(?:ERROR|FATAL|PANIC):\s*/, '')
    .replace(/;\s*(?:Error code|Position|SQLState):.*$/s, '')
    .replace(/\s*(?:Detail|Hint|Where):.*$/s, '');
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}
