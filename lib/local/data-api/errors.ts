/** The errors of the RDS Data API by name, with the HTTP status that decides whether the SDK retries by itself (5xx). */
export const HTTP_STATUS_OF = {
  AccessDeniedException: 403,
  BadRequestException: 400,
  DatabaseErrorException: 400,
  DatabaseNotFoundException: 404,
  DatabaseResumingException: 400,
  DatabaseUnavailableException: 504,
  ForbiddenException: 403,
  HttpEndpointNotEnabledException: 400,
  InternalServerErrorException: 500,
  InvalidSecretException: 400,
  NotFoundException: 404,
  SecretsErrorException: 400,
  ServiceUnavailableError: 503,
  StatementTimeoutException: 400,
  TransactionNotFoundException: 404,
  UnsupportedResultException: 400,
  ValidationException: 400,
} as const;
export type DataApiErrorName = keyof typeof HTTP_STATUS_OF;

export class DataApiError extends Error {
  override readonly name: DataApiErrorName;
  /** Members of the error shape besides its message, e.g. `dbConnectionId`. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(name: DataApiErrorName, message: string, members: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = name;
    this.members = members;
  }
}

/** What the `pg` driver reports of a server's error message. */
interface ServerError extends Error {
  readonly code?: string;
  readonly severity?: string;
  readonly position?: string;
}

/** Server is shutting down, crashed or starting: the database is not available, whatever the statement was. */
const UNAVAILABLE_STATES = new Set(['57P01', '57P02', '57P03']);
const MULTIPLE_COMMANDS = /^cannot insert multiple commands into a prepared statement/;

/**
 * As Aurora Serverless v2 reports it: `ERROR: <message>; Position: <n>; SQLState: <state>`.
 * v2 gives no Detail and no Hint, so nothing may depend on them (v1 did; Detail would also carry row contents).
 */
export function fromServer(error: unknown): DataApiError {
  if (error instanceof DataApiError) return error;
  if (!(error instanceof Error)) return new DataApiError('InternalServerErrorException', String(error));
  const { code, severity, position, message } = error as ServerError;
  const isSqlState = severity !== undefined && code !== undefined && /^[0-9A-Z]{5}$/.test(code);
  if (!isSqlState) return new DataApiError('DatabaseUnavailableException', `The database is not available: ${message}`);
  if (UNAVAILABLE_STATES.has(code)) return new DataApiError('DatabaseUnavailableException', message);
  if (MULTIPLE_COMMANDS.test(message))
    return new DataApiError('ValidationException', "Multistatements aren't supported.");
  const place = position === undefined ? '' : `; Position: ${position}`;
  return new DataApiError('DatabaseErrorException', `${severity}: ${message}${place}; SQLState: ${code}`);
}
